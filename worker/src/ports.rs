//! What the worker needs from outside, each with at least two implementations: JetStream and channels, Redis, a
//! directory and memory, registries and archives. Jobs use these ports and never an adapter.

use std::{io, ops::Range, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use strata_analysis::model::Inventory;
pub use strata_proto::port::PortError;
use strata_proto::{
    reference::Reference,
    trace::TraceHeaders,
    v1::{ImageFacts, Indexed, Job, Lane, Outcome, SourceOptions},
};

use crate::error::JobError;

/// Where jobs come from.
#[async_trait]
pub trait JobSource: Send + Sync {
    /// Waits up to a few seconds for jobs of a lane and takes at most `max`; an empty answer is no error.
    /// Takes no more than it is asked for, so that no job waits in a worker that has no room.
    async fn pull(&self, lane: Lane, max: usize) -> Result<Vec<Delivery>, PortError>;
}

/// A job that this worker holds until it settles it.
pub struct Delivery {
    /// What to do.
    pub job: Job,
    /// The asker's trace context.
    pub trace: TraceHeaders,
    /// How often the job was handed to a worker, this time included. A redelivery means that a worker died with it.
    pub executions: u64,
    /// Number of the message in its queue: with `executions` it makes a fencing token that only grows.
    pub sequence: u64,
    /// The queue's side of it.
    pub handle: Box<dyn DeliveryHandle>,
}

/// The queue's side of a delivery.
#[async_trait]
pub trait DeliveryHandle: Send + Sync {
    /// Still working: the queue must not hand the job to another worker. To be called at least every [`EXTEND_EVERY`].
    async fn extend(&self) -> Result<(), PortError>;
    /// The job is settled and its outcome published: remove it from the queue. Confirmed by the queue.
    async fn done(&self) -> Result<(), PortError>;
    /// Not done here (shutdown): hand it to another worker after the delay.
    async fn release(&self, delay: Duration) -> Result<(), PortError>;
    /// Keep a copy among the dead letters, with the reason; the caller calls `done` after.
    async fn bury(&self, job: &Job, reason: &str) -> Result<(), PortError>;
    /// Ends when the coordinator has withdrawn the job: nobody wants it any more. Never ends otherwise.
    async fn withdrawn(&self);
}

/// How often a running job is extended.
pub const EXTEND_EVERY: Duration = Duration::from_secs(8);

/// Where outcomes go.
#[async_trait]
pub trait OutcomeSink: Send + Sync {
    /// Publishes an outcome durably; it may arrive twice, never zero times once this returned.
    async fn publish(&self, outcome: &Outcome, trace: &TraceHeaders) -> Result<(), PortError>;
}

/// The name of one inventory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LayerKey {
    /// Digest of the layer, `sha256:…`.
    pub layer: String,
    /// Fingerprint of the analysis.
    pub fingerprint: String,
}

/// A fencing token: of two claims on one layer the one with the higher token wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Number of the job's message in its queue.
    pub sequence: u64,
    /// How often that message was delivered.
    pub executions: u64,
    /// Name of the worker.
    pub owner: String,
}

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The layer is this worker's until the lease ends.
    Mine,
    /// Another worker is at it.
    Busy,
    /// The inventory exists already.
    Done,
}

/// What is known of a job that comes again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Past {
    /// Its executions that began and did not end, the first included.
    pub executions: u64,
    /// Workers that started lately, less those that ended in good order.
    pub starts: u64,
}

