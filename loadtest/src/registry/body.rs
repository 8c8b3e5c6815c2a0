//! Bodies on their way out: at once, slowly, or not to their end.

use std::{io, sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use tokio_util::sync::CancellationToken;

use super::{counters::Counters, faults::Fault};
use crate::content::Rope;

const CHUNK: usize = 64 << 10;
/// A body up to so many bytes is one piece: copying costs less than a stream does.
const AT_ONCE: usize = 1 << 20;

/// How a body goes out.
pub(crate) struct Delivery {
    pub(crate) bandwidth: Option<u64>,
    pub(crate) fault: Option<Fault>,
    /// Where bytes are counted, for blobs.
    pub(crate) counters: Option<Arc<Counters>>,
    /// Ends stalled bodies.
    pub(crate) stop: CancellationToken,
}

/// A body of these bytes. The Content-Length is the caller's.
pub(crate) fn body(rope: Rope, delivery: Delivery) -> Body {
    let middle = rope.len() / 2;
    let rope = if delivery.fault == Some(Fault::Corrupted) { rope.inverted(middle) } else { rope };
    let cut = matches!(delivery.fault, Some(Fault::Truncated | Fault::Stalled));
    if !cut && delivery.bandwidth.is_none() && rope.len() <= AT_ONCE {
        if let Some(counters) = &delivery.counters {
            counters.sent(rope.len());
        }
        return Body::from(rope.joined());
    }
    let rope = if cut { rope.slice(0, middle) } else { rope };
    let left = Left { piece: Bytes::new(), pieces: Box::new(rope.pieces()) };
    Body::from_stream(stream::unfold(Some((left, delivery)), |state| async move {
        let (left, delivery) = state?;
        match next(left, &delivery).await? {
            Ok((chunk, left)) => Some((Ok(chunk), Some((left, delivery)))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}

/// What is left of a body.
struct Left {
    piece: Bytes,
    pieces: Box<dyn Iterator<Item = Bytes> + Send>,
}

/// The next chunk and what is left after it; `None` at the end.
async fn next(mut left: Left, delivery: &Delivery) -> Option<io::Result<(Bytes, Left)>> {
    if left.piece.is_empty() {
        left.piece = left.pieces.next().unwrap_or_default();
    }
    if left.piece.is_empty() {
        return match delivery.fault {
            Some(Fault::Truncated) => {
                // A pause lets the server flush what it has: else the client does not even get the headers.
                tokio::task::yield_now().await;
                Some(Err(io::Error::from(io::ErrorKind::UnexpectedEof)))
            }
            Some(Fault::Stalled) => {
                delivery.stop.cancelled().await;
                Some(Err(io::Error::from(io::ErrorKind::TimedOut)))
            }
            _ => None,
        };
    }
    let chunk = left.piece.split_to(left.piece.len().min(CHUNK));
    if let Some(bandwidth) = delivery.bandwidth {
        #[expect(clippy::cast_precision_loss, reason = "a duration need not be exact")]
        let seconds = chunk.len() as f64 / bandwidth.max(1) as f64;
        tokio::time::sleep(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)).await;
    }
    if let Some(counters) = &delivery.counters {
        counters.sent(chunk.len());
    }
    Some(Ok((chunk, left)))
}
