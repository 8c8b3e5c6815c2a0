//! Advisory databases from the coordinator's object store to a worker, on a real server.

use std::{io::Write as _, path::Path, sync::Arc, time::Duration};

use futures::StreamExt as _;
use strata_analysis::database::{Builder, Database};
use strata_coordinator::{
    ports::{DatabaseInfo, Databases as _},
    queue::nats::NatsQueue,
};
use strata_proto::subject;
use strata_worker::{
    advisories::library::{Library, LibraryConfig},
    ports::Advisories as _,
};
use tempfile::NamedTempFile;

use crate::{
    queue::nats::{config, jetstream, worker},
    servers::Server,
};

/// A database of several chunks.
fn database(number: u32) -> (NamedTempFile, DatabaseInfo) {
    let mut builder = Builder::new();
    let records: Vec<(String, String)> = (0..3_000)
        .map(|index| {
            let text = format!(
                r#"{{"id": "GHSA-{number}-{index}", "summary": "{}", "modified": "2026-01-0{number}T00:00:00Z",
                "affected": [{{"package": {{"ecosystem": "npm", "name": "package-{index}"}},
                "ranges": [{{"type": "SEMVER", "events": [{{"introduced": "0"}}, {{"fixed": "{index}.0.0"}}]}}]}}]}}"#,
                strata_proto::digest::Digest::of(index.to_string().as_bytes())
            );
            (format!("{index}.json"), text)
        })
        .collect();
    for (name, text) in &records {
        builder.add(name, text.as_bytes());
    }
    let bytes = builder.finish().expect("sound advisories").bytes;
    let view = Database::open(&bytes).expect("a database");
    let info = DatabaseInfo { digest: view.digest(), modified: view.modified(), size: bytes.len() as u64 };
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(&bytes).expect("written");
    (file, info)
}

fn library(path: &Path, worker: strata_worker::queue::nats::NatsWorker) -> Library {
    Library::new(LibraryConfig::new(path.to_owned()), None, Arc::new(worker))
}

async fn chunks(server: &Server) -> usize {
    let stream =
        jetstream(server).await.get_stream(format!("OBJ_{}", subject::DATABASES)).await.expect("a store");
    let subjects =
        stream.info_with_subjects(format!("$O.{}.C.>", subject::DATABASES)).await.expect("subjects");
    subjects.count().await
}

#[tokio::test]
async fn a_database_is_published_fetched_replaced_and_dropped() {
    let Some(mut server) = Server::nats(&[]) else { return };
    let queue = NatsQueue::connect(config(&server)).await.expect("connect");
    let databases = queue.databases().await.expect("a store");
    assert_eq!(databases.current().await.expect("asked"), None);
    let ((one, first), (two, second)) = (database(1), database(2));
    assert!(first.size > 300_000, "several chunks: {}", first.size);
    let publish =
        async |databases: &strata_coordinator::databases::nats::NatsDatabases, file: &NamedTempFile, info| {
            databases.publish(info, file.reopen().expect("opened")).await
        };
    publish(&databases, &one, &first).await.expect("published");
    let spool = tempfile::tempdir().expect("a directory");
    let worker_ = worker(&server).await;
    let library = library(spool.path(), worker_.clone());
    let fetched = library.database(&first.digest).await.expect("no failure").expect("it is published");
    assert_eq!((fetched.digest(), fetched.size()), (first.digest.as_str(), first.size));
    assert!(fetched.view().expect("sound").lookup("npm", "package-2999").expect("sound").is_some());
    assert_eq!(std::fs::read_dir(spool.path()).expect("read").count(), 0, "no file has a name");

    publish(&databases, &two, &second).await.expect("published");
    publish(&databases, &two, &second).await.expect("the same again changes nothing");
    assert_eq!(databases.current().await.expect("asked").as_ref(), Some(&second));
    let mut kept = databases.kept().await.expect("listed");
    kept.sort();
    let mut both = vec![first.digest.clone(), second.digest.clone()];
    both.sort();
    assert_eq!(kept, both, "the older one stays until it is dropped");

    // A coordinator that starts anew, after the server did, knows the same.
    drop(queue);
    server.restart();
    let queue = NatsQueue::connect(config(&server)).await.expect("connect");
    let databases = queue.databases().await.expect("a store");
    assert_eq!(databases.current().await.expect("asked").as_ref(), Some(&second));
    databases.remove(&second.digest).await.expect("no failure");
    assert_eq!(databases.kept().await.expect("listed").len(), 2, "the current one is never dropped");
    databases.remove(&first.digest).await.expect("dropped");
    databases.remove(&first.digest).await.expect("gone is gone");
    assert_eq!(databases.kept().await.expect("listed"), vec![second.digest.clone()]);
    assert_eq!(chunks(&server).await, 1, "with all its chunks");
    assert!(library.database(&first.digest).await.expect("no failure").is_some(), "the worker still has it");
    let other = self::library(spool.path(), worker(&server).await);
    assert!(
        other.database(&first.digest).await.expect("no failure").is_none(),
        "another cannot have it any more"
    );
    assert!(other.database(&second.digest).await.expect("no failure").is_some());
}