/// Inventories (compressed, opaque here), image facts and parcels, shared by all workers. Everything in it can be made again.
#[async_trait]
pub trait InventoryCache: Send + Sync {
    /// Which of the inventories exist. In the order of the keys.
    async fn contains(&self, keys: &[LayerKey]) -> Result<Vec<bool>, PortError>;
    /// Reads inventories, and renews the time to live of those it finds. In the order of the keys.
    async fn read(&self, keys: &[LayerKey]) -> Result<Vec<Option<Bytes>>, PortError>;
    /// Claims the analysis of a layer for the length of the lease. Only a redelivery of the same message may take over a lease that has not ended.
    async fn claim(&self, key: &LayerKey, token: &Token, lease: Duration) -> Result<Claim, PortError>;
    /// Renews a lease; false when it is no longer this worker's.
    async fn renew(&self, key: &LayerKey, token: &Token, lease: Duration) -> Result<bool, PortError>;
    /// Stores an inventory and ends the lease if it is still this worker's.
    async fn finish(&self, key: &LayerKey, token: &Token, inventory: Bytes) -> Result<(), PortError>;
    /// Ends a lease without a result.
    async fn abandon(&self, key: &LayerKey, token: &Token) -> Result<(), PortError>;
    /// Remembers what an analysis for a scan came to, while its outcome may be lost on its way.
    async fn note_made(&self, scan: &str, key: &LayerKey, indexed: &Indexed) -> Result<(), PortError> {
        let _ = (scan, key, indexed);
        Ok(())
    }
    /// What an analysis for this scan came to; `None` where none was made, or that is not known any more.
    async fn made(&self, scan: &str, key: &LayerKey) -> Result<Option<Indexed>, PortError> {
        let _ = (scan, key);
        Ok(None)
    }
    /// Counts the start of a worker.
    async fn started(&self) -> Result<(), PortError> {
        Ok(())
    }
    /// Takes back that a start was counted: this worker ends in good order.
    async fn stopped(&self) -> Result<(), PortError> {
        Ok(())
    }
    /// What is known of a job that was handed out before. Without a cache that outlives a worker, deliveries are.
    async fn past(&self, job: &str, token: &Token) -> Result<Past, PortError> {
        let _ = job;
        Ok(Past { executions: token.executions.saturating_sub(1), starts: 0 })
    }
    /// Counts an execution of a job that was handed out before.
    async fn begin(&self, job: &str, token: &Token) -> Result<(), PortError> {
        let _ = (job, token);
        Ok(())
    }
    /// Forgets the executions of a job: it has an outcome.
    async fn end(&self, job: &str, token: &Token) -> Result<(), PortError> {
        let _ = (job, token);
        Ok(())
    }
    /// Takes back that an execution was counted: the job was handed back at a shutdown.
    async fn hand_back(&self, job: &str, token: &Token) -> Result<(), PortError> {
        let _ = (job, token);
        Ok(())
    }
    /// What is known about an image: by digest (of a manifest or an index) and platform.
    async fn image(&self, digest: &str, platform: &str) -> Result<Option<ImageFacts>, PortError>;
    /// The same for several images at once, in their order. What is known lives on as if it were new.
    async fn images(&self, keys: &[(&str, &str)]) -> Result<Vec<Option<ImageFacts>>, PortError> {
        let mut found = Vec::with_capacity(keys.len());
        for (digest, platform) in keys {
            found.push(self.image(digest, platform).await?);
        }
        Ok(found)
    }
    /// Keeps what was learned about an image.
    async fn keep_image(&self, digest: &str, platform: &str, facts: &ImageFacts) -> Result<(), PortError>;
    /// Puts a report down for the coordinator, for at most an hour.
    async fn put_parcel(&self, name: &str, parcel: Bytes) -> Result<(), PortError>;
    /// The same of several reports; on an error some of them may be there.
    async fn put_parcels(&self, parcels: &[(&str, Bytes)]) -> Result<(), PortError> {
        for (name, parcel) in parcels {
            self.put_parcel(name, parcel.clone()).await?;
        }
        Ok(())
    }
}

/// A layer as it is stored, with what is known of it.
pub struct Blob {
    /// The bytes. The reader of it checks the digest; a stream that fails half-way yields an error item.
    pub stream: BoxStream<'static, Result<Bytes, JobError>>,
    /// Stored size, where the source knows it.
    pub size: Option<u64>,
    /// Whether the layer's digest is that of the uncompressed tar (docker-archives) rather than of the stored bytes.
    pub digest_is_diff_id: bool,
}

/// A layer that its source analysed itself, because it has no bytes: a directory's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// What is in it, by the limits that the source was given: those of the jobs.
    pub inventory: Inventory,
    /// Bytes that were read for it.
    pub read: u64,
}

/// One page of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Repositories or tags.
    pub names: Vec<String>,
    /// What each tag names, parallel to `names`, where the listing tells; empty where it does not.
    pub digests: Vec<String>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<String>,
}

