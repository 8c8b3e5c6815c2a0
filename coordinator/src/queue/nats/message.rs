//! Headers and confirmed publication.

use async_nats::HeaderMap;
use bytes::Bytes;
use strata_proto::{subject, trace::TraceHeaders};

use super::connection::Connection;
use crate::ports::PortError;

/// Headers of a message from a trace context.
pub(super) fn headers_of(trace: &TraceHeaders) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &trace.0 {
        if subject::TRACE_HEADERS.contains(&name.as_str()) {
            headers.insert(name.as_str(), header_text(value));
        }
    }
    headers
}

/// The trace context of a message.
pub(super) fn trace_of(headers: Option<&HeaderMap>) -> TraceHeaders {
    let mut trace = TraceHeaders::default();
    for name in subject::TRACE_HEADERS {
        if let Some(value) = headers.and_then(|headers| headers.get(name)) {
            trace.0.insert(name.to_owned(), value.as_str().to_owned());
        }
    }
    trace
}

/// A text as a header's value: one line of bounded length.
pub(super) fn header_text(text: &str) -> String {
    text.chars().take(1000).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Publishes and waits until the stream has it.
pub(super) async fn publish(
    connection: &Connection,
    action: &'static str,
    subject: String,
    headers: HeaderMap,
    payload: Bytes,
) -> Result<(), PortError> {
    let failed = |reason: String| PortError { action, reason };
    let sent = connection
        .jetstream
        .publish_with_headers(subject, headers, payload)
        .await
        .map_err(|error| failed(error.to_string()))?;
    sent.await.map_err(|error| failed(error.to_string())).map(drop)
}
