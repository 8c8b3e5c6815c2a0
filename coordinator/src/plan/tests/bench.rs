//! A plan on a bench: jobs that it published, events that it appended, and short ways to answer.

use strata_proto::{
    WIRE_VERSION, subject,
    v1::{
        Assessed, Event, Failure, Indexed, Job, Listed, Missing, Outcome, RegistryTarget, Resolved,
        ResolvedImage, ResolvedLayer, ResolvedReference, Retry, Scan, ScanState, SubmitRequest, Summary,
        event::Kind, outcome, resolved_reference,
    },
};

use crate::plan::{Command, Plan, PlanConfig, PlanEvent, StoreReport};

pub(super) struct Bench {
    pub(super) plan: Plan,
    /// What workers tell of their analysis.
    pub(super) analysis: &'static str,
    now_ms: i64,
    published: Vec<Job>,
    events: Vec<Event>,
    scans: Vec<Scan>,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new(PlanConfig::default())
    }
}

pub(super) fn digest(name: &str) -> String {
    strata_proto::digest::Digest::of(name.as_bytes()).to_string()
}

pub(super) fn images(images: &[&str]) -> SubmitRequest {
    SubmitRequest {
        images: images.iter().map(|&image| image.to_owned()).collect(),
        ..SubmitRequest::default()
    }
}

pub(super) fn sweep(edit: impl FnOnce(&mut RegistryTarget)) -> SubmitRequest {
    let mut target = RegistryTarget { host: "r.example".to_owned(), ..RegistryTarget::default() };
    edit(&mut target);
    SubmitRequest { registry: Some(target), ..SubmitRequest::default() }
}

pub(super) fn image(name: &str, layers: &[&str], cached: &[&str]) -> ResolvedImage {
    let layer = |layer: &&str| ResolvedLayer {
        digest: digest(layer),
        cached: cached.contains(layer),
        ..ResolvedLayer::default()
    };
    ResolvedImage {
        image_digest: digest(name),
        index_digest: String::new(),
        platform: "linux/amd64".to_owned(),
        layers: layers.iter().map(layer).collect(),
    }
}

pub(super) fn failure(code: &str, retry: Retry, retry_after_ms: u64) -> Failure {
    let mut failure = Failure {
        code: code.to_owned(),
        message: format!("it is {code}"),
        retry_after_ms,
        ..Failure::default()
    };
    failure.set_retry(retry);
    failure
}

pub(super) fn listed(names: &[&str], next: &str) -> Listed {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    Listed { names, next_cursor: next.to_owned(), ..Listed::default() }
}

pub(super) fn stores(commands: &[Command]) -> Vec<StoreReport> {
    let stores = commands.iter().filter_map(|command| match command {
        Command::StoreReport(store) => Some(store.clone()),
        _ => None,
    });
    stores.collect()
}

impl Bench {
    pub(super) fn new(config: PlanConfig) -> Self {
        Self {
            plan: Plan::new(config),
            analysis: "",
            now_ms: 1_000,
            published: Vec::new(),
            events: Vec::new(),
            scans: Vec::new(),
        }
    }

    pub(super) fn apply(&mut self, event: PlanEvent) -> Vec<Command> {
        let commands = self.plan.apply(event);
        for command in &commands {
            match command {
                Command::Publish(job) | Command::PublishSmall(job) => self.published.push((**job).clone()),
                Command::Append(event) => self.events.push((**event).clone()),
                Command::RecordScan(id) => self.scans.extend(self.plan.record(id)),
                Command::UpdateScan(scan) => self.scans.push((**scan).clone()),
                Command::Withdraw(_) | Command::StoreReport(_) | Command::LookUp(_) => {}
            }
        }
        commands
    }

    pub(super) fn submit(&mut self, id: &str, request: SubmitRequest) {
        self.submit_with(id, request, "");
    }

    /// A scan that is pinned to a database.
    pub(super) fn submit_with(&mut self, id: &str, request: SubmitRequest, database: &str) {
        let scan = Scan {
            id: id.to_owned(),
            database_digest: database.to_owned(),
            request: Some(request),
            created_unix_ms: self.now_ms,
            ..Scan::default()
        };
        self.apply(PlanEvent::Submit(Box::new(scan)));
    }

    pub(super) fn pass(&mut self, ms: i64) -> Vec<Command> {
        self.now_ms += ms;
        self.apply(PlanEvent::Tick { now_ms: self.now_ms })
    }

    /// The jobs of a verb that were published since they were last asked for.
    pub(super) fn take(&mut self, verb: &str) -> Vec<Job> {
        self.published.extract_if(.., |job| subject::verb(job) == verb).collect()
    }