/// What a reference is.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most references are images")]
pub enum Resolution {
    /// An image of the wanted platform.
    Image(ImageFacts),
    /// Not an image: `signature`, `attestation`, `helm-chart`, `artifact`, `referrers-index`.
    Other(&'static str),
}

/// Images: registries and archives. A source never writes a file by a name that its input chose.
#[async_trait]
pub trait Images: Send + Sync {
    /// One page of a registry's catalog (`repository` is empty) or of a repository's tags.
    async fn list(
        &self,
        host: &str,
        repository: &str,
        cursor: &str,
        options: &SourceOptions,
    ) -> Result<Page, JobError>;
    /// The digest that a reference names now, by one HEAD request; `None` where the source cannot tell without reading.
    async fn digest(&self, reference: &str, options: &SourceOptions) -> Result<Option<String>, JobError>;
    /// Reads manifest, platform choice and configuration.
    async fn resolve(
        &self,
        reference: &str,
        platform: &str,
        options: &SourceOptions,
    ) -> Result<Resolution, JobError>;
    /// The platforms of the index that a reference names, in its order; empty where it names none.
    async fn platforms(&self, _reference: &str, _options: &SourceOptions) -> Result<Vec<String>, JobError> {
        Ok(Vec::new())
    }
    /// Opens a layer of an image that `reference` names.
    async fn blob(&self, reference: &str, digest: &str, options: &SourceOptions) -> Result<Blob, JobError>;
    /// What a layer of an image that `reference` names came to, where the source has analysed it. The layer's digest is the
    /// inventory's then (`wire::digest`). `None` where the layer has bytes: [`Images::blob`] gives them.
    async fn made(&self, _reference: &str, _digest: &str) -> Result<Option<Made>, JobError> {
        Ok(None)
    }
    /// Opens a part of a layer: a range of its stored bytes, and how many it has in all. Exactly these bytes come, or an error item.
    /// `None` where the source gives no parts.
    async fn part(
        &self,
        _reference: &str,
        _digest: &str,
        _part: (Range<u64>, u64),
        _options: &SourceOptions,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, JobError>>>, JobError> {
        Ok(None)
    }
    /// All that may be VEX documents attached to the image whose manifest has that digest, or to an index by which `reference`
    /// leads to it.
    async fn attachments(
        &self,
        reference: &str,
        _digest: &str,
        _options: &SourceOptions,
    ) -> Result<Attached, JobError> {
        let message =
            format!("failed to read what is attached to {reference}: only registries attach documents");
        Err(JobError::never("unsupported", message))
    }
}

/// A document that is attached to an image, perhaps in an envelope. Nothing of it is checked but its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Digest of the manifest that attaches it.
    pub manifest: String,
    /// Digest of its bytes.
    pub digest: String,
    /// Its bytes.
    pub content: Bytes,
}

/// What is attached to an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attached {
    /// What could be read.
    pub documents: Vec<Attachment>,
    /// What could not, each as a sentence that names it.
    pub refused: Vec<String>,
    /// Digests of the indexes by which the reference leads to the image, outermost first: documents may speak of the image by
    /// them.
    pub indexes: Vec<String>,
}

/// A database that jobs hold on to while a newer one may arrive.
#[async_trait]
pub trait Advisories: Send + Sync {
    /// The database of that digest; the newest where `digest` is empty. `None` when there is none.
    async fn database(
        &self,
        digest: &str,
    ) -> Result<Option<std::sync::Arc<crate::advisories::DatabaseFile>>, JobError>;
}

/// A database as its publisher keeps it: nothing of it is checked yet.
pub struct PublishedDatabase {
    /// Bytes, as the publisher says.
    pub size: u64,
    /// The file's content.
    pub content: std::pin::Pin<Box<dyn tokio::io::AsyncRead + Send>>,
}

/// Where the cluster's databases are published.
#[async_trait]
pub trait DatabaseStore: Send + Sync {
    /// Opens the database of that digest; `None` when there is none.
    async fn open(&self, digest: &str) -> Result<Option<PublishedDatabase>, PortError>;
}

/// A reference's own checks, once, for every source.
///
/// # Errors
/// When the text is no reference.
pub fn parse_reference(text: &str) -> Result<Reference, JobError> {
    text.parse::<Reference>().map_err(|error| JobError::never("bad-reference", error.to_string()))
}

/// An I/O error as a job's error: a full disk or a vanished file is worth another try, malformed data is not.
#[must_use]
pub fn io_error(action: &str, error: &io::Error) -> JobError {
    let message = format!("failed to {action}: {error}");
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            JobError::never("unreadable", message)
        }
        _ => JobError::later("io", message),
    }
}
