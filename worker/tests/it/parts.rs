//! Layers with tables of contents: in parts they say what they say whole, for fewer bytes; where anything is wrong they are read
//! whole; and nobody gets what was read in parts who did not name the table.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use strata_analysis::model::{Inventory, Problem};
use strata_loadtest::content::{Compression, Tabled};
use strata_proto::v1::{IndexJob, Indexed, LayerTable, SourceOptions};
use strata_worker::{
    advisories::DatabaseFile,
    cache::memory::MemoryCache,
    error::JobError,
    job::{
        Context,
        index::index,
        parts::{InParts, identity},
    },
    ports::{Advisories, Blob, Images, InventoryCache as _, LayerKey, Page, Resolution, Token},
    precedence::Turn,
    spool::DirectorySpool,
    wire,
};

const FORMATS: [Compression; 2] = [Compression::Gzip, Compression::Zstd];

/// How a registry answers a request for a part.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Parts {
    Given,
    Unknown,
    Refused,
    /// The first one, which has the table; no other.
    First,
    /// Too few bytes.
    Short,
    Busy,
}

/// One layer, and what of it was sent.
struct Registry {
    content: Bytes,
    parts: Parts,
    sent: AtomicU64,
    asked: AtomicU64,
}

impl Registry {
    fn send(&self, bytes: Bytes) -> BoxStream<'static, Result<Bytes, JobError>> {
        self.sent.fetch_add(u64::try_from(bytes.len()).expect("a length"), Ordering::Relaxed);
        stream::iter([Ok(bytes)]).boxed()
    }
}

#[async_trait]
impl Images for Registry {
    async fn list(&self, _: &str, _: &str, _: &str, _: &SourceOptions) -> Result<Page, JobError> {
        Err(JobError::never("unsupported", "not asked for"))
    }
    async fn digest(&self, _: &str, _: &SourceOptions) -> Result<Option<String>, JobError> {
        Ok(None)
    }
    async fn resolve(&self, _: &str, _: &str, _: &SourceOptions) -> Result<Resolution, JobError> {
        Err(JobError::never("unsupported", "not asked for"))
    }
    async fn blob(&self, _: &str, _: &str, _: &SourceOptions) -> Result<Blob, JobError> {
        let stream = self.send(self.content.clone());
        Ok(Blob { stream, size: None, digest_is_diff_id: false })
    }
    async fn part(
        &self,
        _: &str,
        _: &str,
        (range, size): (Range<u64>, u64),
        _: &SourceOptions,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, JobError>>>, JobError> {
        assert_eq!(size, self.content.len() as u64, "the manifest tells the size");
        let at = |offset: u64| usize::try_from(offset).expect("an offset");
        let part = self.content.slice(at(range.start)..at(range.end));
        match (self.parts, self.asked.fetch_add(1, Ordering::Relaxed)) {
            (Parts::Given, _) | (Parts::First, 0) => Ok(Some(self.send(part))),
            (Parts::Unknown | Parts::First, _) => Ok(None),
            (Parts::Refused, _) => Err(JobError::never("refused", "no")),
            (Parts::Busy, _) => Err(JobError::later("busy", "not now")),
            (Parts::Short, 0) => Ok(Some(self.send(part))),
            (Parts::Short, _) => Ok(Some(self.send(part.slice(..part.len() - 1)))),
        }
    }
}

struct NoDatabase;

#[async_trait]
impl Advisories for NoDatabase {
    async fn database(&self, _: &str) -> Result<Option<Arc<DatabaseFile>>, JobError> {
        Ok(None)
    }
}

/// A worker with a cache of its own.
struct Worker {
    registry: Arc<Registry>,
    cache: Arc<MemoryCache>,
    context: Context,
}

impl Worker {
    fn new(layer: &Tabled, parts: Parts, in_parts: bool) -> Self {
        let (sent, asked) = (AtomicU64::new(0), AtomicU64::new(0));
        let registry = Arc::new(Registry { content: layer.blob.bytes.clone(), parts, sent, asked });
        let cache = Arc::new(MemoryCache::default());
        let context = Context {
            images: registry.clone(),
            cache: cache.clone(),
            advisories: Arc::new(NoDatabase),
            java_index: None,
            limits: strata_analysis::limits::Limits::default(),
            spool: DirectorySpool::new(std::env::temp_dir()),
            fingerprint: "f".to_owned(),
            name: "worker".to_owned(),
            lease: std::time::Duration::from_secs(600),
            turn: Turn::default(),
            in_parts: in_parts.then(InParts::default),
        };
        Self { registry, cache, context }
    }

