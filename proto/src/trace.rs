//! The trace context's way through message headers (W3C Trace Context): one trace from a client's call through
//! coordinator, queue and worker to the report.

use std::collections::BTreeMap;

use opentelemetry::{
    global,
    propagation::{Extractor, Injector},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Headers that carry a trace context, with lower-case names (`traceparent`, `tracestate`). Empty when no trace is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceHeaders(pub BTreeMap<String, String>);

impl Injector for TraceHeaders {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_ascii_lowercase(), value);
    }
}

impl Extractor for TraceHeaders {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(&key.to_ascii_lowercase()).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

/// The current span's context, to be sent along with a message.
#[must_use]
pub fn inject() -> TraceHeaders {
    let context = Span::current().context();
    let mut headers = TraceHeaders::default();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut headers));
    headers
}

/// Makes a span that has not been entered yet a child of the context in the headers. Without one nothing changes.
pub fn set_parent(span: &Span, headers: &TraceHeaders) {
    if headers.0.is_empty() {
        return;
    }
    let context = global::get_text_map_propagator(|propagator| propagator.extract(headers));
    // The only failure is a span that has started already; the message is then merely without its parent.
    let _ = span.set_parent(context);
}

/// The headers of a gRPC request.
#[must_use]
pub fn from_metadata(metadata: &tonic::metadata::MetadataMap) -> TraceHeaders {
    let mut headers = TraceHeaders::default();
    for name in ["traceparent", "tracestate"] {
        if let Some(value) = metadata.get(name).and_then(|value| value.to_str().ok()) {
            headers.0.insert(name.to_owned(), value.to_owned());
        }
    }
    headers
}

/// Puts the headers into a gRPC request.
pub fn into_metadata(headers: &TraceHeaders, metadata: &mut tonic::metadata::MetadataMap) {
    for (name, value) in &headers.0 {
        if let (Ok(name), Ok(value)) =
            (name.parse::<tonic::metadata::MetadataKey<tonic::metadata::Ascii>>(), value.parse())
        {
            metadata.insert(name, value);
        }
    }
}
