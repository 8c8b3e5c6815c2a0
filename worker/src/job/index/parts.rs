//! A layer in parts: its table of contents, and then only the files that the analysis wants. Whatever is not as expected is no
//! error: the layer is read whole, which says what is true.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream::BoxStream};
use strata_analysis::{
    layer::table::{self, FOOTER, MOST, Place, Plan, Table, TableError},
    model::{Inventory, Problem},
};
use strata_proto::v1::{IndexJob, Indexed, LayerTable};
use tokio::sync::{SemaphorePermit, mpsc};

use super::{BATCHES, Chunk, ChunkReader, batch, indexed};
use crate::{
    compute,
    error::JobError,
    job::{Context, parts::InParts},
    measure,
};

/// Bytes from the end of an eStargz layer that are asked for first: the footer, and most tables.
const TAIL: u64 = 128 << 10;
/// Parts that are asked for at once, each to be held in memory until its turn.
const AT_ONCE: usize = 4;
/// The longest part of which that is true; longer ones come alone, as a stream.
const SHORT: u64 = 1 << 20;
/// How many times its stored bytes a table may come to: digests hardly get smaller.
const RATIO: u64 = 8;

/// Why a layer is read whole.
enum Whole {
    /// The parts are most of it.
    NotWorth,
    /// It cannot be read in parts here.
    Cannot(String),
    /// Something is not what the manifest, or the table, says.
    Lies(TableError),
    /// The registry wants to be left alone: the job is to wait.
    Wait(JobError),
}

impl From<JobError> for Whole {
    fn from(error: JobError) -> Self {
        match error.code {
            "busy" | "rate-limited" => Self::Wait(error),
            _ => Self::Cannot(error.message),
        }
    }
}

impl From<TableError> for Whole {
    fn from(error: TableError) -> Self {
        // What is malformed here may only be of a kind that is not read.
        match error {
            TableError::Digest | TableError::Content(_) => Self::Lies(error),
            _ => Self::Cannot(words(&error)),
        }
    }
}

/// The layer's inventory by its table; `None` where the whole is to be read.
///
/// # Errors
/// When the registry asks to wait.
pub(super) async fn read(
    context: &Context,
    job: &IndexJob,
) -> Result<Option<(Inventory, Indexed)>, JobError> {
    let (Some(in_parts), Some(table)) = (&context.in_parts, &job.table) else { return Ok(None) };
    let layer = &job.digest;
    match attempt(context, in_parts, job, table).await {
        Ok(read) => {
            measure::layer_in_parts();
            tracing::debug!(layer, bytes = read.1.bytes, of = job.size, "read in parts");
            return Ok(Some(read));
        }
        Err(Whole::NotWorth) => tracing::debug!(layer, "most of the layer is wanted: it is read whole"),
        Err(Whole::Cannot(reason)) => tracing::info!(layer, reason, "the layer is read whole"),
        Err(Whole::Lies(error)) => {
            tracing::warn!(layer, reason = words(&error), "the layer is read whole");
        }
        Err(Whole::Wait(error)) => return Err(error),
    }
    Ok(None)
}

fn words(error: &TableError) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

async fn attempt(
    context: &Context,
    in_parts: &InParts,
    job: &IndexJob,
    table: &LayerTable,
) -> Result<(Inventory, Indexed), Whole> {
    let Opened { table, read, room: _room } = open(context, in_parts, job, table).await?;
    let limits = context.limits.clone();
    let plan = table.plan(job.size, read, &limits, true).ok_or(Whole::NotWorth)?;
    let (sender, receiver) = mpsc::channel(BATCHES);
    let feed = feed(context, job, &plan, sender);
    let (spool, planned) = (context.spool.clone(), plan.clone());
    let work = compute::block(&job.digest, move || {
        let mut reader = ChunkReader { receiver, batch: Vec::new().into_iter(), chunk: Bytes::new() };
        table::index_parts(&table, &planned, &mut reader, &limits, Some(&spool))
    });
    let (fed, found) = tokio::join!(feed, work);
    let mut inventory = match (found?, fed) {
        (Ok(inventory), _) => inventory,
        // Why no more came says more than that it did not.
        (Err(TableError::Read(_)), Err(reason)) => return Err(reason),
        (Err(error), _) => return Err(error.into()),
    };
    let message = "the layer was read in parts, as its table of contents says: its digest and diff_id were not verified";
    inventory.problems.push(Problem {
        code: "unverified-layer".into(),
        message: message.to_owned(),
        file: String::new(),
    });
    inventory.problems.sort();
    let indexed = indexed(&inventory, read.saturating_add(plan.bytes));
    Ok((inventory, indexed))
}

/// A table, and what it cost.
struct Opened<'a> {
    table: Table,
    /// Bytes that were read for it.
    read: u64,
    /// Its room in memory.
    room: Option<SemaphorePermit<'a>>,
}

