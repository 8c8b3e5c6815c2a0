//! The archive in a SQLite file.

use std::{path::Path, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};
use strata_coordinator::{
    archive::sqlite::SqliteArchive,
    ports::{Archive as _, Check as _},
};
use strata_proto::v1::{ScanStarted, ScanState, event::Kind};
use tempfile::TempDir;

use super::{commits, contents, election, forget, holds, outlines, pages, suite};

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
async fn a_difference_concerns_images_by_their_last_report() {
    let directory = TempDir::new().expect("a directory");
    let archive = SqliteArchive::open(&directory.path().join("archive.sqlite")).await.expect("opened");
    outlines::the_last_report_of_each_image_tells_whether_a_difference_concerns_it(&archive).await;
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

/// Counts in a file.
fn rows(file: &Path) -> impl Fn(&'static str) -> BoxFuture<'static, i64> + Sync + use<> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    move |statement| {
        let options = options.clone();
        async move {
            let mut connection = sqlx::ConnectOptions::connect(&options).await.expect("connected");
            sqlx::query_scalar(statement).fetch_one(&mut connection).await.expect("counted")
        }
        .boxed()
    }
}

#[tokio::test]
async fn what_is_said_is_kept_once() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("archive.sqlite");
    let archive = SqliteArchive::open(&file).await.expect("opened");
    contents::what_is_said_is_kept_once(&archive, &rows(&file)).await;
}

/// Tables up to the tenth change, as the version before contents left them.
#[tokio::test]
async fn an_archive_of_the_previous_layout_opens_and_keeps_its_reports() {
    const EARLIER: [&str; 10] = [
        include_str!("../../../migrations/sqlite/0001_archive.sql"),
        include_str!("../../../migrations/sqlite/0002_databases.sql"),
        include_str!("../../../migrations/sqlite/0003_lead.sql"),
        include_str!("../../../migrations/sqlite/0004_tokens.sql"),
        include_str!("../../../migrations/sqlite/0005_retention.sql"),
        include_str!("../../../migrations/sqlite/0006_sources.sql"),
        include_str!("../../../migrations/sqlite/0007_outlines.sql"),
        include_str!("../../../migrations/sqlite/0008_submitted.sql"),
        include_str!("../../../migrations/sqlite/0009_holds.sql"),
        include_str!("../../../migrations/sqlite/0010_tags.sql"),
    ];
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("archive.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.expect("connected");
    for migration in EARLIER {
        sqlx::raw_sql(migration).execute(&mut connection).await.expect("migrated");
    }
    sqlx::raw_sql("PRAGMA user_version = 10").execute(&mut connection).await.expect("set");
    for name in ["one", "two"] {
        let (summary, body, digest) = contents::earlier_row(name);
        sqlx::query(contents::EARLIER_REPORT)
            .bind(name)
            .bind(format!("sha256:{name}"))
            .bind(summary)
            .bind(body)
            .bind(digest)
            .execute(&mut connection)
            .await
            .expect("stored");
        for (kind, text) in contents::earlier_terms(name) {
            for statement in contents::EARLIER_TERM {
                let insert = sqlx::query(statement).bind(kind).bind(&text).bind(name);
                insert.execute(&mut connection).await.expect("listed");
            }
        }
    }
    // The number of one that is gone is not given again.
    sqlx::raw_sql("UPDATE sqlite_sequence SET seq = 7 WHERE name = 'reports'")
        .execute(&mut connection)
        .await
        .expect("set");
    drop(connection);
    let archive = SqliteArchive::open(&file).await.expect("opened");
    contents::what_earlier_versions_kept_is_there(&archive, &rows(&file)).await;
    assert_eq!(rows(&file)("SELECT MIN(number) FROM reports").await, 9, "after 7 and the new one");
}

#[tokio::test]
async fn a_byte_that_changed_in_the_store_names_its_report() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("archive.sqlite");
    let archive = SqliteArchive::open(&file).await.expect("opened");
    for id in ["sound", "changed", "older", "moved", "renamed", "asks", "empty"] {
        let report = suite::report(&format!("sha256:{id}"), &["zlib"], &[]);
        archive.put_report(suite::new_report(id, &report, 1), "s", &[]).await.expect("stored");
    }
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.expect("connected");
    for statement in [
        // As a report that says the same and is packed in other words; and as an earlier version kept it.
        "UPDATE contents SET body = (SELECT c.body FROM contents c JOIN reports r ON r.content = c.number
             WHERE r.id = 'sound') WHERE number = (SELECT content FROM reports WHERE id = 'changed')",
        "UPDATE contents SET key = NULL WHERE number = (SELECT content FROM reports WHERE id = 'older')",
        "UPDATE reports SET seal = NULL WHERE id = 'older'",
        // Another report's words; another report's database; questions that were not asked; nothing at all.
        "UPDATE reports SET content = (SELECT content FROM reports WHERE id = 'sound') WHERE id = 'moved'",
        "UPDATE reports SET summary = (SELECT summary FROM reports WHERE id = 'sound') WHERE id = 'renamed'",
        "UPDATE contents SET asked = x'00' WHERE number = (SELECT content FROM reports WHERE id = 'asks')",
        "DELETE FROM contents WHERE number = (SELECT content FROM reports WHERE id = 'empty')",
    ] {
        sqlx::raw_sql(statement).execute(&mut connection).await.expect("changed");
    }
    let (checked, next) = archive.check(0).await.expect("checked");
    let found: Vec<_> =
        checked.iter().map(|one| (one.report_id.as_str(), one.known, one.wrong.as_deref())).collect();
    let changed = Some("its bytes are not those that were stored");
    let row = Some("its summary, its database or what it refers to is not what was stored");
    assert_eq!(
        found,
        [
            ("sound", true, None),
            ("changed", true, changed),
            ("older", false, None),
            ("moved", true, row),
            ("renamed", true, row),
            ("asks", true, changed),
            ("empty", false, Some("what it says is gone")),
        ]
    );
    assert_eq!(archive.check(next.expect("a number")).await.expect("checked"), (Vec::new(), None));
}
