//! One database for each scan, in a cluster whose workers have none of their own.

use std::{collections::BTreeSet, path::Path, time::Duration};

use futures::StreamExt as _;
use strata_cli::command::build;
use strata_client::{
    Client,
    v1::{self, ScanState, event::Kind},
};
use strata_loadtest::{
    ADVISORIES,
    content::{Plan, Synthetic},
    registry::{Faults, Options, Registry},
};

use crate::{
    cluster::{Cluster, runtime},
    servers::skipped,
    strata::{User, images},
};

/// Writes a database of these advisories and returns its digest.
fn write(advisories: &[(&str, &str)], path: &Path) -> String {
    let built = build::compile_texts(advisories).expect("sound advisories");
    build::write(&built, path).expect("a database");
    digest(path)
}

fn digest(path: &Path) -> String {
    strata_worker::advisories::DatabaseFile::open(path).expect("a database").digest().to_owned()
}

/// Follows a scan and returns the databases of its reports.
async fn databases(
    client: &Client,
    scan: &str,
    mut on_report: impl FnMut(usize),
) -> (BTreeSet<String>, usize) {
    let mut events = client.watch(scan, 0, true);
    let (mut found, mut count) = (BTreeSet::new(), 0);
    while let Some(event) = events.next().await {
        match event.expect("the stream goes on").kind {
            Some(Kind::Reported(reported)) => {
                found.insert(reported.report.expect("it was asked for").database_digest);
                count += 1;
                on_report(count);
            }
            Some(Kind::Failed(failed)) => panic!("{failed:?}"),
            Some(Kind::Finished(finished)) => {
                assert_eq!(finished.state(), ScanState::Completed);
                return (found, count);
            }
            _ => {}
        }
    }
    panic!("the stream ended before the scan did");
}

#[test]
fn a_scan_finishes_with_the_database_that_it_started_with() {
    if skipped("databases of a cluster") {
        return;
    }
    let elsewhere = User::without_database();
    let cluster = Cluster::start_as(User::new(), Some(&elsewhere), 2, &[]);
    let home = cluster.user.home.path();
    let (first, second) = (digest(&cluster.user.database()), home.join("second.strata"));
    let newer = write(&ADVISORIES[..3], &second);
    assert_ne!(first, newer);
    let runtime = runtime();
    let faults = Faults { latency: Duration::from_millis(20), ..Faults::default() };
    let options = Options { faults, ..Options::default() };
    let registry =
        runtime.block_on(Registry::start(Synthetic::new(Plan::demo()), options)).expect("a registry");
    let sweep = |registry: &Registry| v1::SubmitRequest {
        registry: Some(v1::RegistryTarget { host: registry.host(), ..v1::RegistryTarget::default() }),
        ..v1::SubmitRequest::default()
    };
    let mut client = runtime.block_on(Client::connect(&cluster.url())).expect("the coordinator answers");
    let scan = runtime.block_on(client.submit(sweep(&registry))).expect("accepted");
    let publish = ["db", "publish", "--server", &cluster.url(), "--db", &second.display().to_string()];
    let (found, count) = runtime.block_on(databases(&client, &scan, |count| {
        if count == 2 {
            cluster.user.run(&publish).expect(0, &[&newer]);
        }
    }));
    assert_eq!(found, BTreeSet::from([first.clone()]), "{}", cluster.logs());
    assert!(count > 4, "it was published in the middle");
    let record = runtime.block_on(client.get_scan(&scan)).expect("it is known");
    assert_eq!(record.database_digest, first);
    let scan = runtime.block_on(client.submit(sweep(&registry))).expect("accepted");
    let (found, _) = runtime.block_on(databases(&client, &scan, |_| {}));
    let newest = newer.clone();
    assert_eq!(found, BTreeSet::from([newer]), "{}", cluster.logs());
    // The same reports as on a machine that has the file.
    let (run, cluster_) = cluster.user.json(&["sweep", &registry.host(), "--server", &cluster.url()]);
    run.expect(0, &[]);
    let second = second.display().to_string();
    let (run, alone) = elsewhere.json(&["sweep", &registry.host(), "--db", &second]);
    run.expect(0, &[]);
    assert_eq!(images(&cluster_), images(&alone));
    // Who has no database assesses a report again by the cluster's.
    let stranger = User::without_database();
    let (run, found) = cluster.user.json(&["report", "search", "--limit", "1", "--server", &cluster.url()]);
    run.expect(0, &[]);
    let again = ["report", "show", found[0]["report"].as_str().expect("an id"), "--reassess"];
    stranger.run(&[&again[..], &["--server", &cluster.url()]].concat()).expect(0, &[&newest, "the server's"]);
    std::fs::write(home.join("broken"), "no database").expect("written");
    let broken = home.join("broken").display().to_string();
    cluster.user.run(&["db", "publish", "--server", &cluster.url(), "--db", &broken]).expect(3, &["broken"]);
}

#[test]
fn without_any_database_every_image_fails_by_name_and_nothing_looks_clean() {
    if skipped("a cluster without a database") {
        return;
    }
    let cluster = Cluster::start_as(User::without_database(), None, 1, &[]);
    let runtime = runtime();
    let registry = runtime
        .block_on(Registry::start(
            Synthetic::new(Plan { repositories: 1, ..Plan::demo() }),
            Options::default(),
        ))
        .expect("a registry");
    let (run, document) = cluster.user.json(&["sweep", &registry.host(), "--server", &cluster.url()]);
    run.expect(3, &["no-database", "db publish"]);
    assert!(images(&document).is_empty());
    let failures = document["failures"].as_array().expect("failures");
    assert!(
        !failures.is_empty() && failures.iter().all(|failure| failure["code"] == "no-database"),
        "{document}"
    );
    assert!(cluster.coordinator.log().contains("no advisory database is published"), "{}", cluster.logs());
}
