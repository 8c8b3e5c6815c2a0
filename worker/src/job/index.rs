//! *index*: a layer → its inventory in the cache. Claimed by digest, so that two workers never analyse one layer at once.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
    vec,
};

use bytes::{Buf as _, Bytes};
use futures::{
    FutureExt as _, StreamExt as _,
    stream::{BoxStream, Fuse},
};
use sha2::{Digest as _, Sha256};
use strata_analysis::{
    bill,
    layer::{self, LayerError},
    limits::Limits,
    model::Inventory,
};
use strata_proto::{
    digest::Digest,
    v1::{IndexJob, Indexed},
};
use tokio::sync::mpsc;

use crate::{
    compute,
    error::JobError,
    job::{Context, patiently},
    measure,
    ports::{Blob, Claim, LayerKey, Made, Token},
    spool::DirectorySpool,
    wire,
};

mod parts;

/// Batches between the socket and the decoder: enough to hide a round trip, few enough to bound memory.
const BATCHES: usize = 4;
/// Bytes from which on a batch is handed over: each hand-over may wake a thread, which costs as much as decompressing
/// some kilobytes.
const BATCH: usize = 256 << 10;
/// Rows of an inventory up to which it is compressed where it is: some kilobytes.
const SMALL: usize = 64;
/// How often a layer that another worker has claimed is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Analyses a layer for a scan unless its inventory exists, and stores it. An analysis that was made for the same scan, and
/// whose outcome never came, is told again: it was one.
///
/// # Errors
/// When the layer cannot be had, is not what its digest says, or cannot be read to its end.
pub async fn index(
    context: &Context,
    token: &Token,
    scan: &str,
    job: &IndexJob,
) -> Result<Indexed, JobError> {
    let key = key(context, job);
    loop {
        match patiently(|| context.cache.claim(&key, token, context.lease)).await? {
            Claim::Done => {
                measure::layer_reused();
                return Ok(made(context, scan, &key).await.unwrap_or_default());
            }
            Claim::Mine => break,
            Claim::Busy => {
                measure::claim_conflict();
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
    let result = tokio::select! {
        result = verified_twice(context, job) => result,
        () = keep_lease(context, &key, token) => {
            return Err(JobError::later("lease", format!("failed to analyse layer {}: its lease was lost", job.digest)));
        }
    };
    match result {
        Ok((inventory, indexed)) => {
            let packed = Bytes::from(encoded(context, job, inventory).await?);
            // Before the inventory is there: whoever finds that finds this.
            if let Err(error) = context.cache.note_made(scan, &key, &indexed).await {
                tracing::debug!(%error, layer = job.digest, "if the outcome is lost the layer counts as reused");
            }
            patiently(|| context.cache.finish(&key, token, packed.clone())).await?;
            measure::layer_analysed(indexed.bytes);
            Ok(indexed)
        }
        Err(error) => {
            // A lease that stays behind only costs its length.
            if let Err(error) = context.cache.abandon(&key, token).await {
                tracing::warn!(%error, layer = job.digest, "the lease stays until it ends");
            }
            Err(error)
        }
    }
}

/// By what the layer's inventory is known.
pub(crate) fn key(context: &Context, job: &IndexJob) -> LayerKey {
    let layer = super::parts::identity(&job.digest, job.table.as_ref());
    LayerKey { layer, fingerprint: context.fingerprint.clone() }
}

/// The inventory as the cache keeps it. A small one is done before another thread would have begun.
async fn encoded(context: &Context, job: &IndexJob, inventory: Inventory) -> Result<Vec<u8>, JobError> {
    let rows = inventory.files.iter().map(|file| 1 + file.packages.len()).sum::<usize>()
        + inventory.others.len()
        + inventory.links.len()
        + inventory.whiteouts.len();
    if rows <= SMALL {
        return wire::encode(&inventory);
    }
    context.compute(&job.digest, move || wire::encode(&inventory)).await?
}

/// What an analysis for this scan came to. It is wanted for a count only.
async fn made(context: &Context, scan: &str, key: &LayerKey) -> Option<Indexed> {
    context.cache.made(scan, key).await.unwrap_or_else(|error| {
        tracing::debug!(%error, layer = key.layer, "a layer counts as reused, whoever analysed it");
        None
    })
}

/// Ends the lease of an analysis that was dropped half-way, so that another worker need not wait for its end.
pub async fn let_go(context: &Context, token: &Token, job: &IndexJob) {
    let key = key(context, job);
    if let Err(error) = context.cache.abandon(&key, token).await {
        tracing::warn!(%error, layer = job.digest, "the lease stays until it ends");
    }
}

/// Renews the lease until it is lost.
async fn keep_lease(context: &Context, key: &LayerKey, token: &Token) {
    loop {
        tokio::time::sleep(context.lease / 3).await;
        match context.cache.renew(key, token, context.lease).await {
            Ok(true) => {}
            Ok(false) => return,
            // The cache is away: the lease is an optimisation, the work goes on.
            Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
        }
    }
}

/// Bytes may be damaged on their way: what is not as its digest says is read once more before it is refused for good.
async fn verified_twice(context: &Context, job: &IndexJob) -> Result<(Inventory, Indexed), JobError> {
    if let Some(Made { inventory, read }) = context.images.made(&job.reference, &job.digest).await? {
        let indexed = indexed(&inventory, read);
        return Ok((inventory, indexed));
    }
    if let Some(read) = parts::read(context, job).await? {
        return Ok(read);
    }
    match analyse(context, job).await {
        Err(error) if error.code == "digest-mismatch" => {
            tracing::warn!(layer = job.digest, "{}; it is read once more", error.message);
            analyse(context, job).await
        }
        result => result,
    }
}

async fn analyse(context: &Context, job: &IndexJob) -> Result<(Inventory, Indexed), JobError> {
    let options = job.options.unwrap_or_default();
    let Blob { stream, digest_is_diff_id, .. } =
        context.images.blob(&job.reference, &job.digest, &options).await?;
    let mut stream = stream.fuse();
    let (sender, receiver) = mpsc::channel(BATCHES);
    let bytes = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&bytes);
    // The digest of what is stored is made here, beside the thread that decompresses: one layer alone uses two cores.
    let feed = async move {
        let mut hasher = (!digest_is_diff_id).then(Sha256::new);
        while let Some(first) = stream.next().await {
            let batch = batch(first, &mut stream);
            context.turn.pause().await;
            let mut length = 0;
            for chunk in batch.iter().flatten() {
                length += chunk.len();
                if let Some(hasher) = &mut hasher {
                    hasher.update(chunk);
                }
            }
            counter.fetch_add(u64::try_from(length).unwrap_or(0), Ordering::Relaxed);
            if sender.send(batch).await.is_err() {
                // Whoever reads gave up: the digest of a part says nothing.
                return None;
            }
        }
        hasher
    };
    let bill = [bill::CYCLONEDX, bill::SPDX].contains(&job.media_type.as_str());
    let (limits, spool, digest) = (context.limits.clone(), context.spool.clone(), job.digest.clone());
    let work = compute::block(&job.digest, move || {
        read_layer(receiver, &digest, digest_is_diff_id, &Bounds { limits, spool, bill })
    });
    let (hasher, read) = tokio::join!(feed, work);
    let read = read??;
    if let Some(hasher) = hasher.or(read.hasher) {
        verify(&job.digest, hasher)?;
    } else if read.analysed.is_ok() {
        let message = format!("failed to verify layer {}: it was not read to its end", job.digest);
        return Err(JobError::never("limit", message));
    }
    let inventory = read.analysed.map_err(|error| layer_error(&job.digest, error))?;
    let indexed = indexed(&inventory, bytes.load(Ordering::Relaxed));
    Ok((inventory, indexed))
}

/// What an analysis that read so many bytes came to.
fn indexed(inventory: &Inventory, bytes: u64) -> Indexed {
    let packages = inventory.files.iter().map(|file| file.packages.len()).sum::<usize>();
    Indexed { analysed: true, bytes, packages: u64::try_from(packages).unwrap_or(u64::MAX) }
}

/// What came, or why no more comes.
type Chunk = Result<Bytes, JobError>;

/// This chunk and those that are there already, up to [`BATCH`] bytes and the last chunk.
fn batch(first: Chunk, stream: &mut Fuse<BoxStream<'static, Chunk>>) -> Vec<Chunk> {
    let mut length = 0;
    let mut batch = Vec::new();
    let mut next = Some(first);
    while let Some(chunk) = next {
        length += chunk.as_ref().map_or(BATCH, Bytes::len);
        batch.push(chunk);
        // What is not there yet, and the stream's end, are met again by whoever waits for it.
        next = if length < BATCH { stream.next().now_or_never().flatten() } else { None };
    }
    batch
}

struct Bounds {
    limits: Limits,
    spool: DirectorySpool,
    /// Whether the bytes are a bill of materials rather than a tar.
    bill: bool,
}

/// A layer that was read as far as it goes.
struct Readout {
    analysed: Result<Inventory, LayerError>,
    /// Over the bytes that were read, where the digest is of these.
    hasher: Option<Sha256>,
}

/// Analyses in one pass. What the digest covers is read to its end, whatever the analysis needed of it.
///
/// # Errors
/// When the bytes do not come.
fn read_layer(
    receiver: mpsc::Receiver<Vec<Chunk>>,
    digest: &str,
    digest_is_diff_id: bool,
    bounds: &Bounds,
) -> Result<Readout, JobError> {
    let stored = ChunkReader { receiver, batch: Vec::new().into_iter(), chunk: Bytes::new() };
    if !digest_is_diff_id {
        let analysed = to_its_end(stored, digest, bounds)?;
        return Ok(Readout { analysed, hasher: None });
    }
    let plain = plain_tar(stored).map_err(|error| read_error(digest, &error))?;
    let mut reader = Hashing { reader: plain, hasher: Sha256::new() };
    let analysed = to_its_end(&mut reader, digest, bounds)?;
    Ok(Readout { analysed, hasher: Some(reader.hasher) })
}

fn to_its_end(
    mut reader: impl Read,
    digest: &str,
    bounds: &Bounds,
) -> Result<Result<Inventory, LayerError>, JobError> {
    let analysed = match bounds.bill {
        true => bill::index(&mut reader, &bounds.limits),
        false => layer::index_with(&mut reader, &bounds.limits, &bounds.spool),
    };
    if let Err(LayerError::Read(error)) = &analysed {
        return Err(read_error(digest, error));
    }
    let rest = io::copy(&mut (&mut reader).take(bounds.limits.layer_bytes), &mut io::sink());
    rest.map_err(|error| read_error(digest, &error))?;
    Ok(analysed)
}

fn verify(digest: &str, hasher: Sha256) -> Result<(), JobError> {
    let found = Digest::from_bytes(hasher.finalize().into()).to_string();
    if found == digest {
        return Ok(());
    }
    let message = format!("failed to verify layer {digest}: its bytes have the digest {found}");
    Err(JobError::never("digest-mismatch", message))
}

fn layer_error(digest: &str, error: LayerError) -> JobError {
    match error {
        LayerError::Read(error) => read_error(digest, &error),
        LayerError::Malformed(reason) => {
            JobError::never("malformed", format!("failed to read layer {digest}: {reason}"))
        }
        LayerError::Limit(reason) => {
            JobError::never("limit", format!("failed to read layer {digest}: {reason}"))
        }
    }
}

/// The tar inside: docker-archives name a layer by its uncompressed digest and may store it compressed.
fn plain_tar(stored: ChunkReader) -> io::Result<Box<dyn Read>> {
    let mut stored = io::BufReader::with_capacity(256 << 10, stored);
    let head = io::BufRead::fill_buf(&mut stored)?;
    Ok(match head {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(stored)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(stored)?),
        _ => Box::new(stored),
    })
}

fn read_error(digest: &str, error: &io::Error) -> JobError {
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<JobError>()) {
        return inner.clone();
    }
    JobError::never("malformed", format!("failed to read layer {digest}: {error}"))
}

