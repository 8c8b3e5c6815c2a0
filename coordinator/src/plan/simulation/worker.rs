//! The model's worker: every job done against the model's registry and cache.

use std::{collections::BTreeSet, sync::LazyLock};

use strata_proto::{
    digest::Digest,
    subject,
    v1::{
        AssessJob, Assessed, Failure, Indexed, Job, ListJob, Listed, ListedRepository, Missing, NotAnImage,
        Resolved, ResolvedImage, ResolvedLayer, ResolvedReference, Retry, job::Verb, listed_repository,
        outcome, resolved_reference,
    },
};

use super::world::World;

/// Workers of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    /// Under which they keep inventories.
    pub(super) analysis: &'static str,
    /// Whether they tell of it, and heed what jobs say.
    pub(super) tells: bool,
}

/// The first is what most worlds have. Of the others one came before workers told of their analysis.
pub(super) const VERSIONS: [Version; 3] = [
    Version { analysis: "analysis", tells: true },
    Version { analysis: "newer", tells: true },
    Version { analysis: "silent", tells: false },
];
/// Digests of the model's layers and images.
static LAYERS: LazyLock<Vec<String>> = LazyLock::new(|| digests("layer"));
static IMAGES: LazyLock<Vec<String>> = LazyLock::new(|| digests("image"));

fn digests(what: &str) -> Vec<String> {
    (0..16).map(|number| Digest::of(format!("{what} {number}").as_bytes()).to_string()).collect()
}

impl World {
    fn failure(&mut self) -> Option<Failure> {
        let fails = self.random.chance(self.chaos.fail);
        let retry = if self.random.chance(70) { Retry::Later } else { Retry::Never };
        fails.then(|| failure("network", retry))
    }

    pub(super) fn result(&mut self, by: Version, job: &Job) -> outcome::Result {
        if by.tells && !job.analysis.is_empty() && job.analysis != by.analysis {
            return outcome::Result::Failure(failure(subject::OTHER_ANALYSIS, Retry::Later));
        }
        if let Some(failure) = self.failure() {
            return outcome::Result::Failure(failure);
        }
        match job.verb.as_ref().expect("a verb") {
            Verb::List(list) if list.more.is_empty() || !by.tells => {
                outcome::Result::Listed(self.list(&list.repository, &list.cursor))
            }
            Verb::List(list) => outcome::Result::Listed(self.several(list)),
            Verb::Resolve(resolve) => {
                let references = resolve.references.iter();
                let mut references: Vec<_> = references.map(|text| self.resolve(by, text)).collect();
                self.leave_out(&mut references);
                outcome::Result::Resolved(Resolved {
                    references,
                    fingerprint: by.analysis.to_owned(),
                    ..Resolved::default()
                })
            }
            Verb::Index(index) => self.index(by, &index.digest),
            Verb::Assess(assess) => self.assess(by, assess),
            Verb::Bundle(_) => unreachable!("the plan knows single jobs only"),
        }
    }

    /// Two names a page; a page repeats the last name of the one before, as a changing registry may.
    fn list(&self, repository: &str, cursor: &str) -> Listed {
        let names: Vec<String> = if repository.is_empty() {
            self.registry.keys().cloned().collect()
        } else {
            self.registry.get(repository).into_iter().flat_map(|tags| tags.keys().cloned()).collect()
        };
        let from: usize = cursor.parse().unwrap_or(0);
        let to = (from + 2).min(names.len());
        let next_cursor = if to < names.len() { to.to_string() } else { String::new() };
        Listed { names: names[from.saturating_sub(1).min(to)..to].to_vec(), next_cursor, ..Listed::default() }
    }

    /// Some fail, and some are left out, but never all.
    fn several(&mut self, job: &ListJob) -> Listed {
        let names: Vec<&String> = std::iter::once(&job.repository).chain(&job.more).collect();
        let mut more: Vec<_> = names
            .into_iter()
            .map(|repository| ListedRepository {
                repository: repository.clone(),
                result: Some(match self.failure() {
                    Some(failure) => listed_repository::Result::Failure(failure),
                    None => listed_repository::Result::Page(self.list(repository, "")),
                }),
            })
            .collect();
        more.reverse();
        self.leave_out(&mut more);
        Listed { more, ..Listed::default() }
    }

