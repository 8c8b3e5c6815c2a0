//! A trace for a scan from the client's call on, and one for each of its images through coordinator, queue and worker,
//! received by a real OTLP endpoint.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
};
use strata_loadtest::{
    content::{Arch, Plan, Synthetic},
    registry::{Options, Registry},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::{
    cluster::{Cluster, runtime},
    servers::{self, skipped},
};

/// A span as the endpoint got it.
#[derive(Debug, Clone)]
struct Span {
    id: Vec<u8>,
    parent: Vec<u8>,
    /// `name`, or `name:verb` of jobs.
    name: String,
    image: String,
    /// The process.
    instance: String,
    /// Traces that it is linked to.
    links: Vec<Vec<u8>>,
}

/// Spans by trace.
type Traces = BTreeMap<Vec<u8>, Vec<Span>>;

#[derive(Clone, Default)]
struct Received(Arc<Mutex<Traces>>);

fn attribute(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        _ => String::new(),
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut traces = self.0.lock().expect("nobody panicked");
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let instance = attribute(&attributes, "service.instance.id");
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let verb = attribute(&span.attributes, "verb");
                let name = if verb.is_empty() { span.name } else { format!("{}:{verb}", span.name) };
                traces.entry(span.trace_id).or_default().push(Span {
                    id: span.span_id,
                    parent: span.parent_span_id,
                    name,
                    image: attribute(&span.attributes, "image"),
                    instance: instance.clone(),
                    links: span.links.into_iter().map(|link| link.trace_id).collect(),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[test]
fn each_image_has_a_trace_through_all_roles() {
    if skipped("tracing through a cluster") {
        return;
    }
    let runtime = runtime();
    let received = Received::default();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let service = TraceServiceServer::new(received.clone());
    runtime.spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let plan = Plan { repositories: 2, ..Plan::demo() };
    let expected = Synthetic::new(plan.clone()).expected(Arch::Amd64).expect("the truth");
    let registry =
        runtime.block_on(Registry::start(Synthetic::new(plan), Options::default())).expect("a registry");
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("STRATA_LOG", "debug,h2=off")];
    let json = [&environment[..], &[("STRATA_LOG_FORMAT", "json")]].concat();
    let cluster = Cluster::start_with(1, &json);
    // In one batch, so that all of them wait for the layers that they share.
    let host = registry.host();
    let references: Vec<String> = expected
        .images
        .iter()
        .map(|image| format!("{host}/{}:{}", image.repository, image.tags[0]))
        .collect();
    let mut command = cluster.user.command(&["scan", "--server", &cluster.url()]);
    command.args(&references);
    let run = servers::output(command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    lines_say_what_they_are_about(&cluster.workers[0].log());
    // The roles send what they have when they are told to end.
    cluster.stop_roles();
    let traces = received.0.lock().expect("nobody panicked").clone();
    let (scan, _) = traces
        .iter()
        .find(|(_, spans)| ["command", "submit", "scan"].iter().all(|name| named(spans, name) == 1))
        .unwrap_or_else(|| panic!("no trace has the client's call and the scan: {traces:?}"));
    let images: BTreeMap<&Vec<u8>, &Vec<Span>> =
        traces.iter().filter(|(_, spans)| named(spans, "image") > 0).collect();
    assert_eq!(images.len(), expected.images.len(), "one trace for each image");
    let with_layers = images.values().filter(|spans| named(spans, "job:index") > 0).count();
    assert!(with_layers > 0);
    images.values().for_each(|spans| holds_all_steps(scan, spans));
    // A layer that several images wait for is fetched in the trace of one, which leads to the others' and back.
    let shared = traces.values().flatten().find(|span| span.name == "job:index" && !span.links.is_empty());
    let shared = shared.unwrap_or_else(|| panic!("no shared layer is linked: {traces:?}"));
    assert!(shared.links.iter().all(|link| images.contains_key(link)), "{shared:?}");
    let back = images.values().flat_map(|spans| spans.iter()).find(|span| span.name == "layer");
    assert!(back.is_some_and(|span| span.links.iter().any(|link| images.contains_key(link))), "{back:?}");
}

fn named(spans: &[Span], name: &str) -> usize {
    spans.iter().filter(|span| span.name == name).count()
}

/// An image's trace has a root that leads to the scan's, and every step below it.
fn holds_all_steps(scan: &Vec<u8>, spans: &[Span]) {
    let root = spans.iter().find(|span| span.name == "image").expect("a root");
    assert!(root.parent.is_empty() && root.links.contains(scan), "{root:?}");
    assert!(root.image.starts_with("sha256:"), "{root:?}");
    for name in ["image", "job:assess", "archive"] {
        assert_eq!(named(spans, name), 1, "{name}: {spans:?}");
    }
    assert!(named(spans, "resolve") >= 1, "{spans:?}");
    let steps = ["resolve", "job:index", "layer", "job:assess", "archive"];
    for span in spans.iter().filter(|span| steps.contains(&span.name.as_str())) {
        assert_eq!(span.parent, root.id, "{span:?}");
    }
    let processes: BTreeSet<&str> = spans.iter().map(|span| span.instance.as_str()).collect();
    assert_eq!(processes.len(), 2, "coordinator and worker: {spans:?}");
}

/// Every line that a worker writes within a job names its scan, and its image or layer where the job has one.
fn lines_say_what_they_are_about(log: &str) {
    let mut verbs = BTreeSet::new();
    for line in log.lines().filter(|line| line.starts_with('{')) {
        let line: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
        let spans = line["spans"].as_array().cloned().unwrap_or_default();
        let Some(job) = spans.iter().find(|span| span["name"] == "job") else { continue };
        let verb = job["verb"].as_str().unwrap_or_default().to_owned();
        let has =
            |name: &str| spans.iter().any(|span| span[name].as_str().is_some_and(|text| !text.is_empty()));
        assert!(has("scan"), "{line}");
        let ends = line["message"].as_str().is_some_and(|text| text.starts_with("a job"));
        match verb.as_str() {
            "index" => assert!(has("layer") && has("image"), "{line}"),
            "assess" => assert!(has("image"), "{line}"),
            "resolve" => assert!(ends || has("image"), "{line}"),
            _ => {}
        }
        verbs.insert(verb);
    }
    assert!(["index", "assess", "resolve"].iter().all(|verb| verbs.contains(*verb)), "{verbs:?}\n{log}");
}
