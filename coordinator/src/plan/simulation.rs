//! Whole sweeps simulated from a seed: a model registry, queue, cache, workers and archive around the planner, with
//! random schedules of everything that can go wrong. A seed that fails prints itself; set `STRATA_SEED` to run it alone.

mod check;
mod worker;
mod world;

use self::world::{Chaos, World};

const CALM: Chaos = Chaos {
    lose: 0,
    duplicate: 0,
    late: 0,
    fail: 0,
    evict: 0,
    restart: 0,
    cancel: 0,
    crash: 0,
    skew: 0,
    silent: false,
};

fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("STRATA_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => vec![seed],
        None => (0..count).collect(),
    }
}

/// Runs a world to its end; a panic names the seed.
fn run(seed: u64, chaos: Chaos) -> World {
    let result = std::panic::catch_unwind(|| {
        let mut world = World::new(seed, chaos);
        world.run();
        check::everything_is_accounted_for(&world);
        world
    });
    result.unwrap_or_else(|_| panic!("the simulation fails: STRATA_SEED={seed}, {chaos:?}"))
}

#[test]
fn when_nothing_is_lost_every_distinct_layer_is_indexed_once() {
    for seed in seeds(1_000) {
        let world = run(seed, Chaos { duplicate: 10, late: 20, ..CALM });
        check::every_layer_was_indexed_once(&world);
        check::every_image_was_assessed_once(&world);
        check::all_succeeded(&world);
    }
}

#[test]
fn lost_late_repeated_and_failed_work_leaves_no_reference_behind() {
    for seed in seeds(1_000) {
        run(seed, Chaos { lose: 10, duplicate: 10, late: 20, fail: 15, evict: 5, crash: 5, ..CALM });
    }
}

#[test]
fn restarts_of_the_coordinator_repeat_and_forget_nothing() {
    for seed in seeds(700) {
        run(seed, Chaos { lose: 5, duplicate: 5, late: 10, fail: 5, evict: 2, restart: 3, crash: 2, ..CALM });
    }
}

#[test]
fn layers_are_counted_once_whatever_becomes_of_the_coordinator() {
    for seed in seeds(1_500) {
        let world = run(seed, Chaos { duplicate: 10, late: 10, fail: 5, restart: 8, ..CALM });
        check::every_analysis_is_counted_once(&world);
    }
}

#[test]
fn no_analysis_of_before_a_restart_is_left_uncounted() {
    for seed in seeds(1_500) {
        let world = run(seed, Chaos { duplicate: 10, restart: 12, ..CALM });
        check::every_analysis_is_counted(&world);
    }
}

#[test]
fn cancelled_scans_end_at_once_and_others_go_on() {
    for seed in seeds(700) {
        let world = run(seed, Chaos { late: 20, cancel: 4, lose: 5, fail: 5, ..CALM });
        check::nothing_is_left_in_the_plan(&world);
    }
}

#[test]
fn workers_of_two_analyses_lose_no_image_and_read_a_layer_once_each() {
    for seed in seeds(1_500) {
        let world = run(seed, Chaos { duplicate: 10, late: 20, skew: 5 + seed % 90, ..CALM });
        check::all_succeeded(&world);
        check::every_analysis_read_a_layer_once(&world);
        check::nothing_was_missed(&world);
    }
}

#[test]
fn workers_that_tell_of_no_analysis_cost_rounds_and_no_image() {
    for seed in seeds(1_500) {
        let world = run(seed, Chaos { late: 10, skew: 5 + seed % 90, silent: true, ..CALM });
        check::all_succeeded(&world);
        check::every_analysis_read_a_layer_once(&world);
    }
}

#[test]
fn an_upgrade_in_the_midst_of_all_else_leaves_no_reference_behind() {
    for seed in seeds(1_000) {
        let all = Chaos { lose: 5, duplicate: 10, late: 10, fail: 5, evict: 2, restart: 3, ..CALM };
        run(seed, Chaos { cancel: 1, crash: 3, skew: 5 + seed % 90, silent: seed % 3 == 0, ..all });
    }
}

#[test]
fn the_same_seed_gives_the_same_events() {
    for seed in seeds(50) {
        let chaos = Chaos { lose: 10, duplicate: 10, late: 20, fail: 15, evict: 5, crash: 5, ..CALM };
        assert_eq!(run(seed, chaos).events, run(seed, chaos).events, "seed {seed}");
    }
}