    fn leave_out<T>(&mut self, answers: &mut Vec<T>) {
        let fails = self.chaos.fail;
        if self.random.chance(fails) {
            let kept = 1 + self.random.below(answers.len() as u64) as usize;
            answers.truncate(kept);
        }
    }

    fn resolve(&mut self, by: Version, text: &str) -> ResolvedReference {
        use resolved_reference::Result as Answer;
        let result = match self.failure() {
            Some(failure) => Answer::Failure(failure),
            None => match self.look_up(text) {
                Some(Some(image)) => {
                    self.facts.insert(IMAGES[image].clone());
                    Answer::Image(self.describe(by, image))
                }
                Some(None) => Answer::Skipped(NotAnImage { code: "signature".to_owned() }),
                None => Answer::Failure(failure("not-found", Retry::Never)),
            },
        };
        ResolvedReference { reference: text.to_owned(), result: Some(result) }
    }

    fn look_up(&self, text: &str) -> Option<Option<usize>> {
        if let Some((_, digest)) = text.split_once('@') {
            return IMAGES.iter().position(|image| image == digest).map(Some);
        }
        let (repository, tag) = text.strip_prefix("registry/")?.rsplit_once(':')?;
        self.registry.get(repository)?.get(tag).copied()
    }

    fn describe(&self, by: Version, image: usize) -> ResolvedImage {
        let layers = self.images[image].iter().map(|layer| ResolvedLayer {
            digest: LAYERS[*layer].clone(),
            size: 1 + *layer as u64,
            media_type: "tar".to_owned(),
            cached: self.cache.contains(&(*layer, by.analysis)),
            table: None,
        });
        ResolvedImage {
            image_digest: IMAGES[image].clone(),
            index_digest: String::new(),
            platform: "linux/amd64".to_owned(),
            layers: layers.collect(),
        }
    }

    fn index(&mut self, by: Version, digest: &str) -> outcome::Result {
        let layer = LAYERS.iter().position(|layer| layer == digest).expect("a layer");
        if self.broken.contains(&layer) {
            return outcome::Result::Failure(failure("digest-mismatch", Retry::Never));
        }
        let analysed = self.cache.insert((layer, by.analysis));
        *self.indexed.entry(layer).or_default() += 1;
        *self.analysed.entry((layer, by.analysis)).or_default() += u32::from(analysed);
        outcome::Result::Indexed(Indexed { analysed, bytes: 10, packages: 1 })
    }

    fn assess(&mut self, by: Version, job: &AssessJob) -> outcome::Result {
        let AssessJob { image_digest: image, layers, .. } = job;
        let own = self.cache.iter().filter(|(_, analysis)| *analysis == by.analysis);
        let known: BTreeSet<&String> = own.map(|(layer, _)| &LAYERS[*layer]).collect();
        let missing: Vec<String> = layers.iter().filter(|layer| !known.contains(*layer)).cloned().collect();
        let facts = self.facts.contains(image);
        if !missing.is_empty() || !facts {
            self.missed += 1;
            return outcome::Result::Missing(Missing { layers: missing, image: !facts });
        }
        *self.assessed.entry(image.clone()).or_default() += 1;
        let parcel = format!("parcel {}", self.random.next());
        self.parcels.insert(parcel.clone());
        outcome::Result::Assessed(Assessed {
            parcel,
            report_id: subject::report_id(image, &job.platform, by.analysis, &job.database_digest),
            packages: layers.len() as u64,
            ..Assessed::default()
        })
    }
}

fn failure(code: &str, retry: Retry) -> Failure {
    let mut failure =
        Failure { code: code.to_owned(), message: format!("it is {code}"), ..Failure::default() };
    failure.set_retry(retry);
    failure
}
