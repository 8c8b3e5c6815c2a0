//! What a scan came to, as the output formats see it.

mod total;

use std::collections::BTreeMap;

use strata_proto::{
    ledger::is_unsupported,
    v1::{Event, Report, ScanState, Severity, SeverityCounts, Summary, event::Kind},
};

use crate::{age::Moment, bases, gate::Seen, order::Order, row, screen::Screen, since::Delta};

/// One image with its names in this scan.
#[derive(Debug, Clone)]
pub struct Image {
    /// References or paths that name it, in the order in which they were resolved.
    pub references: Vec<String>,
    /// Id of the report in the archive.
    pub report_id: String,
    /// The report.
    pub report: Report,
    /// Whether it is older than the scan.
    pub unchanged: bool,
    /// Its platform, where images of several platforms are shown together: their names are alike.
    pub platform: Option<String>,
}

/// References that have no report, and why.
#[derive(Debug, Clone)]
pub struct Failed {
    /// References, or the registry or repository that could not be listed.
    pub references: Vec<String>,
    /// Stable code.
    pub code: String,
    /// One sentence that names the thing.
    pub message: String,
}

/// All that a scan said so far.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// Images, by report id.
    images: BTreeMap<String, Image>,
    /// Findings of all reports, by severity.
    counts: SeverityCounts,
    /// Failures, listings included, in the order of their events.
    pub failed: Vec<Failed>,
    /// Skipped references by reason.
    pub skipped: Vec<Failed>,
    /// How it ended; `None` while it runs.
    pub state: Option<ScanState>,
    /// Its summary, so far or at the end.
    pub summary: Summary,
    /// The sum of the scans that have ended.
    before: Summary,
    /// Problems of all reports.
    pub problems: u64,
    /// The moment at which ages are told, the same for all reports.
    pub now: Moment,
    /// The image of the default branch, where the build's environment names one.
    pub default_branch_image: Option<String>,
    /// What changed since the sweep before, where somebody asked.
    pub since: Option<Delta>,
    /// The moment at which the end was heard of.
    pub ended: Option<Moment>,
    /// What policies say, and what is not shown.
    pub seen: Seen,
    /// Where stdout is a terminal: what it is. Nothing, while files are written.
    pub screen: Screen,
    /// How findings are to be sorted, where somebody asked for an order.
    pub order: Option<Order>,
}

impl Results {
    /// Nothing yet; findings will be in this order.
    #[must_use]
    pub fn new(order: Option<Order>) -> Self {
        Self { order, now: Moment::now(), ..Self::default() }
    }

    /// Takes one event in. Events come once and in order.
    pub fn take(&mut self, event: Event) {
        match event.kind {
            Some(Kind::Reported(reported)) => {
                self.counts.merge(&reported.findings.unwrap_or_default());
                self.problems += reported.problems;
                // A sweep of a whole registry is followed without its reports: only what is shown is kept.
                let Some(report) = reported.report else { return };
                let image = self.images.entry(reported.report_id.clone()).or_insert_with(|| Image {
                    references: Vec::new(),
                    report_id: reported.report_id,
                    report,
                    unchanged: reported.unchanged,
                    platform: None,
                });
                for name in reported.references {
                    if !image.references.contains(&name) {
                        image.references.push(name);
                    }
                }
            }
            Some(Kind::Failed(failed)) => self.failed.push(Failed {
                references: failed.references,
                code: failed.code,
                message: failed.message,
            }),
            Some(Kind::ListingFailed(failed)) => self.failed.push(Failed {
                references: vec![failed.target],
                code: failed.code,
                message: failed.message,
            }),
            Some(Kind::Skipped(skipped)) => self.skipped.push(Failed {
                references: skipped.references,
                code: skipped.code,
                message: String::new(),
            }),
            Some(Kind::Finished(finished)) => {
                // Scans that follow each other end as the worst of them did.
                self.state = self.state.max(Some(finished.state()));
                self.ended = Some(Moment::now());
                total::add(&mut self.before, finished.summary.unwrap_or_default());
                self.summary = self.before.clone();
                bases::mark(self.images.values_mut().map(|image| &mut image.report));
            }
            // Somebody may leave before the end.
            Some(Kind::Progress(progress)) => self.summary = progress.summary.unwrap_or_default(),
            Some(Kind::Started(_)) | None => {}
        }
    }

    /// Images in the order of their first name: the same whatever order they were finished in.
    #[must_use]
    pub fn images(&self) -> Vec<Image> {
        let mut images: Vec<Image> = self.images.values().cloned().collect();
        for image in &mut images {
            image.references.sort();
            if let Some(order) = self.order {
                order.sort(&mut image.report);
            }
        }
        let platforms: Vec<String> = images.iter().map(|image| row::platform(&image.report)).collect();
        if platforms.iter().any(|one| Some(one) != platforms.first()) {
            for (image, platform) in images.iter_mut().zip(platforms) {
                image.platform = Some(platform).filter(|platform| platform != "/");
            }
        }
        images.sort_by(|a, b| a.references.cmp(&b.references).then_with(|| a.report_id.cmp(&b.report_id)));
        images
    }

    /// Results that hold one report alone.
    #[must_use]
    pub fn of_report(report_id: &str, report: Report, order: Option<Order>) -> Self {
        let references = vec![report.image_digest.clone()];
        let mut counts = SeverityCounts::default();
        for finding in report.findings.iter().filter(|finding| finding.suppressed.is_empty()) {
            counts.add(finding.severity());
        }
        let problems = u64::try_from(report.problems.len()).unwrap_or(u64::MAX);
        let image =
            Image { references, report_id: report_id.to_owned(), report, unchanged: false, platform: None };
        Self { counts, problems, images: BTreeMap::from([(report_id.to_owned(), image)]), ..Self::new(order) }
    }

    /// The worst severity of all findings.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        Severity::WORST_FIRST.into_iter().find(|severity| self.counts.get(*severity) > 0)
    }

    /// Whether every reference has a report; but of a registry, what cannot be scanned need not.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let supported = self.failed.iter().all(|failed| is_unsupported(&failed.code));
        supported && self.state == Some(ScanState::Completed)
    }

    /// Whether the scan ended without a single reference.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.summary.ledger.as_ref().is_some_and(|ledger| ledger.enumerated == 0)
    }
}