async fn open<'a>(
    context: &Context,
    in_parts: &'a InParts,
    job: &IndexJob,
    named: &LayerTable,
) -> Result<Opened<'a>, Whole> {
    let place = Place::parse(&named.position, job.size);
    let place = place.ok_or_else(|| Whole::Cannot("its annotation names no place in it".to_owned()))?;
    let (digest, limits) = (named.digest.clone(), context.limits.clone());
    match place {
        Place::Footer => {
            let Stargz { stored, offset, read, room } = with_footer(context, in_parts, job).await?;
            let work = move || Table::of_estargz(&stored, offset, &digest, &limits);
            let table = compute::block(&job.digest, work).await??;
            Ok(Opened { table, read, room })
        }
        Place::At { offset, length, plain } => {
            let room = in_parts.room(length.max(plain)).await;
            let stored = part(context, job, offset..offset.saturating_add(length)).await?;
            let work = move || Table::of_chunked(&stored, offset, plain, &digest, &limits);
            let table = compute::block(&job.digest, work).await??;
            Ok(Opened { table, read: length, room })
        }
    }
}

/// The end of an eStargz layer, from its table on.
struct Stargz<'a> {
    stored: Bytes,
    offset: u64,
    read: u64,
    room: Option<SemaphorePermit<'a>>,
}

async fn with_footer<'a>(
    context: &Context,
    in_parts: &'a InParts,
    job: &IndexJob,
) -> Result<Stargz<'a>, Whole> {
    let nowhere = || Whole::Cannot("its footer names no place in it".to_owned());
    let start = job.size.saturating_sub(TAIL);
    let tail = part(context, job, start..job.size).await?;
    let offset = table::footer(&tail).ok_or_else(|| Whole::Cannot("it has no footer".to_owned()))?;
    let end = job.size.saturating_sub(FOOTER);
    let stored = end.checked_sub(offset).filter(|stored| *stored > 0).ok_or_else(nowhere)?;
    if stored > MOST {
        return Err(Whole::Cannot("its table is too large".to_owned()));
    }
    let room = in_parts.room(stored.saturating_mul(RATIO)).await;
    if let Some(before) = offset.checked_sub(start) {
        let before = usize::try_from(before).unwrap_or(usize::MAX);
        let stored = tail.get(before..).map(|stored| tail.slice_ref(stored)).ok_or_else(nowhere)?;
        return Ok(Stargz { stored, offset, read: length(&tail), room });
    }
    let mut stored = BytesMut::from(part(context, job, offset..start).await?);
    stored.extend_from_slice(&tail);
    let stored = stored.freeze();
    Ok(Stargz { read: length(&stored), stored, offset, room })
}

/// Reads a part that fits into memory.
async fn part(context: &Context, job: &IndexJob, range: Range<u64>) -> Result<Bytes, Whole> {
    let capacity = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or_default();
    let stream = stream(context, job, range).await?;
    let all = stream.try_fold(BytesMut::with_capacity(capacity), |mut all, chunk| async move {
        all.extend_from_slice(&chunk);
        Ok(all)
    });
    Ok(all.await?.freeze())
}

async fn stream(
    context: &Context,
    job: &IndexJob,
    range: Range<u64>,
) -> Result<BoxStream<'static, Chunk>, Whole> {
    let options = job.options.unwrap_or_default();
    let opened = context.images.part(&job.reference, &job.digest, (range, job.size), &options).await?;
    opened.ok_or_else(|| Whole::Cannot("its source gives no parts of it".to_owned()))
}

/// Sends what the plan asks for, in its order: short parts several at once. Nothing is kept open while another part is waited for.
async fn feed(
    context: &Context,
    job: &IndexJob,
    plan: &Plan,
    sender: mpsc::Sender<Vec<Chunk>>,
) -> Result<(), Whole> {
    let is_short = |range: &Range<u64>| range.end.saturating_sub(range.start) <= SHORT;
    let mut ranges = plan.ranges.iter().cloned().peekable();
    while let Some(first) = ranges.next() {
        context.turn.pause().await;
        if !is_short(&first) {
            let mut stream = stream(context, job, first).await?.fuse();
            while let Some(chunk) = stream.next().await {
                let chunks = batch(chunk, &mut stream);
                context.turn.pause().await;
                let chunks: Vec<Bytes> = chunks.into_iter().collect::<Result<_, _>>()?;
                if sender.send(chunks.into_iter().map(Ok).collect()).await.is_err() {
                    return Ok(());
                }
            }
            continue;
        }
        let mut wave = vec![first];
        while let Some(next) = ranges.next_if(|next| wave.len() < AT_ONCE && is_short(next)) {
            wave.push(next);
        }
        let read = try_join_all(wave.into_iter().map(|range| part(context, job, range))).await?;
        if sender.send(read.into_iter().map(Ok).collect()).await.is_err() {
            // Whoever reads gave up, and says why.
            return Ok(());
        }
    }
    Ok(())
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
