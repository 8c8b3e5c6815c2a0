//! A trace for each image of a scan, through all roles, without a word between them: its ids are made of the scan's and the
//! image's names. What an image shares with others is linked: its scan, and the layers that others fetched.

use std::{cell::Cell, collections::BTreeMap, time::SystemTime};

use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId, global,
    trace::{Link, Span as _, SpanBuilder, SpanContext, TraceContextExt as _, TraceState, Tracer as _},
};
use sha2::{Digest as _, Sha256};

use super::TraceHeaders;

/// Header with the contexts that a message's span is linked to, with commas between them.
pub const LINKS: &str = "strata-links";
/// Links that a message carries, at most: a base layer may have thousands of images waiting.
const MOST_LINKS: usize = 16;
const TRACER: &str = "strata";

thread_local! {
    static CHOSEN: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// The trace id that the span which is being made must get; `None` leaves it to chance. For the process's generator of ids.
#[must_use]
pub fn chosen_trace() -> Option<TraceId> {
    CHOSEN.get().map(|(trace, _)| trace)
}

/// The span id that goes with [`chosen_trace`].
#[must_use]
pub fn chosen_span() -> Option<SpanId> {
    CHOSEN.get().map(|(_, span)| span)
}

/// The context of an image's trace in a scan; empty when the scan's own trace is not recorded.
#[must_use]
pub fn context(scan_trace: &TraceHeaders, scan: &str, image: &str) -> TraceHeaders {
    match super::context_of(scan_trace) {
        Some(context) if context.is_sampled() => {
            let (trace, span) = ids(scan, image);
            TraceHeaders(BTreeMap::from([("traceparent".to_owned(), format!("00-{trace}-{span}-01"))]))
        }
        _ => TraceHeaders::default(),
    }
}

/// Headers of one context that lead to others as well.
#[must_use]
pub fn with_links(mut headers: TraceHeaders, links: &[TraceHeaders]) -> TraceHeaders {
    let texts: Vec<&str> = links
        .iter()
        .filter_map(|link| link.0.get("traceparent").map(String::as_str))
        .take(MOST_LINKS)
        .collect();
    if !texts.is_empty() {
        headers.0.insert(LINKS.to_owned(), texts.join(","));
    }
    headers
}

/// The contexts that headers lead to, beside their own.
pub(super) fn links_of(headers: &TraceHeaders) -> Vec<SpanContext> {
    let texts = headers.0.get(LINKS).map(String::as_str).unwrap_or_default();
    let contexts = texts.split(',').take(MOST_LINKS).filter_map(|text| {
        super::context_of(&TraceHeaders(BTreeMap::from([("traceparent".to_owned(), text.to_owned())])))
    });
    contexts.collect()
}

/// Records a step of an image that ends now, below its context. Without a context nothing is recorded.
pub fn step(
    name: &'static str,
    context: &TraceHeaders,
    start: SystemTime,
    links: &[TraceHeaders],
    attributes: &[(&'static str, &str)],
) {
    let Some(parent) = super::context_of(context) else { return };
    let parent = Context::new().with_remote_span_context(parent);
    end(builder(name, start, links, attributes), &parent);
}

/// Records an image from its beginning until now: the root of its trace.
pub fn whole(
    (scan_trace, scan, image): (&TraceHeaders, &str, &str),
    start: SystemTime,
    links: &[TraceHeaders],
    outcome: &str,
) {
    if !super::context_of(scan_trace).is_some_and(|context| context.is_sampled()) {
        return;
    }
    let links = [std::slice::from_ref(scan_trace), links].concat();
    let attributes = [("scan", scan), ("image", image), ("outcome", outcome)];
    CHOSEN.set(Some(ids(scan, image)));
    end(builder("image", start, &links, &attributes), &Context::new());
    CHOSEN.set(None);
}

fn builder(
    name: &'static str,
    start: SystemTime,
    links: &[TraceHeaders],
    attributes: &[(&'static str, &str)],
) -> SpanBuilder {
    let links = links.iter().filter_map(super::context_of).map(|context| Link::new(context, Vec::new(), 0));
    SpanBuilder::from_name(name)
        .with_start_time(start)
        .with_links(links.collect())
        .with_attributes(attributes.iter().map(|(name, value)| KeyValue::new(*name, (*value).to_owned())))
}

fn end(builder: SpanBuilder, parent: &Context) {
    global::tracer(TRACER).build_with_context(builder, parent).end();
}

fn ids(scan: &str, image: &str) -> (TraceId, SpanId) {
    let hash = Sha256::new().chain_update(scan).chain_update([0]).chain_update(image).finalize();
    let (mut trace, mut span) = ([0; 16], [0; 8]);
    let bytes = trace.iter_mut().chain(&mut span).zip(hash);
    bytes.for_each(|(place, byte)| *place = byte);
    (TraceId::from_bytes(trace), SpanId::from_bytes(span))
}

/// A context as another process tells it.
pub(super) fn remote(trace: TraceId, span: SpanId, sampled: bool) -> SpanContext {
    let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    SpanContext::new(trace, span, flags, true, TraceState::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan_trace(flags: &str) -> TraceHeaders {
        let text = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
        TraceHeaders(BTreeMap::from([("traceparent".to_owned(), text)]))
    }

    #[test]
    fn an_images_context_is_the_same_in_every_process_and_its_own() {
        let known = scan_trace("01");
        let one = context(&known, "scan", "sha256:1");
        assert_eq!(one, context(&scan_trace("01"), "scan", "sha256:1"));
        let trace = super::super::context_of(&one).expect("a context");
        assert!(trace.is_valid() && trace.is_sampled() && trace.is_remote());
        for (scan, image) in [("scan", "sha256:2"), ("scan2", "sha256:1"), ("scans", "ha256:1")] {
            let other = super::super::context_of(&context(&known, scan, image)).expect("a context");
            assert_ne!((trace.trace_id(), trace.span_id()), (other.trace_id(), other.span_id()));
        }
        for off in [scan_trace("00"), TraceHeaders::default(), scan_trace("zz")] {
            assert_eq!(context(&off, "scan", "sha256:1"), TraceHeaders::default());
        }
    }

    #[test]
    fn links_go_along_and_are_bounded() {
        let (known, first) = (scan_trace("01"), scan_trace("01"));
        let links: Vec<TraceHeaders> =
            (0..100).map(|number| context(&known, "scan", &number.to_string())).collect();
        let headers = with_links(first, &links);
        assert!(headers.0.get(LINKS).expect("links").len() < 1_000, "a header holds no more");
        let read = links_of(&headers);
        assert_eq!(read.len(), MOST_LINKS);
        let sent: Vec<_> = links.iter().filter_map(super::super::context_of).take(MOST_LINKS).collect();
        assert_eq!(read, sent);
        let hostile = TraceHeaders(BTreeMap::from([(LINKS.to_owned(), format!("x,,{}", ",".repeat(999)))]));
        assert!(links_of(&hostile).is_empty());
        assert_eq!(with_links(known.clone(), &[]), known);
    }
}
