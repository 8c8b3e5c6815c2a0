//! The model's registry, cache and costs: a function of the seed, and a bit for each layer that was analysed.

use strata_proto::{
    digest::Digest,
    subject,
    v1::{
        AssessJob, Assessed, Failure, IndexJob, Indexed, Job, Listed, ListedRepository, Resolved,
        ResolvedImage, ResolvedLayer, ResolvedReference, Retry, job::Verb, listed_repository, outcome,
        resolved_reference,
    },
};

use super::Scenario;
use crate::{
    content::{Arch, LayerId, Plan},
    random::{Random, mix},
};

/// The analysis of the model's workers.
const FINGERPRINT: &str = "analysis";
/// Names in a page of a listing.
const PAGE: usize = 1000;
/// Packages of every image: what the planner adds up.
const PACKAGES: u64 = 100;
const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

pub(super) struct Model {
    content: Plan,
    scenario: Scenario,
    random: Random,
    /// Which layers have an inventory, by their numbers.
    cached: Vec<u64>,
    /// Until when the registry is busy with what it was asked, in microseconds: requests and bytes.
    asked_until: f64,
    sent_until: f64,
}

/// What a job gives, and how long it takes in microseconds.
pub(super) struct Worked {
    pub(super) result: outcome::Result,
    pub(super) micros: u64,
}

