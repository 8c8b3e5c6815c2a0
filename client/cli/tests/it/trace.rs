//! One trace from the client's call through coordinator, queue and worker, received by a real OTLP endpoint.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use strata_loadtest::{
    content::{Plan, Synthetic},
    registry::{Options, Registry},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::{
    cluster::Cluster,
    servers::{self, skipped},
};

/// Span names by trace.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<BTreeMap<Vec<u8>, BTreeSet<String>>>>);

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut traces = self.0.lock().expect("nobody panicked");
        for span in request
            .into_inner()
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
        {
            traces.entry(span.trace_id).or_default().insert(span.name);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[test]
fn one_trace_from_the_call_to_the_report() {
    if skipped("tracing through a cluster") {
        return;
    }
    crate::provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let received = Received::default();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let service = TraceServiceServer::new(received.clone());
    runtime.spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let plan = Plan { repositories: 1, ..Plan::demo() };
    let registry =
        runtime.block_on(Registry::start(Synthetic::new(plan), Options::default())).expect("a registry");
    let cluster = Cluster::start_with(1, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    let mut command = cluster.user.command(&["sweep", &registry.host(), "--server", &cluster.url()]);
    let run = servers::output(command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    // The roles send what they have when they are told to end.
    cluster.stop_roles();
    let traces = received.0.lock().expect("nobody panicked").clone();
    let whole = traces.values().find(|names| {
        ["command", "submit", "job"].iter().all(|name| names.iter().any(|span| span.contains(name)))
    });
    assert!(whole.is_some(), "no trace has the spans of client, coordinator and worker: {traces:?}");
}
