//! The trace context's way through message headers (W3C Trace Context): from a client's call through coordinator, queue and
//! worker to the report. A scan has a trace, and each image of it one of its own ([`image`]), which are linked.

pub mod image;

use std::collections::BTreeMap;

use opentelemetry::{
    SpanId, TraceId, global,
    propagation::{Extractor, Injector},
    trace::SpanContext,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::v1::Property;

/// Headers that carry a trace context, with lower-case names (`traceparent`, `tracestate`). Empty when no trace is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceHeaders(pub BTreeMap<String, String>);

impl TraceHeaders {
    /// As fields of a message that holds several messages with headers of their own.
    #[must_use]
    pub fn to_properties(&self) -> Vec<Property> {
        let property = |(key, value): (&String, &String)| Property { key: key.clone(), value: value.clone() };
        self.0.iter().map(property).collect()
    }

    /// The headers in such fields.
    #[must_use]
    pub fn from_properties(properties: Vec<Property>) -> Self {
        let known = |name: &str| crate::subject::TRACE_HEADERS.contains(&name);
        let headers = properties.into_iter().filter(|property| known(&property.key));
        Self(headers.map(|property| (property.key, property.value)).collect())
    }
}

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

/// The context in headers (W3C Trace Context, `traceparent`); `None` where it is none.
fn context_of(headers: &TraceHeaders) -> Option<SpanContext> {
    let mut parts = headers.0.get("traceparent")?.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version == "ff" || trace.len() != 32 || span.len() != 16 || flags.len() != 2 {
        return None;
    }
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    let context = image::remote(TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?, sampled);
    context.is_valid().then_some(context)
}

/// Links a span to the context in the headers.
pub fn link(span: &Span, headers: &TraceHeaders) {
    if let Some(context) = context_of(headers) {
        span.add_link(context);
    }
}

/// Makes a span that has not been entered yet a child of the context in the headers, and links it to those that they lead to.
/// Without any nothing changes.
pub fn set_parent(span: &Span, headers: &TraceHeaders) {
    if headers.0.is_empty() {
        return;
    }
    let context = global::get_text_map_propagator(|propagator| propagator.extract(headers));
    // The only failure is a span that has started already; the message is then merely without its parent.
    let _ = span.set_parent(context);
    image::links_of(headers).into_iter().for_each(|linked| span.add_link(linked));
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
