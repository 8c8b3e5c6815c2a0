//! What must hold after every simulated run.

use std::collections::BTreeSet;

use strata_proto::v1::{Event, Ledger, LedgerLine, Scan, ScanState, Summary, event::Kind};

use super::world::World;
use crate::plan::State;

fn sum(lines: &[LedgerLine]) -> u64 {
    lines.iter().map(|line| line.count).sum()
}

fn ledger(scan: &Scan) -> Ledger {
    scan.summary.clone().and_then(|summary| summary.ledger).unwrap_or_default()
}

/// References by how they ended, and listings that failed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    reported: u64,
    unchanged: u64,
    failed: u64,
    skipped: u64,
    listing_failed: u64,
}

impl Counts {
    fn of(ledger: &Ledger) -> Self {
        Self {
            reported: ledger.reported,
            unchanged: ledger.unchanged,
            failed: sum(&ledger.failed) + sum(&ledger.unsupported),
            skipped: sum(&ledger.skipped),
            listing_failed: sum(&ledger.listing_failed),
        }
    }

    const fn ended(&self) -> u64 {
        self.reported + self.unchanged + self.failed + self.skipped
    }
}

/// Counts a scan's events, whose references end once each.
fn count<'a>(world: &'a World, scan: &Scan, events: &'a [Event]) -> (Counts, BTreeSet<&'a str>) {
    let (mut counts, mut ended) = (Counts::default(), BTreeSet::new());
    for (index, event) in events.iter().enumerate() {
        let (references, counter) = match event.kind.as_ref().expect("a kind") {
            Kind::Reported(one) => {
                let before = world.made.get(&one.report_id).is_some_and(|made| *made < scan.created_unix_ms);
                let known = before && scan.database_digest == "sha256:db";
                // The archive is asked for the report of who resolved the image; that of another analysis is made again.
                assert!(one.unchanged == known || (known && world.chaos.skew > 0), "{one:?}");
                let counter = if one.unchanged { &mut counts.unchanged } else { &mut counts.reported };
                (&one.references, counter)
            }
            Kind::Failed(one) => (&one.references, &mut counts.failed),
            Kind::Skipped(one) => (&one.references, &mut counts.skipped),
            Kind::ListingFailed(_) => {
                counts.listing_failed += 1;
                continue;
            }
            Kind::Finished(finished) => {
                assert_eq!(index + 1, events.len(), "{} goes on after its end", scan.id);
                assert_eq!(finished.state, scan.state);
                continue;
            }
            Kind::Started(_) => continue,
            Kind::Progress(_) => panic!("progress is never recorded"),
        };
        *counter += references.len() as u64;
        for reference in references {
            assert!(ended.insert(reference.as_str()), "{reference} ends twice");
        }
    }
    (counts, ended)
}

/// Events are gapless and end with the scan; each reference ends in exactly one of them; the ledger says the same.
pub(super) fn everything_is_accounted_for(world: &World) {
    for scan in world.scans.values() {
        let events = world.events.get(&scan.id).expect("events");
        let numbers: Vec<u64> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>(), "sequence of {}", scan.id);
        assert!(matches!(events.first().and_then(|e| e.kind.as_ref()), Some(Kind::Started(_))));
        let (counts, ended) = count(world, scan, events);
        let ledger = ledger(scan);
        let summary = scan.summary.clone().unwrap_or_default();
        let there = summary.layers_analysed + summary.layers_reused;
        assert!(summary.distinct_layers >= there, "{summary:?}");
        if counts.failed == 0 && scan.state() != ScanState::Cancelled {
            assert_eq!(summary.distinct_layers, there, "{summary:?}");
        }
        assert_eq!(scan.layers_analysed, [0_u64; 0], "only while it runs");
        assert_eq!(Counts::of(&ledger), counts, "ledger of {}", scan.id);
        if scan.state() == ScanState::Cancelled {
            assert!(ledger.enumerated >= counts.ended());
            continue;
        }
        assert_eq!(ledger.enumerated, counts.ended(), "ledger of {}", scan.id);
        let clean = counts.failed == 0 && counts.listing_failed == 0;
        let want = if clean { ScanState::Completed } else { ScanState::CompletedWithFailures };
        assert_eq!(scan.state(), want, "state of {}", scan.id);
        if counts.listing_failed == 0 {
            let ended: BTreeSet<String> = ended.into_iter().map(str::to_owned).collect();
            assert_eq!(ended, expected(world, scan));
        }
        every_report_is_archived(world, scan);
    }
}