    /// Their keys.
    pub(super) fn jobs(&mut self, verb: &str) -> Vec<String> {
        self.take(verb).into_iter().map(|job| job.key).collect()
    }

    pub(super) fn only_job(&mut self, verb: &str) -> String {
        let keys = self.jobs(verb);
        assert_eq!(keys.len(), 1, "{verb} jobs");
        keys.into_iter().next().unwrap_or_default()
    }

    fn answer(&mut self, key: &str, result: outcome::Result) -> Vec<Command> {
        self.apply(PlanEvent::Outcome(Box::new(Outcome {
            key: key.to_owned(),
            wire_version: WIRE_VERSION,
            analysis: self.analysis.to_owned(),
            result: Some(result),
            ..Outcome::default()
        })))
    }

    pub(super) fn resolve(&mut self, key: &str, images: &[(&str, ResolvedImage)]) -> Vec<Command> {
        self.resolve_by("", key, images)
    }

    /// Resolved by a worker that tells its fingerprint.
    pub(super) fn resolve_by(
        &mut self,
        fingerprint: &str,
        key: &str,
        images: &[(&str, ResolvedImage)],
    ) -> Vec<Command> {
        let references = images.iter().map(|(reference, image)| ResolvedReference {
            reference: (*reference).to_owned(),
            result: Some(resolved_reference::Result::Image(image.clone())),
        });
        let resolved =
            Resolved { references: references.collect(), fingerprint: fingerprint.to_owned(), assessor: 7 };
        self.answer(key, outcome::Result::Resolved(resolved))
    }

    /// A resolve job that ran, but in which references failed.
    pub(super) fn refuse(&mut self, key: &str, references: &[&str], failure: &Failure) {
        let references = references.iter().map(|reference| ResolvedReference {
            reference: (*reference).to_owned(),
            result: Some(resolved_reference::Result::Failure(failure.clone())),
        });
        self.answer(
            key,
            outcome::Result::Resolved(Resolved { references: references.collect(), ..Resolved::default() }),
        );
    }

    pub(super) fn index(&mut self, key: &str) {
        self.answer(key, outcome::Result::Indexed(Indexed { analysed: true, bytes: 1, packages: 1 }));
    }

    pub(super) fn list(&mut self, key: &str, listed: Listed) {
        self.answer(key, outcome::Result::Listed(listed));
    }

    pub(super) fn assess(&mut self, key: &str, report: &str) -> Vec<StoreReport> {
        let assessed =
            Assessed { parcel: "parcel".to_owned(), report_id: report.to_owned(), ..Assessed::default() };
        stores(&self.answer(key, outcome::Result::Assessed(assessed)))
    }

    pub(super) fn miss(&mut self, key: &str, layers: &[&str], image: bool) {
        let layers = layers.iter().map(|layer| digest(layer)).collect();
        self.answer(key, outcome::Result::Missing(Missing { layers, image }));
    }

    pub(super) fn fail(&mut self, key: &str, failure: Failure) {
        self.answer(key, outcome::Result::Failure(failure));
    }

    pub(super) fn events(&self, scan: &str) -> impl Iterator<Item = &Kind> {
        self.events.iter().filter(move |event| event.scan_id == scan).filter_map(|event| event.kind.as_ref())
    }

    /// A word or a few for each event of a scan.
    pub(super) fn kinds(&self, scan: &str) -> Vec<String> {
        let word = |kind: &Kind| match kind {
            Kind::Started(_) => "started".to_owned(),
            Kind::Reported(one) => format!("reported {}", one.references.join(" ")),
            Kind::Failed(one) => format!("failed {} {}", one.code, one.references.join(" ")),
            Kind::Skipped(one) => format!("skipped {} {}", one.code, one.references.join(" ")),
            Kind::ListingFailed(one) => format!("listing {} {}", one.target, one.code),
            Kind::Finished(one) => {
                let state = ScanState::try_from(one.state).unwrap_or_default().as_str_name();
                format!("finished {}", state.trim_start_matches("SCAN_STATE_"))
            }
            Kind::Progress(_) => "progress".to_owned(),
        };
        self.events(scan).map(word).collect()
    }

    /// A scan's summary, also after its end.
    pub(super) fn summary(&self, scan: &str) -> Summary {
        let ended = || self.scans.iter().rev().find(|record| record.id == scan).cloned();
        self.plan.scan(scan).or_else(ended).and_then(|scan| scan.summary).expect("a summary")
    }
}
