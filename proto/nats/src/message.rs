//! Headers and confirmed publication.

use async_nats::HeaderMap;
use bytes::Bytes;
use strata_proto::{port::PortError, subject, trace::TraceHeaders};

use crate::connection::Connection;

/// Headers of a message from a trace context.
pub fn headers_of(trace: &TraceHeaders) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &trace.0 {
        if subject::TRACE_HEADERS.contains(&name.as_str()) {
            headers.insert(name.as_str(), header_text(value));
        }
    }
    headers
}

/// The trace context of a message.
pub fn trace_of(headers: Option<&HeaderMap>) -> TraceHeaders {
    let mut trace = TraceHeaders::default();
    for name in subject::TRACE_HEADERS {
        if let Some(value) = headers.and_then(|headers| headers.get(name)) {
            trace.0.insert(name.to_owned(), value.as_str().to_owned());
        }
    }
    trace
}

/// A text as a header's value: one line of bounded length.
pub fn header_text(text: &str) -> String {
    text.chars().take(1000).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Publishes and waits until the stream has it.
///
/// # Errors
/// When the stream did not say that it has it.
pub async fn publish(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_survives_a_message_and_nothing_else_gets_in() {
        let trace = TraceHeaders(
            [("traceparent".to_owned(), "00-1-2-01".to_owned()), ("x-other".to_owned(), "1".to_owned())]
                .into(),
        );
        let headers = headers_of(&trace);
        assert!(headers.get("x-other").is_none());
        assert_eq!(trace_of(Some(&headers)).0, [("traceparent".to_owned(), "00-1-2-01".to_owned())].into());
        assert_eq!(trace_of(None), TraceHeaders::default());
    }

    #[test]
    fn a_header_is_one_line_of_bounded_length() {
        assert_eq!(header_text("a\r\nb\u{0}c"), "a  b c");
        assert_eq!(header_text(&"ä".repeat(2_000)).chars().count(), 1_000);
    }
}
