//! What came of a fault.

use std::{collections::BTreeMap, time::Duration};

use strata_client::v1::{Ledger, ScanState};

use super::follow::{Seen, total};
use crate::content::{Expected, ExpectedImage};

/// What came of a fault. It is good when nothing is wrong and nothing is left.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Which fault.
    pub fault: &'static str,
    /// From the start of the cluster to the end of the sweep.
    pub wall: Duration,
    /// How often the fault struck.
    pub strikes: u32,
    /// Connections of the client that ended before the scan.
    pub breaks: u32,
    /// Whether the ledger is that of the plan.
    pub ledger: bool,
    /// Whether the reports are those of an undisturbed sweep.
    pub reports: bool,
    /// Distinct layers, by the summary.
    pub distinct: u64,
    /// Layers analysed, by the summary.
    pub analysed: u64,
    /// Downloads of layers, by the registry.
    pub downloads: u64,
    /// What was still there after all was over.
    pub leftovers: Vec<String>,
    /// What is not as it must be, one sentence each.
    pub wrong: Vec<String>,
    /// What the roles wrote, where the verdict is not good.
    pub logs: String,
}

impl Verdict {
    /// Whether the fault was survived.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.wrong.is_empty() && self.leftovers.is_empty()
    }

    pub(super) fn judge(&mut self, seen: &Seen, must: &Must<'_>) {
        let Must { expected, calm, lost, forgets } = *must;
        let summary = &seen.summary;
        self.breaks = seen.breaks;
        (self.distinct, self.analysed) = (summary.distinct_layers, summary.layers_analysed);
        let before = self.wrong.len();
        let ledger = summary.ledger.clone().unwrap_or_default();
        self.wrong.extend(ledger_differences(&ledger, seen, must));
        self.ledger = self.wrong.len() == before;
        let before = self.wrong.len();
        match calm {
            Some(calm) => self.wrong.extend(report_differences(&seen.reports, &calm.reports, lost)),
            None if seen.reports.len() != expected.images.len() => {
                self.wrong.push(format!(
                    "{} reports of {} images",
                    seen.reports.len(),
                    expected.images.len()
                ));
            }
            None => {}
        }
        self.reports = self.wrong.len() == before;
        if self.distinct != expected.distinct_layers {
            self.wrong.push(format!("{} distinct layers of {}", self.distinct, expected.distinct_layers));
        }
        if self.analysed > self.distinct && !forgets {
            self.wrong.push(format!("{} layers analysed of {}", self.analysed, self.distinct));
        }
    }
}

/// What a sweep must come to.
pub(super) struct Must<'a> {
    pub(super) expected: &'a Expected,
    /// An undisturbed sweep.
    pub(super) calm: Option<&'a Seen>,
    /// The image that must fail as poison.
    pub(super) lost: Option<&'a ExpectedImage>,
    /// Whether layers may be analysed twice.
    pub(super) forgets: bool,
}

fn ledger_differences(ledger: &Ledger, seen: &Seen, must: &Must<'_>) -> Vec<String> {
    let Must { expected, lost, .. } = *must;
    let mut wrong = Vec::new();
    let failed = lost.map_or(0, |image| image.tags.len() as u64);
    let images = expected.references - expected.skipped - failed;
    let (one, packages) = lost.map_or((0, 0), |image| (1, image.packages.len() as u64));
    let state = if lost.is_some() { ScanState::CompletedWithFailures } else { ScanState::Completed };
    for (what, is, must) in [
        ("enumerated", ledger.enumerated, expected.references),
        ("reported", ledger.reported, images),
        ("skipped", total(&ledger.skipped), expected.skipped),
        ("failed", total(&ledger.failed), failed),
        ("listings failed", total(&ledger.listing_failed), 0),
        ("images", seen.summary.images, expected.images.len() as u64 - one),
        ("packages", seen.summary.packages, expected.packages - packages),
        ("references with an event", seen.references.len() as u64, images),
    ] {
        if is != must {
            wrong.push(format!("{what}: {is}, not {must}"));
        }
    }
    if seen.state != Some(state) {
        wrong.push(format!("the state is {:?}", seen.state));
    }
    if lost.is_some() && ledger.failed.iter().any(|line| line.code != "poison") {
        wrong.push(format!("failed for other reasons: {:?}", ledger.failed));
    }
    let failures = seen.failures.iter().filter(|(_, code, _)| lost.is_none() || code != "poison");
    for (references, code, message) in failures.take(5) {
        wrong.push(format!("{references:?}: {code}: {message}"));
    }
    wrong
}

fn report_differences(
    is: &BTreeMap<String, String>,
    must: &BTreeMap<String, String>,
    lost: Option<&ExpectedImage>,
) -> Vec<String> {
    let lost = lost.map(|image| image.digest.to_string());
    let must: BTreeMap<_, _> = must.iter().filter(|(image, _)| lost.as_ref() != Some(*image)).collect();
    let differ = must.iter().filter(|(image, report)| is.get(**image) != Some(*report)).count();
    let extra = is.keys().filter(|image| !must.contains_key(*image)).count();
    if differ + extra == 0 {
        return Vec::new();
    }
    vec![format!("{differ} reports differ from those of the undisturbed sweep, {extra} are not among them")]
}
