//! A worker's index job in this process, on layers that come in chunks as from a connection.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use strata_proto::v1::{IndexJob, Indexed, SourceOptions};
use strata_worker::{
    advisories::DatabaseFile,
    cache::memory::MemoryCache,
    error::JobError,
    job::{Context, index::index},
    ports::{Advisories, Blob, Images, Page, Resolution, Token},
    precedence::Turn,
    spool::DirectorySpool,
};

/// A layer's bytes, as often as they are asked for.
pub(crate) type Open = Arc<dyn Fn() -> BoxStream<'static, Result<Bytes, JobError>> + Send + Sync>;

/// Layers by digest.
pub(crate) struct Layers(pub(crate) HashMap<String, Open>);

#[async_trait]
impl Images for Layers {
    async fn list(&self, _: &str, _: &str, _: &str, _: &SourceOptions) -> Result<Page, JobError> {
        Err(JobError::never("unsupported", "layers only"))
    }

    async fn digest(&self, _: &str, _: &SourceOptions) -> Result<Option<String>, JobError> {
        Err(JobError::never("unsupported", "layers only"))
    }

    async fn resolve(&self, _: &str, _: &str, _: &SourceOptions) -> Result<Resolution, JobError> {
        Err(JobError::never("unsupported", "layers only"))
    }

    async fn blob(&self, _: &str, digest: &str, _: &SourceOptions) -> Result<Blob, JobError> {
        let open = self.0.get(digest).ok_or_else(|| JobError::never("missing", "no such layer"))?;
        Ok(Blob { stream: open(), size: None, digest_is_diff_id: false })
    }
}

struct NoDatabase;

#[async_trait]
impl Advisories for NoDatabase {
    async fn database(&self, _: &str) -> Result<Option<Arc<DatabaseFile>>, JobError> {
        Ok(None)
    }
}

/// What a worker has that knows nothing yet.
pub(crate) fn context(layers: &Arc<Layers>) -> Context {
    Context {
        images: layers.clone(),
        cache: Arc::new(MemoryCache::new()),
        advisories: Arc::new(NoDatabase),
        java_index: None,
        limits: strata_analysis::limits::Limits::default(),
        spool: DirectorySpool::new(std::env::temp_dir()),
        fingerprint: strata_analysis::fingerprint::fingerprint(),
        name: "bench".to_owned(),
        lease: Duration::from_secs(600),
        turn: Turn::default(),
        in_parts: None,
    }
}

/// Carries the job of one layer out.
pub(crate) async fn run(context: &Context, digest: &str) -> Indexed {
    let token = Token { sequence: 1, executions: 1, owner: "bench".to_owned() };
    let job =
        IndexJob { digest: digest.to_owned(), reference: "r.example/a:1".to_owned(), ..IndexJob::default() };
    let indexed = index(context, &token, "bench", &job).await.unwrap();
    assert!(indexed.analysed, "a cold index reads its layer");
    indexed
}
