//! Bodies on their way out: at once, slowly, or not to their end.

use std::{io, sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use tokio_util::sync::CancellationToken;

use super::{counters::Counters, faults::Fault};

const CHUNK: usize = 64 << 10;

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
pub(crate) fn body(bytes: Bytes, delivery: Delivery) -> Body {
    let bytes = if delivery.fault == Some(Fault::Corrupted) { corrupt(&bytes) } else { bytes };
    let cut = matches!(delivery.fault, Some(Fault::Truncated | Fault::Stalled));
    if !cut && delivery.bandwidth.is_none() {
        if let Some(counters) = &delivery.counters {
            counters.sent(bytes.len());
        }
        return Body::from(bytes);
    }
    let end = if cut { bytes.len() / 2 } else { bytes.len() };
    let left = bytes.slice(..end);
    Body::from_stream(stream::unfold(Some((left, delivery)), |state| async move {
        let (left, delivery) = state?;
        match next(left, &delivery).await? {
            Ok((chunk, left)) => Some((Ok(chunk), Some((left, delivery)))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}

/// The next chunk and what is left after it; `None` at the end.
async fn next(mut left: Bytes, delivery: &Delivery) -> Option<io::Result<(Bytes, Bytes)>> {
    if left.is_empty() {
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
    let chunk = left.split_to(left.len().min(CHUNK));
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

/// The same with the byte in the middle inverted.
fn corrupt(bytes: &Bytes) -> Bytes {
    let mut wrong = bytes.to_vec();
    let middle = wrong.len() / 2;
    if let Some(byte) = wrong.get_mut(middle) {
        *byte = !*byte;
    }
    Bytes::from(wrong)
}
