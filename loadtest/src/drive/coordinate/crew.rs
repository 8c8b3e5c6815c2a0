//! Workers that answer at once: one thread with the model, so that what it costs can be told apart.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    thread::JoinHandle,
};

use anyhow::Context as _;
use prost::Message as _;
use strata_coordinator::{
    archive::report::pack,
    parcels::memory::MemoryParcels,
    queue::channel::{ChannelEnds, Slot},
};
use strata_loadtest::simulate::{Answers, Scenario};
use strata_proto::{
    WIRE_VERSION, content,
    trace::TraceHeaders,
    v1::{
        AssessJob, Finding, Job, Layer, Outcome, Package, Parcel, Report, Severity, job::Verb,
        outcome::Result as Answer,
    },
};

/// Names that packages have: those of a whole registry.
const NAMES: u64 = 3_000;

/// The model's thread, as long as its queue lives.
pub(super) struct Crew {
    /// Its directory below `/proc`.
    pub(super) directory: PathBuf,
    thread: JoinHandle<anyhow::Result<()>>,
}

/// What the thread works with.
struct Work {
    scenario: Scenario,
    answers: Answers,
    packages: u32,
    parcels: MemoryParcels,
    /// Jobs so far: the workers take turns.
    jobs: u64,
}

impl Crew {
    pub(super) fn start(
        scenario: &Scenario,
        packages: u32,
        ends: ChannelEnds,
        parcels: MemoryParcels,
    ) -> anyhow::Result<Self> {
        let (tell, told) = mpsc::channel();
        let scenario = scenario.clone();
        let run = move || {
            let directory = fs::read_link("/proc/thread-self").context("find a thread")?;
            // The other side waits for it.
            let _ = tell.send(Path::new("/proc").join(directory));
            let answers = Answers::new(&scenario);
            Work { scenario, answers, packages, parcels, jobs: 0 }.run(ends)
        };
        let thread =
            std::thread::Builder::new().name("model".to_owned()).spawn(run).context("start a thread")?;
        let directory = told.recv().context("find the model's thread")?;
        Ok(Self { directory, thread })
    }

    /// Waits for its end, which comes when the queue is gone.
    pub(super) fn join(self) -> anyhow::Result<()> {
        self.thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("go on in the model's thread")))
    }
}

impl Work {
    fn run(mut self, mut ends: ChannelEnds) -> anyhow::Result<()> {
        while let Some(slot) = ends.sweep.blocking_recv() {
            let Some((sequence, job, trace)) = taken(&slot) else { continue };
            let outcome = self.outcome(sequence, &job)?;
            if ends.outcomes.blocking_send((outcome, trace)).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn outcome(&mut self, sequence: u64, job: &Job) -> anyhow::Result<Outcome> {
        self.jobs += 1;
        let result = self.answers.answer(job);
        if let (Some(Verb::Assess(assess)), Answer::Assessed(assessed)) = (&job.verb, &result) {
            let parcel = parcel(report(assess, self.packages))?.encode_to_vec();
            self.parcels.put(&assessed.parcel, parcel.into())?;
        }
        Ok(Outcome {
            key: job.key.clone(),
            sequence,
            wire_version: WIRE_VERSION,
            worker: format!("worker-{}", self.jobs % u64::from(self.scenario.workers.max(1))),
            slots: self.scenario.slots,
            result: Some(result),
            ..Outcome::default()
        })
    }
}

/// A withdrawn job's slot is empty.
fn taken(slot: &Slot) -> Option<(u64, Job, TraceHeaders)> {
    slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
}

/// As workers put reports down.
fn parcel(mut report: Report) -> anyhow::Result<Parcel> {
    let summary = content::summary(&report);
    let (vulnerabilities, packages) = (content::vulnerabilities(&report), content::packages(&report));
    let database = content::take_database(&mut report);
    let mut report_zstd = pack(&report).context("make a report")?;
    let (content_length, content_key) = (report_zstd.len() as u64, content::key(&report_zstd, &[]));
    report_zstd.extend(pack(&database).context("make a report")?);
    Ok(Parcel {
        report_zstd,
        content_length,
        content_key: content_key.to_vec(),
        summary: Some(summary),
        vulnerabilities,
        packages,
        ..Parcel::default()
    })
}

/// A report like those of small images: packages of a registry's common names, a finding for every tenth. No two say the same.
fn report(job: &AssessJob, packages: u32) -> Report {
    let number = job.image_digest.get(job.image_digest.len().saturating_sub(16)..);
    let number = number.and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default();
    let package = |at: u32| {
        let name = (number / 10 * 7 + u64::from(at) * 31) % NAMES;
        let version = format!("1.{}.{at}-1", number % 97);
        Package {
            name: format!("package-{name}"),
            purl: format!("pkg:deb/debian/package-{name}@{version}?arch=amd64"),
            version,
            ecosystem: "dpkg".to_owned(),
            file: "var/lib/dpkg/status".to_owned(),
            layer: at % 2,
            ..Package::default()
        }
    };
    let finding = |at: u32| Finding {
        package: at,
        id: format!("CVE-2024-{:04}", (number / 10 * 7 + u64::from(at) * 31) % NAMES),
        advisory: "synthetic".to_owned(),
        severity: Severity::High.into(),
        ..Finding::default()
    };
    Report {
        image_digest: job.image_digest.clone(),
        layers: job.layers.iter().map(|layer| Layer { digest: layer.clone(), ..Layer::default() }).collect(),
        packages: (0..packages).map(package).collect(),
        findings: (0..packages).step_by(10).map(finding).collect(),
        database_digest: job.database_digest.clone(),
        database_modified: "2026-11-01T00:00:00Z".to_owned(),
        ..Report::default()
    }
}