#[tokio::test]
async fn what_was_sent_in_part_is_swept_up_and_what_changed_is_refused() {
    let Some(server) = Server::nats(&[]) else { return };
    let queue = NatsQueue::connect(config(&server)).await.expect("connect");
    let databases = queue.databases().await.expect("a store");
    let (file, info) = database(1);
    let longer = DatabaseInfo { size: info.size + 1, ..info.clone() };
    let error = databases.publish(&longer, file.reopen().expect("opened")).await.expect_err("it is shorter");
    assert!(error.to_string().contains(&info.digest), "{error}");
    assert_eq!(databases.current().await.expect("asked"), None);
    assert_eq!(chunks(&server).await, 0);
    // As a coordinator leaves it that ends in the middle of sending, and as one has it that is about to go on.
    let client = jetstream(&server).await;
    let part = client.publish(format!("$O.{}.C.left", subject::DATABASES), "part".into()).await;
    part.expect("sent").await.expect("stored");
    assert_eq!(chunks(&server).await, 1);
    let again = queue.databases().await.expect("a store");
    for _ in 0..3 {
        again.tidy().await.expect("looked");
        assert_eq!(chunks(&server).await, 1, "another coordinator may be sending it");
    }
    let later = queue.databases().await.expect("a store").with_grace(Duration::ZERO);
    later.tidy().await.expect("looked");
    assert_eq!(chunks(&server).await, 0, "nobody sends for so long");
    again.publish(&info, file.reopen().expect("opened")).await.expect("published");
    later.tidy().await.expect("looked");
    assert_eq!(chunks(&server).await, 1, "what has a name stays");
    assert_eq!(again.current().await.expect("asked"), Some(info));
}

#[tokio::test]
async fn a_worker_whose_publisher_is_away_says_so() {
    let Some(mut server) = Server::nats(&[]) else { return };
    let queue = NatsQueue::connect(config(&server)).await.expect("connect");
    let worker = worker(&server).await;
    let spool = tempfile::tempdir().expect("a directory");
    let mut settings = LibraryConfig::new(spool.path().to_owned());
    settings.patience = Duration::from_secs(1);
    let library = Library::new(settings, None, Arc::new(worker));
    // No coordinator has made the store yet.
    let error = library.database("sha256:x").await.err().expect("no store is no empty answer");
    assert!(error.later && error.message.contains("sha256:x"), "{error:?}");
    let _databases = queue.databases().await.expect("a store");
    assert!(library.database("sha256:x").await.expect("no failure").is_none());
    server.kill();
    let error = library.database("sha256:x").await.err().expect("a server that is away is no empty answer");
    assert!(error.later && error.code == "database", "{error:?}");
}