impl Model {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let content = Plan { seed: scenario.seed, ..Plan::graded(scenario.images.max(200)) };
        let random = Random::new(scenario.seed, &[40]);
        let mut model = Self {
            content,
            scenario: scenario.clone(),
            random,
            cached: Vec::new(),
            asked_until: 0.0,
            sent_until: 0.0,
        };
        let layers = model.shared() + u64::from(model.content.repositories) * model.own();
        model.cached = vec![0; usize::try_from(layers / 64 + 1).unwrap_or(usize::MAX)];
        model
    }

    /// Carries a job out at this moment.
    pub(super) fn work(&mut self, job: &Job, now_us: u64) -> Worked {
        let scenario = self.scenario.clone();
        let answer = scenario.latency_ms * 1e3;
        let core = f64::from(scenario.cores.max(1)) / f64::from(scenario.slots.max(1));
        let (requests, bytes, compute) = match &job.verb {
            Some(Verb::Resolve(resolve)) => {
                // A question for each, and two documents of what is new.
                let each = if scenario.unchanged { 1.0 } else { 3.0 };
                (resolve.references.len() as f64 * each, 0.0, 1e3)
            }
            Some(Verb::Index(index)) => {
                let bytes = index.size as f64;
                (1.0, bytes, 1e3 + bytes / (scenario.core_bytes * core.min(1.0)) * 1e6)
            }
            Some(Verb::Assess(_)) => (0.0, 0.0, 3e3),
            Some(Verb::List(list)) => (1.0 + list.more.len() as f64, 0.0, 1e3),
            Some(Verb::Bundle(_)) | None => (1.0, 0.0, 1e3),
        };
        let now = now_us as f64;
        self.asked_until = self.asked_until.max(now) + requests / scenario.registry_requests * 1e6;
        self.sent_until = self.sent_until.max(now) + bytes / scenario.registry_bytes * 1e6;
        let registry = self.asked_until.max(self.sent_until) - now;
        let rounds = if scenario.unchanged || requests <= 1.0 { 1.0 } else { 3.0 };
        let spread = 0.7 + 0.6 * crate::random::unit(self.random.next());
        let micros = registry + (answer * rounds + compute) * spread;
        let result = if self.random.chance(scenario.failing) {
            outcome::Result::Failure(failure())
        } else {
            self.result(job)
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "less than a day, and positive"
        )]
        Worked { result, micros: micros as u64 }
    }

    /// What a job gives, whatever it takes.
    pub(super) fn result(&mut self, job: &Job) -> outcome::Result {
        match &job.verb {
            Some(Verb::List(list)) if list.more.is_empty() => {
                outcome::Result::Listed(self.list(&list.repository, &list.cursor))
            }
            Some(Verb::List(list)) => {
                let all = std::iter::once(&list.repository).chain(&list.more);
                let more = all.map(|repository| ListedRepository {
                    repository: repository.clone(),
                    result: Some(listed_repository::Result::Page(self.list(repository, ""))),
                });
                outcome::Result::Listed(Listed { more: more.collect(), ..Listed::default() })
            }
            Some(Verb::Resolve(resolve)) => {
                let references = resolve.references.iter().map(|text| self.resolve(text)).collect();
                outcome::Result::Resolved(Resolved {
                    references,
                    fingerprint: FINGERPRINT.to_owned(),
                    ..Resolved::default()
                })
            }
            Some(Verb::Index(index)) => self.index(index),
            Some(Verb::Assess(assess)) => assessed(assess),
            Some(Verb::Bundle(_)) | None => outcome::Result::Failure(failure()),
        }
    }

    fn list(&self, repository: &str, cursor: &str) -> Listed {
        let from: usize = cursor.parse().unwrap_or(0);
        let (names, all): (Vec<String>, usize) = if repository.is_empty() {
            let all = usize::try_from(self.content.repositories).unwrap_or(usize::MAX);
            let names = (from..all.min(from + PAGE)).filter_map(|index| u32::try_from(index).ok());
            (names.map(|index| self.content.repository(index)).collect(), all)
        } else {
            let tags: Vec<String> =
                (0..self.content.builds()).map(Plan::tag).chain(["latest".to_owned()]).collect();
            let all = tags.len();
            (tags.into_iter().skip(from).take(PAGE).collect(), all)
        };
        let next_cursor =
            if from + names.len() < all { (from + names.len()).to_string() } else { String::new() };
        Listed { names, next_cursor, ..Listed::default() }
    }

    fn resolve(&self, text: &str) -> ResolvedReference {
        let result = self.describe(text).map_or_else(
            || resolved_reference::Result::Failure(failure()),
            resolved_reference::Result::Image,
        );
        ResolvedReference { reference: text.to_owned(), result: Some(result) }
    }

    /// The image of `host/team/service-NUMBER:tag`.
    fn describe(&self, text: &str) -> Option<ResolvedImage> {
        let (name, tag) = text.rsplit_once(':')?;
        let repository: u32 = name.rsplit_once('-')?.1.parse().ok()?;
        let build = if tag == "latest" { self.content.builds() - 1 } else { Plan::build(tag)? };
        let layers = self.content.layers(repository, build, Arch::Amd64).into_iter().map(|layer| {
            let number = self.number(layer);
            ResolvedLayer {
                digest: digest(self.content.seed, 1, number).to_string(),
                size: 4096 + self.content.filler_bytes(layer) / 2,
                media_type: TAR_GZIP.to_owned(),
                cached: self.scenario.unchanged || self.is_cached(number),
                table: None,
            }
        });
        let image = u64::from(repository) * u64::from(self.content.builds()) + u64::from(build);
        Some(ResolvedImage {
            image_digest: digest(self.content.seed, 2, image).to_string(),
            index_digest: String::new(),
            platform: "linux/amd64".to_owned(),
            layers: layers.collect(),
        })
    }

    fn index(&mut self, job: &IndexJob) -> outcome::Result {
        let number = job.digest.len().checked_sub(16).and_then(|at| job.digest.get(at..));
        let Some(number) = number.and_then(|hex| u64::from_str_radix(hex, 16).ok()) else {
            return outcome::Result::Failure(failure());
        };
        let analysed = !self.is_cached(number);
        if let Some(word) = usize::try_from(number / 64).ok().and_then(|at| self.cached.get_mut(at)) {
            *word |= 1 << (number % 64);
        }
        outcome::Result::Indexed(Indexed { analysed, bytes: job.size, packages: PACKAGES })
    }

    fn is_cached(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).ok().and_then(|at| self.cached.get(at));
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Layers that several repositories share.
    fn shared(&self) -> u64 {
        2 * u64::from(self.content.bases) + 2 + 2 * u64::from(self.content.frameworks)
    }

    /// Layers of one repository.
    fn own(&self) -> u64 {
        let Plan { vendor_layers, app_layers, .. } = self.content;
        let generations = Plan::generation(self.content.builds() - 1) + 1;
        u64::from(generations) * u64::from(vendor_layers)
            + u64::from(self.content.builds()) * u64::from(app_layers)
    }

    /// A layer's number: each has one, and few numbers have no layer.
    fn number(&self, layer: LayerId) -> u64 {
        let Plan { vendor_layers, app_layers, bases, .. } = self.content;
        let vendor = u64::from(Plan::generation(self.content.builds() - 1) + 1) * u64::from(vendor_layers);
        let of = |repository: u32| self.shared() + u64::from(repository) * self.own();
        match layer {
            LayerId::Base { base, .. } => u64::from(base),
            LayerId::Upgrade { base, .. } => u64::from(bases) + u64::from(base),
            LayerId::Runtime { runtime, .. } => {
                2 * u64::from(bases) + u64::from(runtime == crate::content::Runtime::Python)
            }
            LayerId::Framework { framework, part } => {
                2 * u64::from(bases) + 2 + 2 * u64::from(framework) + u64::from(part)
            }
            LayerId::Vendor { repository, generation, part } => {
                of(repository) + u64::from(generation) * u64::from(vendor_layers) + u64::from(part)
            }
            LayerId::App { repository, build, part, .. } => {
                of(repository) + vendor + u64::from(build) * u64::from(app_layers) + u64::from(part)
            }
        }
    }
}

fn assessed(job: &AssessJob) -> outcome::Result {
    outcome::Result::Assessed(Assessed {
        parcel: format!("parcel {}", job.image_digest),
        report_id: subject::report_id(&job.image_digest, &job.platform, FINGERPRINT, &job.database_digest),
        packages: PACKAGES,
        database_modified: "2026-11-01T00:00:00Z".to_owned(),
        ..Assessed::default()
    })
}

/// Looks like a hash, and ends with its number.
fn digest(seed: u64, kind: u64, number: u64) -> Digest {
    let mut bytes = [0; 32];
    let words =
        [mix(seed, &[kind, number]), mix(seed, &[kind, number, 1]), mix(seed, &[kind, number, 2]), number];
    for (place, byte) in bytes.iter_mut().zip(words.iter().flat_map(|word| word.to_be_bytes())) {
        *place = byte;
    }
    Digest::from_bytes(bytes)
}

fn failure() -> Failure {
    let mut failure = Failure {
        code: "network".to_owned(),
        message: "the model's registry did not answer".to_owned(),
        ..Failure::default()
    };
    failure.set_retry(Retry::Later);
    failure
}
