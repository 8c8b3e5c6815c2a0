//! Every fault of the load test in its short form, on real processes. In full: `strata-loadtest chaos`.

use std::{path::PathBuf, time::Duration};

use strata_loadtest::chaos::{self, FAULTS, Fault, Options, Truth};

use crate::{cluster::runtime, servers::skipped, strata::User};

/// Images of a sweep.
const IMAGES: u32 = 30;

/// Strikes with faults one after the other, on a cluster of its own each.
#[expect(clippy::print_stderr, reason = "a fault that is left out says so")]
fn survive(named: impl Fn(&Fault) -> bool) {
    if skipped("faults of a cluster") {
        return;
    }
    let user = User::new();
    let options = Options {
        strata: PathBuf::from(env!("CARGO_BIN_EXE_strata")),
        database: user.database(),
        images: IMAGES,
        short: true,
        patience: Duration::from_secs(300),
        seed: 7,
    };
    runtime().block_on(async {
        let (truth, calm) = chaos::undisturbed(&options).await.expect("a sweep without a fault");
        assert!(calm.is_good(), "{:?} {:?}\n{}", calm.wrong, calm.leftovers, calm.logs);
        assert_eq!(calm.analysed, calm.distinct, "a cold sweep analyses every layer");
        assert_eq!(calm.downloads, calm.distinct, "and downloads it once");
        let mut struck = 0;
        for fault in FAULTS.iter().filter(|fault| named(fault)) {
            struck += 1;
            match (fault.cannot)() {
                Some(reason) => eprintln!("SKIPPED: {}: {reason}", fault.name),
                None => survived(fault, &options, &truth).await,
            }
        }
        assert!(struck > 0, "there is no such fault");
    });
}

async fn survived(fault: &Fault, options: &Options, truth: &Truth) {
    let verdict = chaos::strike(fault, options, truth).await.expect(fault.name);
    assert!(
        verdict.is_good(),
        "{}: {:#?}\nleft over: {:?}\n{}",
        fault.name,
        verdict.wrong,
        verdict.leftovers,
        verdict.logs
    );
    assert!(verdict.strikes > 0, "{} did not strike", fault.name);
}

#[test]
fn a_sweep_survives_its_workers() {
    survive(|fault| fault.name.starts_with("worker-") || fault.name == "poison");
}

#[test]
fn a_sweep_survives_its_coordinators() {
    survive(|fault| ["coordinator-killed", "failover"].contains(&fault.name));
}

#[test]
fn a_sweep_survives_its_servers() {
    survive(|fault| {
        ["nats-restarted", "redis-restarted", "redis-flushed", "postgres-stopped"].contains(&fault.name)
    });
}

#[test]
fn a_sweep_survives_its_registry() {
    survive(|fault| fault.name.starts_with("registry-"));
}

#[test]
fn a_sweep_survives_its_clients_disks_and_networks() {
    survive(|fault| ["client-leaves", "spool-full", "partition"].contains(&fault.name));
}

#[test]
fn every_fault_has_its_test() {
    let tested = include_str!("faults.rs");
    for fault in FAULTS {
        let family = fault.name.split_once('-').map_or(fault.name, |(family, _)| family);
        assert!(
            tested.contains(&format!("\"{}\"", fault.name)) || tested.contains(&format!("\"{family}-\"")),
            "{}",
            fault.name
        );
    }
}