/// The blocking side of the channel from the socket.
struct ChunkReader {
    receiver: mpsc::Receiver<Vec<Chunk>>,
    batch: vec::IntoIter<Chunk>,
    chunk: Bytes,
}

impl Read for ChunkReader {
    /// As much as there is without waiting for more: decompressors are slow on many small pieces.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(target) = buffer.get_mut(filled..).filter(|target| !target.is_empty()) {
            if self.chunk.is_empty() {
                match self.batch.next() {
                    Some(Ok(chunk)) => self.chunk = chunk,
                    Some(Err(error)) if filled == 0 => return Err(io::Error::other(error)),
                    Some(Err(error)) => {
                        self.batch = vec![Err(error)].into_iter();
                        break;
                    }
                    None if filled > 0 => break,
                    None => match self.receiver.blocking_recv() {
                        Some(batch) => self.batch = batch.into_iter(),
                        None => break,
                    },
                }
                continue;
            }
            let count = self.chunk.len().min(target.len());
            if let Some(target) = target.get_mut(..count) {
                self.chunk.copy_to_slice(target);
            }
            filled += count;
        }
        Ok(filled)
    }
}

struct Hashing<R> {
    reader: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        if let Some(read) = buffer.get(..count) {
            self.hasher.update(read);
        }
        Ok(count)
    }
}
