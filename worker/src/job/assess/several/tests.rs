use std::{io::Write as _, sync::Arc, time::Duration};

use async_trait::async_trait;
use strata_analysis::{
    database::Builder,
    limits::Limits,
    model::{FileFacts, Inventory, Package, Release},
};
use strata_proto::v1::{AssessJob, ImageFacts, Layer, SourceOptions};

use super::*;
use crate::{
    advisories::DatabaseFile,
    cache::memory::MemoryCache,
    job::assess::assess,
    ports::{Advisories, Blob, Images, InventoryCache as _, LayerKey, Page, Resolution, Token},
    precedence::Turn,
    spool::DirectorySpool,
    wire,
};

/// Nothing is fetched.
struct Nothing;

#[async_trait]
impl Images for Nothing {
    async fn list(&self, _: &str, _: &str, _: &str, _: &SourceOptions) -> Result<Page, JobError> {
        Err(JobError::never("unsupported", "not asked for"))
    }
    async fn digest(&self, _: &str, _: &SourceOptions) -> Result<Option<String>, JobError> {
        Err(JobError::never("unsupported", "not asked for"))
    }
    async fn resolve(&self, _: &str, _: &str, _: &SourceOptions) -> Result<Resolution, JobError> {
        Err(JobError::never("unsupported", "not asked for"))
    }
    async fn blob(&self, _: &str, _: &str, _: &SourceOptions) -> Result<Blob, JobError> {
        Err(JobError::never("unsupported", "not asked for"))
    }
}

struct One(Arc<DatabaseFile>);

#[async_trait]
impl Advisories for One {
    async fn database(&self, digest: &str) -> Result<Option<Arc<DatabaseFile>>, JobError> {
        Ok(digest.is_empty().then(|| Arc::clone(&self.0)))
    }
}

/// A flaw in every left-pad before 1.3.
fn advisories() -> Arc<One> {
    let record = br#"{"id": "GHSA-1", "modified": "2026-01-01T00:00:00Z", "affected": [{
        "package": {"ecosystem": "npm", "name": "left-pad"},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.3.0"}]}]}]}"#;
    let mut builder = Builder::new();
    builder.add("test", record);
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&builder.finish().expect("one advisory").bytes).expect("written");
    Arc::new(One(Arc::new(DatabaseFile::of(&file, "test").expect("a database"))))
}

fn context(cache: &Arc<MemoryCache>) -> Context {
    Context {
        images: Arc::new(Nothing),
        cache: cache.clone(),
        advisories: advisories(),
        java_index: None,
        limits: Limits::default(),
        spool: DirectorySpool::new(std::env::temp_dir()),
        fingerprint: "f".to_owned(),
        name: "w".to_owned(),
        lease: Duration::from_secs(600),
        turn: Turn::default(),
        in_parts: None,
    }
}

/// A layer with one package of npm, or with a release file where the version is empty.
fn layer(version: &str) -> Bytes {
    let mut inventory = Inventory::default();
    if version.is_empty() {
        let fields = [("ID", "debian"), ("VERSION_ID", "12")];
        let fields = fields.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        inventory.releases = vec![Release { path: "etc/os-release".to_owned(), fields }];
    } else {
        inventory.files = vec![FileFacts {
            path: format!("app/{version}/package.json"),
            ecosystem: "npm".to_owned(),
            packages: vec![Package {
                name: "left-pad".to_owned(),
                version: version.to_owned(),
                ..Package::default()
            }],
            ..FileFacts::default()
        }];
    }
    wire::encode(&inventory).expect("encoded").into()
}

async fn keep_layer(cache: &MemoryCache, name: &str, inventory: Bytes) {
    let key = LayerKey { layer: name.to_owned(), fingerprint: "f".to_owned() };
    let token = Token { sequence: 1, executions: 1, owner: "w".to_owned() };
    cache.finish(&key, &token, inventory).await.expect("kept");
}

async fn keep_image(cache: &MemoryCache, name: &str, layers: &[&str]) {
    let layer = |digest: &&str| Layer { digest: (*digest).to_owned(), ..Layer::default() };
    let layers = layers.iter().map(layer).collect();
    let facts = ImageFacts { image_digest: name.to_owned(), layers, ..ImageFacts::default() };
    cache.keep_image(name, "p", &facts).await.expect("kept");
}