/// All references that a scan must have accounted for, from the model's own registry.
fn expected(world: &World, scan: &Scan) -> BTreeSet<String> {
    let request = world.submitted.get(&scan.id).expect("a request");
    let Some(target) = &request.registry else { return request.images.iter().cloned().collect() };
    let repositories = world.registry.iter().filter(|(name, _)| name.starts_with(&target.prefix));
    repositories
        .flat_map(|(name, tags)| tags.keys().map(move |tag| format!("registry/{name}:{tag}")))
        .collect()
}

fn every_report_is_archived(world: &World, scan: &Scan) {
    for event in world.events.get(&scan.id).into_iter().flatten() {
        let Some(Kind::Reported(reported)) = &event.kind else { continue };
        let archived = world.reports.get(&reported.report_id).expect("an archived report");
        for reference in &reported.references {
            assert!(archived.contains(&(scan.id.clone(), reference.clone())), "{reference} is not archived");
        }
    }
}

/// However many images and scans want a layer, one job reads it.
pub(super) fn every_layer_was_indexed_once(world: &World) {
    assert!(world.indexed.values().all(|count| *count == 1), "{:?}", world.indexed);
    let analysed: u64 = summaries(world).map(|summary| summary.layers_analysed).sum();
    assert_eq!(analysed, world.indexed.len() as u64, "layers analysed, over all scans");
    for summary in summaries(world) {
        assert_eq!(summary.distinct_layers, summary.layers_analysed + summary.layers_reused, "{summary:?}");
    }
}

/// Each analysis has inventories of its own; none was made twice.
pub(super) fn every_analysis_read_a_layer_once(world: &World) {
    assert!(world.analysed.values().all(|count| *count == 1), "{:?}", world.analysed);
    for summary in summaries(world) {
        assert_eq!(summary.distinct_layers, summary.layers_analysed + summary.layers_reused, "{summary:?}");
    }
}

/// An image's inputs were there whenever it was assessed.
pub(super) fn nothing_was_missed(world: &World) {
    assert_eq!(world.missed, 0);
}

/// A scan that was alone has counted every analysis that it could hear of, once, whatever became of its coordinator.
pub(super) fn every_analysis_is_counted_once(world: &World) {
    let [summary] = &summaries(world).collect::<Vec<_>>()[..] else { return };
    assert_eq!(summary.layers_analysed, world.heard.len() as u64, "{summary:?}");
    assert_eq!(summary.bytes_read, 10 * summary.layers_analysed);
}

/// Whatever a coordinator had when it ended: a scan that was alone has counted all that was read for it.
pub(super) fn every_analysis_is_counted(world: &World) {
    let [summary] = &summaries(world).collect::<Vec<_>>()[..] else { return };
    assert_eq!(summary.layers_analysed, world.analysed.len() as u64, "{summary:?}");
    assert_eq!(summary.layers_analysed + summary.layers_reused, summary.distinct_layers, "{summary:?}");
}

/// What the archive knows is not assessed again: where nothing is lost each image is assessed once for each database.
pub(super) fn every_image_was_assessed_once(world: &World) {
    let databases: BTreeSet<&str> = world.scans.values().map(|scan| scan.database_digest.as_str()).collect();
    if databases == BTreeSet::from(["sha256:db"]) {
        assert!(world.assessed.values().all(|count| *count == 1), "{:?}", world.assessed);
    }
}

/// Nothing failed but the references that do not exist.
pub(super) fn all_succeeded(world: &World) {
    for scan in world.scans.values() {
        let ledger = ledger(scan);
        assert!(ledger.failed.iter().all(|line| line.code == "not-found"), "{ledger:?}");
        assert!(ledger.listing_failed.is_empty());
    }
}

/// No job, timer, image, layer or report under way outlives its scans.
pub(super) fn nothing_is_left_in_the_plan(world: &World) {
    let plan = &world.plan;
    assert_eq!(plan.running(), Vec::<String>::new());
    let published = plan.works.values().filter(|work| work.state == State::Published);
    assert_eq!(published.count(), 0);
    assert!(plan.works.is_empty() && plan.timers.is_empty(), "jobs are left: {:?}", plan.works);
    assert!(
        plan.layers.is_empty() && plan.images.is_empty() && plan.stores.is_empty() && plan.asking.is_empty()
    );
    assert_eq!(plan.lanes.outstanding(), [0, 0], "room in the windows is lost");
}

fn summaries(world: &World) -> impl Iterator<Item = &Summary> {
    world.scans.values().filter_map(|scan| scan.summary.as_ref())
}
