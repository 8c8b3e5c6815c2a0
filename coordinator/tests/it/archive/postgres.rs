//! The archive in PostgreSQL.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use sqlx::Connection as _;
use strata_coordinator::{
    archive::postgres::PostgresArchive,
    ports::{Archive as _, Check as _},
};
use strata_proto::v1::{ScanStarted, ScanState, event::Kind};

use super::{commits, contents, election, holds, outlines, pages, suite};
use crate::postgres::Server;

#[tokio::test]
async fn conformance() {
    let Some(server) = Server::start().await else { return };
    let url = server.database("conformance").await;
    let archive = PostgresArchive::connect(&url).await.expect("connected");
    let archive = Arc::new(archive);
    suite::conformance(Arc::clone(&archive)).await;
    commits::reports_are_found_by_the_commit_that_their_scan_tells(&*archive).await;
    pages::pages_lose_nothing_and_repeat_nothing(&*archive).await;
    outlines::the_latest_outlines_stay_and_reports_tell_what_they_asked(&*archive).await;
    holds::what_is_held_is_kept(&*archive).await;
    let archive = PostgresArchive::connect(&server.database("touched").await).await.expect("connected");
    outlines::the_last_report_of_each_image_tells_whether_a_difference_concerns_it(&archive).await;
}

/// Counts in a database.
fn rows(url: &str) -> impl Fn(&'static str) -> BoxFuture<'static, i64> + Sync + use<> {
    let url = url.to_owned();
    move |statement| {
        let url = url.clone();
        async move {
            let mut connection = sqlx::PgConnection::connect(&url).await.expect("connected");
            sqlx::query_scalar(statement).fetch_one(&mut connection).await.expect("counted")
        }
        .boxed()
    }
}

#[tokio::test]
async fn what_is_said_is_kept_once() {
    let Some(server) = Server::start().await else { return };
    let url = server.database("contents").await;
    let archive = PostgresArchive::connect(&url).await.expect("connected");
    contents::what_is_said_is_kept_once(&archive, &rows(&url)).await;
}

/// Tables up to the tenth change, as the version before contents left them.
#[tokio::test]
async fn an_archive_of_the_previous_layout_opens_and_keeps_its_reports() {
    let Some(server) = Server::start().await else { return };
    let url = server.database("earlier").await;
    let mut connection = sqlx::PgConnection::connect(&url).await.expect("connected");
    let mut earlier = sqlx::migrate!("migrations/postgres");
    earlier.migrations.to_mut().retain(|migration| migration.version <= 10);
    earlier.run(&mut connection).await.expect("migrated");
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
    let archive = PostgresArchive::connect(&url).await.expect("connected");
    contents::what_earlier_versions_kept_is_there(&archive, &rows(&url)).await;
}

#[tokio::test]
async fn a_byte_that_changed_in_the_database_names_its_report() {
    let Some(server) = Server::start().await else { return };
    let url = server.database("damage").await;
    let archive = PostgresArchive::connect(&url).await.expect("connected");
    for id in ["sound", "changed"] {
        let report = suite::report(&format!("sha256:{id}"), &["zlib"], &[]);
        archive.put_report(suite::new_report(id, &report, 1), "s", &[]).await.expect("stored");
    }
    let mut connection = sqlx::PgConnection::connect(&url).await.expect("connected");
    let damage = "UPDATE contents SET body = set_byte(body, 9, get_byte(body, 9) # 1)
         WHERE number = (SELECT content FROM reports WHERE id = 'changed')";
    sqlx::raw_sql(damage).execute(&mut connection).await.expect("changed");
    let (checked, next) = archive.check(0).await.expect("checked");
    let found: Vec<_> = checked.iter().map(|one| (one.report_id.as_str(), one.wrong.as_deref())).collect();
    assert_eq!(found, [("sound", None), ("changed", Some("its bytes are not those that were stored"))]);
    assert_eq!(archive.check(next.expect("a number")).await.expect("checked"), (Vec::new(), None));
}

#[tokio::test]
async fn one_leads() {
    let Some(server) = Server::start().await else { return };
    let url = server.database("election").await;
    let connect = || PostgresArchive::connect(&url);
    election::election(connect().await.expect("connected"), connect().await.expect("connected")).await;
}

#[tokio::test]
async fn several_coordinators_may_start_at_once_on_an_empty_database() {
    let Some(server) = Server::start().await else { return };
    let url = server.database("several").await;
    let starts = (0..4).map(|_| PostgresArchive::connect(&url));
    for started in futures::future::join_all(starts).await {
        assert!(started.expect("connected").running().await.expect("tables exist").is_empty());
    }
}

#[tokio::test]
async fn the_archive_works_again_after_the_server_crashed() {
    let Some(mut server) = Server::start().await else { return };
    let url = server.database("crash").await;
    let archive = PostgresArchive::connect(&url).await.expect("connected");
    archive.create_scan(&suite::scan("s", ScanState::Running, "")).await.expect("recorded");
    server.crash_and_restart().await;
    let event = suite::event("s", 1, Kind::Started(ScanStarted {}));
    // Connections of the pool are broken: each is noticed once.
    let mut tries = 0;
    while let Err(error) = archive.append(std::slice::from_ref(&event)).await {
        tries += 1;
        assert!(tries < 20, "{error}");
    }
    // Those that read are others.
    let read = loop {
        match archive.events("s", 0, 10).await {
            Ok(events) => break events,
            Err(error) => {
                tries += 1;
                assert!(tries < 20, "{error}");
            }
        }
    };
    assert_eq!(read, [event]);
    assert_eq!(archive.running().await.expect("listed").len(), 1);
}

#[tokio::test]
async fn a_server_that_is_away_is_named_and_its_password_is_not() {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let url = format!("postgres://strata:s3cret@127.0.0.1:{port}/strata");
    let error = PostgresArchive::connect(&url).await.err().expect("refused").to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("refused"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_named() {
    let Some(server) = Server::start().await else { return };
    let url = format!("postgres://strata@127.0.0.1:{}/nowhere", server.port());
    let error = PostgresArchive::connect(&url).await.err().expect("refused").to_string();
    assert!(error.contains("nowhere"), "{error}");
}
