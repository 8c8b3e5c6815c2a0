//! What the simulated archive, queue and parcels do with the planner's commands.

use strata_proto::v1::ReportSummary;

use super::World;
use crate::plan::{Command, PlanEvent, Publication};

impl World {
    /// What there is to answer.
    pub(super) fn carry_out(&mut self, command: Command) -> Option<PlanEvent> {
        match command {
            Command::Append(event) => {
                self.events.entry(event.scan_id.clone()).or_default().push(*event);
            }
            Command::RecordScan(id) => {
                if let Some(scan) = self.plan.record(&id) {
                    self.scans.insert(scan.id.clone(), scan);
                }
            }
            Command::UpdateScan(scan) => drop(self.scans.insert(scan.id.clone(), *scan)),
            Command::Withdraw(job) => drop(self.queue.remove(&strata_proto::subject::job(&job))),
            Command::LookUp(look_up) => {
                let summary = |id: &String| ReportSummary {
                    report_id: id.clone(),
                    created_unix_ms: self.made.get(id).copied().unwrap_or_default(),
                    ..ReportSummary::default()
                };
                let ids = look_up.wanted.iter().map(|sought| &sought.report_id);
                let known = ids.filter(|id| self.reports.contains_key(*id));
                let known = known.map(|id| (id.clone(), summary(id).into())).collect();
                return Some(PlanEvent::LookedUp { look_up: look_up.look_up, known });
            }
            Command::Publish(job) | Command::PublishSmall(job) => {
                let key = job.key.clone();
                let result = if self.random.chance(self.chaos.lose) {
                    // Either it did not arrive and we know, or it is lost and we do not.
                    if self.random.chance(50) { Publication::Failed } else { Publication::Accepted }
                } else if self.queue.insert(strata_proto::subject::job(&job), *job).is_some() {
                    Publication::AlreadyQueued
                } else {
                    Publication::Accepted
                };
                return Some(PlanEvent::Published { key, result });
            }
            Command::StoreReport(store) => {
                let known = match &store.parcel {
                    Some(parcel) => self.parcels.remove(parcel),
                    None => self.reports.contains_key(&store.report_id),
                };
                if !known {
                    return Some(PlanEvent::Lost { store: store.store });
                }
                self.made.entry(store.report_id.clone()).or_insert(self.now_ms);
                let references = self.reports.entry(store.report_id).or_default();
                for (scan, names) in store.wanted_by {
                    references.extend(names.into_iter().map(|name| (scan.clone(), name)));
                }
                return Some(PlanEvent::Stored { store: store.store });
            }
        }
        None
    }
}
