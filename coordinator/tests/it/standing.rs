//! A new database: only images about which it says something new are assessed again.

use std::sync::Arc;

use futures::StreamExt as _;
use strata_coordinator::{
    archive::sqlite::SqliteArchive, databases::Publisher, drive::CoordinatorConfig, ports::Archive as _,
};
use strata_proto::{
    subject,
    trace::TraceHeaders,
    v1::{Ledger, RegistryTarget, SearchReportsRequest, SubmitRequest, WatchRequest},
};

use crate::{
    databases::Names,
    model::{Model, Running, archive, databases, digest},
};

const REFERENCES: [(&str, &[&str]); 4] = [
    ("r.example/a:1", &["a"]),
    ("r.example/b:1", &["b"]),
    ("r.example/b:2", &["b"]),
    ("r.example/silent:1", &["silent"]),
];

/// Images `a` and `b` ask for keys that they share and keys of their own; `silent` does not tell.
fn model() -> Model {
    let model = Model::new(&REFERENCES);
    {
        let mut state = model.state();
        state.assessor = 7;
        state.asks = [("a", vec![1, 10]), ("b", vec![1, 20])].into();
    }
    model
}

struct Cluster {
    model: Model,
    archive: Arc<SqliteArchive>,
    names: Names,
}

impl Cluster {
    fn publisher(&self) -> Publisher {
        databases(self.names.clone()).outlining(Arc::clone(&self.archive) as _)
    }

    /// Publishes a database and sweeps with a coordinator of its own: which images were assessed, and the ledger.
    async fn sweep(&self, publisher: Publisher, database: &str) -> (Vec<String>, Ledger) {
        self.model.state().assessed.clear();
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), database).expect("written");
        publisher.publish_file(file.path()).await.expect("published");
        let config = CoordinatorConfig::default();
        let running = Running::start_with(&self.model, self.archive.clone(), publisher, config);
        let registry = RegistryTarget { host: "r.example".to_owned(), ..RegistryTarget::default() };
        let request = SubmitRequest { registry: Some(registry), ..SubmitRequest::default() };
        let scan = running.handle.submit(request, TraceHeaders::default()).await.expect("submitted").id;
        let watched = WatchRequest { scan_id: scan.clone(), ..WatchRequest::default() };
        let events = running.handle.watch(watched).await.expect("watched");
        events.for_each(|event| async { drop(event.expect("an event")) }).await;
        let summary = running.handle.scan(&scan).await.expect("a scan").summary.expect("a summary");
        running.stop().await;
        (self.assessed(), summary.ledger.expect("a ledger"))
    }

    fn assessed(&self) -> Vec<String> {
        let images = ["a", "b", "silent"].into_iter();
        let state = self.model.state();
        images.filter(|name| state.assessed.contains(&digest(name))).map(str::to_owned).collect()
    }
}

async fn cluster() -> (tempfile::TempDir, Cluster) {
    let (directory, archive) = archive().await;
    (directory, Cluster { model: model(), archive, names: Names::default() })
}

const COUNTS: fn(&Ledger) -> (u64, u64, u64) =
    |ledger| (ledger.enumerated, ledger.reported, ledger.unchanged);

#[tokio::test]
async fn a_new_database_assesses_what_it_speaks_of_anew() {
    let (_directory, cluster) = cluster().await;
    for (database, assessed, counts) in [
        ("sha256:one 2026-01-01 1=1,10=1,20=1,30=1", &["a", "b", "silent"][..], (4, 4, 0)),
        // A key that nobody asked for.
        ("sha256:two 2026-01-02 1=1,10=1,20=1,30=2", &["silent"], (4, 1, 3)),
        ("sha256:three 2026-01-03 1=1,10=1,20=2,30=2", &["b", "silent"], (4, 3, 1)),
        // One that both asked for is new, another one is gone.
        ("sha256:four 2026-01-04 10=1,20=2,30=2", &["a", "b", "silent"], (4, 4, 0)),
        // As the first one but for the name: `a` and `b` have reports there that say the same.
        ("sha256:five 2026-01-05 1=1,10=1,20=1,30=7", &["silent"], (4, 1, 3)),
        // The same again: by its own name.
        ("sha256:five 2026-01-05 1=1,10=1,20=1,30=7", &[], (4, 0, 4)),
    ] {
        let (found, ledger) = cluster.sweep(cluster.publisher(), database).await;
        assert_eq!(
            (found, COUNTS(&ledger)),
            (assessed.iter().map(ToString::to_string).collect(), counts),
            "{database}"
        );
    }
    let id = |database| subject::report_id(&digest("a"), "linux/amd64", "f", database);
    let first = cluster.archive.report(&id("sha256:one")).await.expect("read");
    let copy = cluster.archive.report(&id("sha256:two")).await.expect("read");
    let (first, copy) = (first.expect("there"), copy.expect("there"));
    assert_eq!((&*copy.database_digest, &*copy.database_modified), ("sha256:two", "2026-01-02"));
    let renamed = strata_proto::v1::Report {
        database_digest: copy.database_digest.clone(),
        database_modified: copy.database_modified.clone(),
        ..first
    };
    assert_eq!(copy, renamed);
    let ids = ["sha256:one", "sha256:two", "sha256:three"].map(id);
    let mut known = cluster.archive.known_reports(&ids).await.expect("looked");
    known.sort_by(|a, b| a.database_digest.cmp(&b.database_digest));
    let [one, three, two] = &known[..] else { panic!("{known:?}") };
    assert_eq!((one.assessed_unix_ms, two.assessed_unix_ms), (0, one.created_unix_ms));
    assert_eq!(three.assessed_unix_ms, one.created_unix_ms, "a copy of a copy is as old as the first");
    let query =
        SearchReportsRequest { reference: "r.example/a:1".to_owned(), limit: 20, ..Default::default() };
    assert_eq!(cluster.archive.search(&query, &Default::default()).await.expect("searched").len(), 5);
}

#[tokio::test]
async fn what_cannot_be_compared_is_assessed() {
    let one = "sha256:one 2026-01-01 1=1,10=1,20=1";
    let two = "sha256:two 2026-01-02 1=1,10=1,20=1";
    let all = vec!["a".to_owned(), "b".to_owned(), "silent".to_owned()];
    // Another *assess* than the one that made the reports.
    let (_directory, cluster) = self::cluster().await;
    cluster.sweep(cluster.publisher(), one).await;
    cluster.model.state().assessor = 8;
    assert_eq!(cluster.sweep(cluster.publisher(), two).await.0, all);
    // Databases without outlines.
    let (_directory, cluster) = self::cluster().await;
    cluster.sweep(databases(cluster.names.clone()), one).await;
    assert_eq!(cluster.sweep(cluster.publisher(), two).await.0, all);
    let (_directory, cluster) = self::cluster().await;
    cluster.sweep(cluster.publisher(), one).await;
    assert_eq!(cluster.sweep(databases(cluster.names.clone()), two).await.0, all);
    // An outline that is damaged.
    let (_directory, cluster) = self::cluster().await;
    cluster.sweep(cluster.publisher(), one).await;
    use strata_coordinator::ports::{Outlined, Outlines as _};
    let of = Outlined { digest: "sha256:one".to_owned(), modified: String::new(), scheme: 1 };
    cluster.archive.put_outline(&of, b"not an outline", 0).await.expect("kept");
    assert_eq!(cluster.sweep(cluster.publisher(), two).await.0, all);
}