fn job(image: &str) -> AssessJob {
    AssessJob { image_digest: image.to_owned(), platform: "p".to_owned(), ..AssessJob::default() }
}

/// What came of a job, and what was put down for it.
fn said(cache: &MemoryCache, outcome: Result<Outcome, JobError>) -> Result<(String, Bytes), String> {
    match outcome {
        Ok(Outcome::Assessed(assessed)) => {
            let parcel = cache.shelf().get(&assessed.parcel).expect("a parcel");
            cache.shelf().discard(&assessed.parcel);
            Ok((format!("{assessed:?}"), parcel))
        }
        Ok(Outcome::Missing(missing)) => Err(format!("{missing:?}")),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn each_image_is_answered_as_if_it_were_alone() {
    let cache = Arc::new(MemoryCache::new());
    let context = context(&cache);
    for (name, version) in [("base", ""), ("old", "1.2.0"), ("new", "1.3.0")] {
        keep_layer(&cache, name, layer(version)).await;
    }
    keep_layer(&cache, "damaged", Bytes::from_static(b"\x01damaged")).await;
    for (name, layers) in [
        ("one", &["base", "old"][..]),
        ("damaged", &["base", "damaged"]),
        ("two", &["base", "new"]),
        ("lost", &["base", "never"]),
        ("three", &["base", "new", "old"]),
    ] {
        keep_image(&cache, name, layers).await;
    }
    let other = AssessJob { database_digest: "sha256:other".to_owned(), ..job("two") };
    let names = ["one", "damaged", "two", "lost", "gone", "three", "one"];
    let mut jobs: Vec<AssessJob> = names.map(job).into();
    jobs.push(other);
    let mut alone = Vec::new();
    for job in &jobs {
        alone.push(said(&cache, assess(&context, job).await));
    }
    let findings: Vec<Option<bool>> =
        alone.iter().map(|one| one.as_ref().ok().map(|(said, _)| said.contains("unknown: 1"))).collect();
    let (some, none) = (Some(true), Some(false));
    assert_eq!(findings, [some, None, none, None, None, some, some, None], "{alone:?}");
    // The same image twice has one parcel, which is looked at once here.
    let twice = jobs.remove(6);
    drop(alone.remove(6));
    let together = several(&context, &jobs.iter().collect::<Vec<_>>()).await;
    let together: Vec<_> = together.into_iter().map(|outcome| said(&cache, outcome)).collect();
    assert_eq!(together, alone);
    let twice = several(&context, &[&twice, &twice]).await;
    assert!(twice.iter().all(|one| matches!(one, Ok(Outcome::Assessed(_)))), "{}", twice.len());
    assert!(several(&context, &[]).await.is_empty());
}

#[test]
fn a_turn_is_of_so_many_bytes_that_are_not_shared() {
    let advisories = advisories();
    let work = |layers: &[(&str, usize)]| Work {
        facts: ImageFacts::default(),
        layers: layers.iter().map(|(name, size)| ((*name).to_owned(), vec![0; *size].into())).collect(),
        database: Arc::clone(&advisories.0),
        java: None,
        fingerprint: String::new(),
        attached: None,
    };
    let half = TURN / 2;
    for (images, expected) in [
        (vec![], vec![]),
        (vec![vec![("a", 2 * TURN)]], vec![1]),
        (vec![vec![("base", half)], vec![("base", half), ("a", half)], vec![("base", half)]], vec![3]),
        (vec![vec![("a", half)], vec![("b", half)], vec![("c", 1)], vec![("a", half), ("c", 1)]], vec![2, 2]),
        (vec![vec![("a", TURN)], vec![("b", TURN)], vec![("a", TURN)]], vec![1, 1, 1]),
    ] {
        let works: Vec<_> = images.iter().map(|layers| work(layers)).enumerate().collect();
        let turns = turns(works);
        assert_eq!(turns.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{images:?}");
        let places: Vec<usize> = turns.iter().flatten().map(|(place, _)| *place).collect();
        assert_eq!(places, (0..images.len()).collect::<Vec<_>>());
    }
}
