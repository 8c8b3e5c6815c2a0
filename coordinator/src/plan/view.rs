//! What the planner shows of itself: scans, summaries, progress.

use strata_proto::v1::{Lane, Ledger, LedgerLine, Progress, Scan, ScanState, Summary};

use super::{
    Plan,
    layer::Layer,
    scan::{Lines, Running},
};

impl Plan {
    /// A running scan as it is now.
    #[must_use]
    pub fn scan(&self, id: &str) -> Option<Scan> {
        let number = self.numbers.get(id)?;
        Some(self.scans.get(number)?.scan())
    }

    /// What is recorded of a running scan: all that another coordinator needs beside the events. `None` where it has ended.
    #[must_use]
    pub fn record(&self, id: &str) -> Option<Scan> {
        let scan = self.numbers.get(id).and_then(|number| self.scans.get(number))?;
        Some(Scan { layers_analysed: scan.untold.iter().copied().collect(), ..scan.scan() })
    }

    /// Whether somebody waits for a running scan. False for one that does not run.
    #[must_use]
    pub fn is_interactive(&self, id: &str) -> bool {
        let scan = self.numbers.get(id).and_then(|number| self.scans.get(number));
        scan.is_some_and(|scan| scan.lane == Lane::Interactive)
    }

    /// How far a running scan is.
    #[must_use]
    pub fn progress(&self, id: &str) -> Option<Progress> {
        let scan = self.scans.get(self.numbers.get(id)?)?;
        let wanted = |layer: &&Layer| layer.waiting().any(|key| scan.images.contains(key));
        let layers = self.layers.values().filter(wanted).count();
        Some(Progress {
            summary: Some(scan.summary()),
            references_pending: scan.open,
            layers_pending: u64::try_from(layers).unwrap_or(u64::MAX),
            hint: scan.trouble.clone(),
        })
    }

    /// Ids of the running scans.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        self.numbers.keys().map(|id| id.to_string()).collect()
    }

    /// Whether a published job may still bring something.
    #[must_use]
    pub(crate) fn awaits_outcomes(&self) -> bool {
        self.lanes.outstanding().iter().any(|outstanding| *outstanding > 0)
    }

    /// Slots of the workers, where all of them know bundles: then small jobs may travel together.
    #[must_use]
    pub fn bundling(&self) -> Option<usize> {
        self.crew.bundling()
    }

    /// Jobs that are published and not settled.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.lanes.outstanding().into_iter().sum()
    }
}

impl Running {
    pub(super) fn summary(&self) -> Summary {
        Summary {
            ledger: Some(Ledger {
                enumerated: self.enumerated,
                reported: self.reported,
                unchanged: self.unchanged,
                skipped: lines(&self.skipped),
                failed: lines(&self.failed),
                unsupported: lines(&self.unsupported),
                listing_failed: lines(&self.listing_failed),
            }),
            findings: Some(self.summary.findings.unwrap_or_default()),
            ..self.summary.clone()
        }
    }

    pub(super) fn scan(&self) -> Scan {
        let mut scan = Scan {
            id: self.id.to_string(),
            request: Some(self.request.clone()),
            summary: Some(self.summary()),
            created_unix_ms: self.created_ms,
            owner: self.owner.to_string(),
            last_sequence: self.sequence,
            database_digest: self.basis.database.to_string(),
            ..Scan::default()
        };
        scan.set_state(ScanState::Running);
        scan
    }
}

fn lines(lines: &Lines) -> Vec<LedgerLine> {
    lines.iter().map(|(code, count)| LedgerLine { code: code.clone(), count: *count }).collect()
}
