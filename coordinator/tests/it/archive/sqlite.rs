//! The archive in a SQLite file.

use std::sync::Arc;

use strata_coordinator::{
    archive::sqlite::SqliteArchive,
    ports::{Archive as _, Check as _},
};
use strata_proto::v1::{ScanStarted, ScanState, event::Kind};
use tempfile::TempDir;

use super::{commits, election, forget, holds, outlines, pages, suite};

#[tokio::test]
async fn conformance() {
    let directory = TempDir::new().expect("a directory");
    let archive = SqliteArchive::open(&directory.path().join("archive.sqlite")).await.expect("opened");
    let archive = Arc::new(archive);
    suite::conformance(Arc::clone(&archive)).await;
    commits::reports_are_found_by_the_commit_that_their_scan_tells(&*archive).await;
    pages::pages_lose_nothing_and_repeat_nothing(&*archive).await;
    outlines::the_latest_outlines_stay_and_reports_tell_what_they_asked(&*archive).await;
    holds::what_is_held_is_kept(&*archive).await;
}

#[tokio::test]
async fn the_last_token_stays() {
    let directory = TempDir::new().expect("a directory");
    let archive = SqliteArchive::open(&directory.path().join("archive.sqlite")).await.expect("opened");
    forget::the_last_token_stays(&archive).await;
}

#[tokio::test]
async fn one_leads() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("archive.sqlite");
    let open = || SqliteArchive::open(&file);
    election::election(open().await.expect("opened"), open().await.expect("opened")).await;
}

/// Each connection pool stands for a process: they share nothing but the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_processes_open_and_write_one_file_at_once() {
    const PROCESSES: u64 = 6;
    const EACH: u64 = 20;
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("archive.sqlite");
    let tasks: Vec<_> = (0..PROCESSES)
        .map(|process| {
            let file = file.clone();
            tokio::spawn(async move {
                let archive = SqliteArchive::open(&file).await.expect("opened");
                let id = format!("p{process}");
                archive.create_scan(&suite::scan(&id, ScanState::Running, "")).await.expect("recorded");
                for sequence in 1..=EACH {
                    let event = suite::event(&id, sequence, Kind::Started(ScanStarted {}));
                    archive.append(&[event]).await.expect("appended");
                }
                archive.close().await;
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let archive = SqliteArchive::open(&file).await.expect("opened again");
    assert_eq!(archive.scans(100, "").await.expect("listed").len() as u64, PROCESSES);
    for process in 0..PROCESSES {
        let events = archive.events(&format!("p{process}"), 0, 100).await.expect("read");
        assert_eq!(events.len() as u64, EACH, "events of process {process}");
    }
}

#[tokio::test]
async fn what_is_no_archive_is_refused_by_name() {
    let directory = TempDir::new().expect("a directory");
    let text = directory.path().join("text");
    std::fs::write(&text, "this is not a database, though it is long enough to be looked at".repeat(20))
        .expect("written");
    let newer = directory.path().join("newer");
    SqliteArchive::open(&newer).await.expect("opened").close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&newer);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.expect("connected");
    sqlx::raw_sql("PRAGMA user_version = 999").execute(&mut connection).await.expect("set");
    drop(connection);
    for (file, reason) in [
        (text, "not a database"),
        (newer, "newer version"),
        (directory.path().join("no/such/directory"), "unable to open"),
    ] {
        let error = SqliteArchive::open(&file).await.err().expect("refused").to_string();
        assert!(error.starts_with("failed to open the archive: "), "{error}");
        assert!(error.contains(reason) && error.contains(&file.display().to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_byte_that_changed_in_the_store_names_its_report() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("archive.sqlite");
    let archive = SqliteArchive::open(&file).await.expect("opened");
    for id in ["sound", "changed", "older"] {
        let report = suite::report(&format!("sha256:{id}"), &["zlib"], &[]);
        archive.put_report(suite::new_report(id, &report, 1), "s", &[]).await.expect("stored");
    }
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.expect("connected");
    for statement in [
        // As a report that says the same and is packed in other words; and as an earlier version kept it.
        "UPDATE reports SET body = (SELECT body FROM reports WHERE id = 'sound') WHERE id = 'changed'",
        "UPDATE reports SET body_digest = '' WHERE id = 'older'",
    ] {
        sqlx::raw_sql(statement).execute(&mut connection).await.expect("changed");
    }
    let (checked, next) = archive.check(0).await.expect("checked");
    let found: Vec<_> =
        checked.iter().map(|one| (one.report_id.as_str(), one.known, one.wrong.as_deref())).collect();
    let changed = Some("its bytes are not those that were stored");
    assert_eq!(found, [("sound", true, None), ("changed", true, changed), ("older", false, None)]);
    assert_eq!(archive.check(next.expect("a number")).await.expect("checked"), (Vec::new(), None));
}
