//! Reports that stand though the database is another one. A report is a function of its image, of the *assess* that made it and
//! of what its database answered. The archive has the questions of each report, and an outline of each database that was used
//! lately; where the outlines of two databases agree on all that a report asked, the report with the other database differs in
//! that database's name and date only. Such an image is not assessed again: its report is copied.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use strata_proto::{
    outline::{Asked, Outline},
    subject,
    v1::ReportSummary,
};

use super::{Drive, carry::persist};
use crate::{
    plan::{Command, CopyOf, Known, LookUp, PlanEvent, Sought},
    ports::{AskedReport, Outlined},
};

/// Databases that scans run with at a time, whose comparisons are kept.
const TARGETS: usize = 2;
/// Reports that are asked for in one statement.
const IDS: usize = 2_000;
/// Reports that could not be copied and are remembered.
const REJECTED: usize = 10_000;

/// What is known of databases, and of reports that cannot be copied.
#[derive(Default)]
pub(super) struct Standing {
    targets: VecDeque<Target>,
    /// Databases whose outlines were seen to.
    outlined: BTreeSet<String>,
    rejected: BTreeSet<String>,
}

/// A database that scans run with, compared with those before it.
struct Target {
    database: Outlined,
    /// The one that was used last first.
    others: Vec<Outlined>,
    /// What differs from each, in order; `None` where the two cannot be compared.
    changes: BTreeMap<String, Option<Arc<[u32]>>>,
}

impl Standing {
    /// A report that could not be copied is not tried again.
    pub(super) fn reject(&mut self, report: &str) {
        if self.rejected.len() < REJECTED {
            self.rejected.insert(report.to_owned());
        }
    }
}

impl Drive {
    /// One question to the archive for all of them, and a second one for those that it does not have.
    pub(super) async fn look_up(&mut self, look_ups: Vec<LookUp>) -> Option<Vec<Command>> {
        let wanted: BTreeSet<&Sought> = look_ups.iter().flat_map(|one| &one.wanted).collect();
        if wanted.is_empty() {
            return Some(Vec::new());
        }
        let ids: Vec<String> = wanted.iter().map(|sought| sought.report_id.clone()).collect();
        let archive = Arc::clone(&self.ports.archive);
        let found = persist(&self.shutdown, || archive.known_reports(&ids)).await?;
        let mut known: BTreeMap<String, Known> =
            found.into_iter().map(|summary| (summary.report_id.clone(), summary.into())).collect();
        let mut missing: BTreeMap<Arc<str>, Vec<Sought>> = BTreeMap::new();
        for sought in wanted {
            if !known.contains_key(&sought.report_id) && sought.assessor != 0 {
                missing.entry(Arc::clone(&sought.database)).or_default().push(sought.clone());
            }
        }
        let many: BTreeSet<&str> = look_ups
            .iter()
            .filter(|one| one.many)
            .flat_map(|one| one.wanted.iter().map(|sought| &*sought.database))
            .collect();
        for (database, sought) in &missing {
            if many.contains(&**database) {
                self.outline(database).await;
            }
            known.extend(self.standing(database, sought).await?);
        }
        let (mut commands, last) = (Vec::new(), look_ups.len() - 1);
        for (place, LookUp { look_up, wanted, .. }) in look_ups.into_iter().enumerate() {
            let known = if place == last {
                let of = |sought: Sought| known.remove_entry(&sought.report_id);
                wanted.into_iter().filter_map(of).collect()
            } else {
                let of =
                    |sought: Sought| Some((sought.report_id.clone(), known.get(&sought.report_id)?.clone()));
                wanted.into_iter().filter_map(of).collect()
            };
            commands.extend(self.plan.apply(PlanEvent::LookedUp { look_up, known }));
        }
        Some(commands)
    }

    /// Outlines a database of this machine when a scan of many images meets it first. A failure costs assessments.
    async fn outline(&mut self, database: &str) {
        if !self.standing.outlined.insert(database.to_owned()) {
            return;
        }
        if let Err(error) = self.ports.databases.outline_local(&*self.ports.archive, database).await {
            tracing::warn!(%error, database, "images are assessed again when the database changes");
        }
    }