    async fn index(&self, job: &IndexJob) -> Result<Indexed, JobError> {
        let token = Token { sequence: 1, executions: 1, owner: "worker".to_owned() };
        index(&self.context, &token, "scan", job).await
    }

    async fn inventory(&self, layer: String) -> Option<Inventory> {
        let key = LayerKey { layer, fingerprint: "f".to_owned() };
        let packed = self.cache.read(&[key]).await.expect("a cache").pop().flatten()?;
        Some(wire::decode(&packed).expect("an inventory"))
    }

    fn sent(&self) -> u64 {
        self.registry.sent.load(Ordering::Relaxed)
    }
}

/// Two packages far apart, and much that nobody reads.
fn layer(format: Compression, left_out: Option<&str>) -> Tabled {
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(2_500_000)
    .collect();
    let package = |name: &str| format!(r#"{{"name":"{name}","version":"1.0.{name}"}}"#);
    let (one, two) = (package("1"), package("2"));
    let files: [(&str, &[u8]); 5] = [
        ("srv/node_modules/one/package.json", one.as_bytes()),
        ("srv/noise", &noise),
        ("srv/node_modules/two/package.json", two.as_bytes()),
        ("srv/more", &noise[..1_000_000]),
        ("etc/.wh.gone", b""),
    ];
    Tabled::of_files(&files, format, left_out).expect("a layer")
}

fn table(layer: &Tabled) -> LayerTable {
    let value = |end: &str| {
        let found = layer.annotations.iter().find(|(key, _)| key.ends_with(end));
        found.map(|(_, value)| value.clone())
    };
    let digest = value("toc.digest").or_else(|| value("checksum")).expect("an annotation");
    LayerTable { digest, position: value("position").unwrap_or_default() }
}

fn job(layer: &Tabled, table: Option<LayerTable>) -> IndexJob {
    IndexJob {
        digest: layer.blob.descriptor.digest.to_string(),
        size: layer.blob.descriptor.size,
        reference: "r.example/a:1".to_owned(),
        table,
        ..IndexJob::default()
    }
}

fn is_note(problem: &Problem) -> bool {
    problem.code == "unverified-layer"
}

fn names(inventory: &Inventory) -> Vec<&str> {
    inventory.files.iter().flat_map(|file| &file.packages).map(|package| &*package.name).collect()
}

#[tokio::test]
async fn parts_say_what_the_whole_says_for_fewer_bytes() {
    for format in FORMATS {
        let layer = layer(format, None);
        let (plain, tabled) = (job(&layer, None), job(&layer, Some(table(&layer))));
        let whole = Worker::new(&layer, Parts::Given, false);
        let indexed = whole.index(&plain).await.unwrap();
        assert_eq!((indexed.bytes, whole.sent()), (plain.size, plain.size));
        let expected = whole.inventory(plain.digest.clone()).await.unwrap();
        assert_eq!(names(&expected), ["1", "2"]);

        let worker = Worker::new(&layer, Parts::Given, true);
        let indexed = worker.index(&tabled).await.unwrap();
        assert!(worker.sent() < plain.size / 10, "{format:?}: {} of {}", worker.sent(), plain.size);
        assert_eq!((indexed.bytes, indexed.packages), (worker.sent(), 2));
        let mut found = worker.inventory(identity(&plain.digest, tabled.table.as_ref())).await.unwrap();
        let notes: Vec<Problem> = found.problems.extract_if(.., |problem| is_note(problem)).collect();
        assert_eq!(notes.len(), 1);
        assert!(notes[0].message.contains("digest and diff_id were not verified"), "{}", notes[0].message);
        // The size of the archive is the one thing that parts do not tell.
        assert_eq!(found, Inventory { bytes: 0, ..expected.clone() }, "{format:?}");

        // Who does not name the table gets nothing of it: the same blob is read whole.
        assert_eq!(worker.inventory(plain.digest.clone()).await, None);
        let indexed = worker.index(&plain).await.unwrap();
        assert!(indexed.analysed && indexed.bytes == plain.size, "{indexed:?}");
        assert_eq!(worker.inventory(plain.digest.clone()).await.unwrap(), expected);
        // Nor who names another one, which the layer does not have.
        let other = job(&layer, Some(LayerTable { digest: plain.digest.clone(), ..table(&layer) }));
        assert!(worker.index(&other).await.unwrap().analysed);
        let read = worker.inventory(identity(&plain.digest, other.table.as_ref())).await.unwrap();
        assert_eq!(read, expected);
    }
}

#[tokio::test]
async fn where_there_are_no_parts_the_whole_is_read() {
    for format in FORMATS {
        let layer = layer(format, None);
        let tabled = job(&layer, Some(table(&layer)));
        for parts in [Parts::Unknown, Parts::Refused, Parts::First, Parts::Short] {
            let worker = Worker::new(&layer, parts, true);
            let indexed = worker.index(&tabled).await.unwrap();
            assert_eq!((indexed.bytes, indexed.packages), (tabled.size, 2), "{format:?} {parts:?}");
            let found = worker.inventory(identity(&tabled.digest, tabled.table.as_ref())).await.unwrap();
            assert!(found.bytes > 0 && !found.problems.iter().any(is_note), "{:?}", found.problems);
        }
        // A registry that wants to be left alone is not asked for more.
        let error = Worker::new(&layer, Parts::Busy, true).index(&tabled).await.unwrap_err();
        assert_eq!((error.code, error.later), ("busy", true));
        // A worker that reads layers whole does so, whoever resolved the image.
        let worker = Worker::new(&layer, Parts::Given, false);
        assert_eq!(worker.index(&tabled).await.unwrap().bytes, tabled.size);
        assert_eq!(worker.registry.asked.load(Ordering::Relaxed), 0);
        assert!(worker.inventory(identity(&tabled.digest, tabled.table.as_ref())).await.is_some());
    }
}

#[tokio::test]
async fn a_table_that_is_not_the_manifests_hides_nothing() {
    let hidden = "srv/node_modules/two/package.json";
    for format in FORMATS {
        let (honest, lying) = (layer(format, None), layer(format, Some(hidden)));
        // The layer was exchanged for one whose table leaves a package out; the manifest names the honest table.
        let tampered = IndexJob { table: Some(table(&honest)), ..job(&lying, None) };
        let worker = Worker::new(&lying, Parts::Given, true);
        worker.index(&tampered).await.unwrap();
        let found = worker.inventory(identity(&tampered.digest, tampered.table.as_ref())).await.unwrap();
        assert_eq!(names(&found), ["1", "2"], "{format:?}");
        assert!(!found.problems.iter().any(is_note));
        // Pieces that are not as the table says.
        let mut damaged = honest.clone();
        let mut bytes = damaged.blob.bytes.to_vec();
        let position = bytes.len() - 1_000_000;
        let other = layer(format, None);
        let job = job(&other, Some(table(&other)));
        bytes[position] ^= 0xff;
        damaged.blob.bytes = bytes.into();
        // What is not read cannot be seen: here parts say nothing of the layer's digest, and the report does.
        let worker = Worker::new(&damaged, Parts::Given, true);
        worker.index(&job).await.unwrap();
        let found = worker.inventory(identity(&job.digest, job.table.as_ref())).await.unwrap();
        assert!(found.problems.iter().any(is_note));
        // But a piece that is read is: the whole is asked for then, and its digest is wrong too.
        let mut bytes = honest.blob.bytes.to_vec();
        let first_piece = 600.min(bytes.len());
        for byte in &mut bytes[50..first_piece] {
            *byte = !*byte;
        }
        damaged.blob.bytes = bytes.into();
        let error = Worker::new(&damaged, Parts::Given, true).index(&job).await.unwrap_err();
        assert_eq!(error.code, "digest-mismatch", "{}", error.message);
    }
}
