//! Simulated sweeps whose account must be what the content says.

use super::*;
use crate::content::Synthetic;

fn simulate(scenario: &Scenario) -> Prediction {
    run(scenario, &mut |_| {}).expect("the sweep ends").0
}

#[test]
fn a_cold_sweep_reads_every_layer_once() {
    let scenario = Scenario { images: 500, ..Scenario::default() };
    let found = simulate(&scenario);
    let plan = crate::content::Plan { seed: scenario.seed, ..crate::content::Plan::graded(500) };
    let expected = Synthetic::new(plan).census();
    assert_eq!((found.state.as_str(), found.failed), ("completed", 0));
    assert_eq!((found.references, found.reported), (expected.references, expected.references));
    assert_eq!((found.images, found.distinct_layers), (expected.images, expected.distinct_layers));
    assert_eq!(found.layers_analysed, found.distinct_layers);
    assert_eq!(found, simulate(&scenario), "the same scenario gives the same prediction");
    assert_ne!(found, simulate(&Scenario { seed: 2, ..scenario }));
}

#[test]
fn an_unchanged_sweep_resolves_and_nothing_else() {
    let found = simulate(&Scenario { images: 500, unchanged: true, failing: 0.0, ..Scenario::default() });
    assert_eq!((found.unchanged, found.reported), (found.references, 0));
    assert_eq!((found.index_jobs, found.assess_jobs, found.layers_analysed), (0, 0, 0));
}

#[test]
fn twice_the_workers_take_half_the_time() {
    // Where bytes cost nothing: one layer of a gigabyte takes its time however many workers there are.
    let scenario = Scenario { images: 3_000, core_bytes: 1e12, failing: 0.0, ..Scenario::default() };
    let four = simulate(&Scenario { workers: 4, ..scenario.clone() });
    let eight = simulate(&Scenario { workers: 8, ..scenario });
    let times = four.sweep_seconds / eight.sweep_seconds;
    assert!((1.5..2.1).contains(&times), "{times}: {four:?} {eight:?}");
}

#[test]
fn failures_are_tried_again() {
    let found = simulate(&Scenario { images: 500, failing: 0.05, ..Scenario::default() });
    assert_eq!((found.state.as_str(), found.reported, found.failed), ("completed", found.references, 0));
    assert!(found.index_jobs > found.distinct_layers);
}