    /// Those of the sought reports that another database's stand for.
    async fn standing(&mut self, database: &str, sought: &[Sought]) -> Option<BTreeMap<String, Known>> {
        let Some(at) = self.target(database).await? else { return Some(BTreeMap::new()) };
        let Some(others) = self.standing.targets.get(at).map(|target| target.others.clone()) else {
            return Some(BTreeMap::new());
        };
        let ids: Vec<String> =
            sought.iter().flat_map(|one| others.iter().map(|other| one.against(&other.digest))).collect();
        let archive = Arc::clone(&self.ports.archive);
        let mut candidates: BTreeMap<String, AskedReport> = BTreeMap::new();
        for part in ids.chunks(IDS) {
            let found = persist(&self.shutdown, || archive.asked_reports(part)).await?;
            candidates.extend(found.into_iter().map(|one| (one.summary.report_id.clone(), one)));
        }
        candidates.retain(|id, _| !self.standing.rejected.contains(id));
        let mut known = BTreeMap::new();
        for one in sought {
            for other in &others {
                let Some(candidate) = candidates.get(&one.against(&other.digest)) else { continue };
                let changed = self.changes(at, &other.digest).await?;
                let Some(target) = self.standing.targets.get(at) else { continue };
                if stands(one, candidate, other.scheme, changed.as_deref()) {
                    known.insert(one.report_id.clone(), renamed(one, &candidate.summary, &target.database));
                    break;
                }
            }
        }
        Some(known)
    }

    /// The place of a database among the targets; an inner `None` when its outline is not kept.
    async fn target(&mut self, database: &str) -> Option<Option<usize>> {
        let place =
            |targets: &VecDeque<Target>| targets.iter().position(|one| one.database.digest == database);
        if let Some(at) = place(&self.standing.targets) {
            return Some(Some(at));
        }
        let archive = Arc::clone(&self.ports.archive);
        let mut all = persist(&self.shutdown, || archive.outlines()).await?;
        let Some(at) = all.iter().position(|one| one.digest == database) else { return Some(None) };
        let own = all.remove(at);
        all.retain(|other| other.scheme == own.scheme);
        let target = Target { database: own, others: all, changes: BTreeMap::new() };
        self.standing.targets.push_front(target);
        self.standing.targets.truncate(TARGETS);
        Some(place(&self.standing.targets))
    }

    /// What differs between the target of that place and another database.
    async fn changes(&mut self, at: usize, other: &str) -> Option<Option<Arc<[u32]>>> {
        let Some(target) = self.standing.targets.get(at) else { return Some(None) };
        if let Some(known) = target.changes.get(other) {
            return Some(known.clone());
        }
        let own = target.database.digest.clone();
        let (before, after) = (self.read_outline(other).await?, self.read_outline(&own).await?);
        let changed = before.zip(after).and_then(|(before, after)| before.changes(&after)).map(Arc::from);
        if let Some(changed) = &changed {
            let keys = <[u32]>::len(changed);
            tracing::info!(from = other, to = own, keys, "two databases were compared");
        }
        if let Some(target) = self.standing.targets.get_mut(at) {
            target.changes.insert(other.to_owned(), changed.clone());
        }
        Some(changed)
    }

    async fn read_outline(&self, digest: &str) -> Option<Option<Outline>> {
        let archive = &self.ports.archive;
        let Some(bytes) = persist(&self.shutdown, || archive.outline(digest)).await? else {
            return Some(None);
        };
        match Outline::decode(&bytes) {
            Ok(outline) => Some(Some(outline)),
            Err(error) => {
                tracing::warn!(%error, database = digest, "the outline of a database is not used");
                Some(None)
            }
        }
    }
}

impl Sought {
    /// The id of the report of the same image, platform and analysis against another database.
    fn against(&self, database: &str) -> String {
        subject::report_id(&self.image_digest, &self.platform, &self.fingerprint, database)
    }
}

/// Whether a report is as it would be with a database that says something else under these keys only.
fn stands(sought: &Sought, candidate: &AskedReport, scheme: u32, changed: Option<&[u32]>) -> bool {
    let (Some(changed), Ok(asked)) = (changed, Asked::decode(&candidate.asked)) else { return false };
    asked.scheme == scheme && asked.assessor == sought.assessor && !asked.touches(changed)
}

/// What lists will show of the copy.
fn renamed(sought: &Sought, summary: &ReportSummary, database: &Outlined) -> Known {
    let assessed_unix_ms = match summary.assessed_unix_ms {
        0 => summary.created_unix_ms,
        assessed => assessed,
    };
    let copy_of = CopyOf {
        report_id: summary.report_id.clone(),
        database_digest: database.digest.clone(),
        database_modified: database.modified.clone(),
        assessed_unix_ms,
    };
    let summary = ReportSummary {
        report_id: sought.report_id.clone(),
        database_digest: database.digest.clone(),
        database_modified: database.modified.clone(),
        assessed_unix_ms,
        ..summary.clone()
    };
    Known { summary, copy_of: Some(copy_of) }
}
