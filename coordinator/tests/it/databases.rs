//! Scans are pinned to the database that is current when they come, which is kept for them.

use std::{
    collections::BTreeSet,
    fs::File,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use strata_coordinator::{
    drive::CoordinatorConfig,
    handle::CallError,
    ports::{Archive as _, DatabaseInfo, Databases, PortError},
};
use strata_proto::{
    trace::TraceHeaders,
    v1::{ScanState, SubmitRequest},
};
use tokio::sync::Notify;

use crate::model::{Model, Running, archive, databases};

/// Names of databases in memory. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Inner>);

#[derive(Default)]
struct Inner {
    current: Mutex<Option<DatabaseInfo>>,
    kept: Mutex<BTreeSet<String>>,
    looked: Notify,
}

#[async_trait]
impl Databases for Names {
    async fn current(&self) -> Result<Option<DatabaseInfo>, PortError> {
        Ok(self.0.current.lock().expect("no panic").clone())
    }

    async fn publish(&self, info: &DatabaseInfo, _: File) -> Result<(), PortError> {
        self.0.kept.lock().expect("no panic").insert(info.digest.clone());
        *self.0.current.lock().expect("no panic") = Some(info.clone());
        Ok(())
    }

    async fn kept(&self) -> Result<Vec<String>, PortError> {
        self.0.looked.notify_waiters();
        Ok(self.0.kept.lock().expect("no panic").iter().cloned().collect())
    }

    async fn remove(&self, digest: &str) -> Result<(), PortError> {
        self.0.kept.lock().expect("no panic").remove(digest);
        Ok(())
    }
}

impl Names {
    /// Waits for so many looks of the coordinator at what is kept, and returns it.
    async fn after_looks(&self, looks: usize) -> Vec<String> {
        for _ in 0..looks {
            self.0.looked.notified().await;
        }
        self.0.kept.lock().expect("no panic").iter().cloned().collect()
    }
}

fn one(image: &str) -> SubmitRequest {
    SubmitRequest { images: vec![image.to_owned()], ..SubmitRequest::default() }
}

async fn publish(running: &Running, parts: &[&'static str]) -> Result<DatabaseInfo, CallError> {
    let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect();
    running.handle.publish_database(stream::iter(parts)).await
}

async fn submit(running: &Running, image: &str) -> strata_proto::v1::Scan {
    running.handle.submit(one(image), TraceHeaders::default()).await.expect("submitted")
}

#[tokio::test]
async fn a_scan_keeps_the_database_that_it_came_with() {
    let model = Model::new(&[("r.example/a:1", &["base"]), ("r.example/b:1", &["base"])]);
    let (_directory, archive) = archive().await;
    let names = Names::default();
    let config =
        CoordinatorConfig { tidy_databases: Duration::from_millis(20), ..CoordinatorConfig::default() };
    let running = Running::start_with(&model, archive.clone(), databases(names.clone()), config);
    assert_eq!(submit(&running, "r.example/b:1").await.database_digest, "", "workers use what they have");
    // It has ended before anything is held.
    model.until(|state| state.acknowledged.contains(&"assess")).await;

    publish(&running, &["sha256:one", " 2026-01-01"]).await.expect("published");
    model.hold("assess");
    let first = submit(&running, "r.example/a:1").await;
    assert_eq!(first.database_digest, "sha256:one");
    model.until_held(1).await;
    publish(&running, &["sha256:two 2026-02-01"]).await.expect("published");
    publish(&running, &["sha256:three 2026-03-01"]).await.expect("published");
    let second = submit(&running, "r.example/a:1").await;
    assert_eq!(second.database_digest, "sha256:three");
    // The same image for two databases is two reports: neither scan gets the other's.
    model.until_held(2).await;
    assert_eq!(model.databases(), ["sha256:one", "sha256:three"]);
    assert_eq!(archive.pinned().await.expect("asked"), ["sha256:one", "sha256:three"]);
    assert_eq!(names.after_looks(4).await, ["sha256:one", "sha256:three"], "what a scan needs is kept");

    let cancelled = running.handle.cancel(&first.id).await.expect("cancelled");
    assert_eq!((cancelled.state(), cancelled.database_digest.as_str()), (ScanState::Cancelled, "sha256:one"));
    assert_eq!(names.after_looks(4).await, ["sha256:three"], "and dropped when no scan needs it");
    running.stop().await;
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_an_older_file_does_not_come_back() {
    let (_directory, archive) = archive().await;
    let names = Names::default();
    let publisher = databases(names.clone());
    let config = CoordinatorConfig::default();
    let running = Running::start_with(&Model::default(), archive, publisher.clone(), config);
    let long: &'static str = "sha256:long 2026-01-01                                                                       \
        and more than a hundred bytes";
    for (parts, names_it) in
        [(&["nodatabase"][..], "nodatabase"), (&[], "no database"), (&[long], "100 bytes")]
    {
        let error = publish(&running, parts).await.expect_err(names_it);
        assert!(matches!(error, CallError::Invalid(_)), "{error:?}");
        assert!(error.to_string().contains(names_it), "{error}");
    }
    let broken = stream::iter([
        Ok(Bytes::from_static(b"sha256:part 2026-01-01")),
        Err(CallError::Unavailable("the client is gone".to_owned())),
    ]);
    running.handle.publish_database(broken).await.expect_err("half a database");
    assert_eq!(names.current().await.expect("asked"), None, "nothing of it is published");

    publish(&running, &["sha256:new 2026-02-01"]).await.expect("published");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "sha256:old 2026-01-01").expect("written");
    assert_eq!(publisher.publish_unless_older(file.path()).await.expect("read"), None);
    std::fs::write(file.path(), "sha256:newest 2026-03-01").expect("written");
    assert!(publisher.publish_unless_older(file.path()).await.expect("read").is_some());
    assert_eq!(
        names.current().await.expect("asked").map(|info| info.digest).as_deref(),
        Some("sha256:newest")
    );
    let absent = publisher.publish_file(&file.path().with_extension("absent")).await.expect_err("no file");
    assert!(absent.to_string().contains(".absent"), "{absent}");
    running.stop().await;
}
