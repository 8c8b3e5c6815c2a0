//! Logs on stderr, and traces to an OTLP endpoint when one is configured.

use std::time::Duration;

use opentelemetry::{KeyValue, SpanId, TraceId, global, trace::TracerProvider as _};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{IdGenerator, RandomIdGenerator, SdkTracerProvider},
};
use strata_proto::trace::image;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{args::LogFormat, exit::Failure, settings::Settings};

/// What must be flushed at the end.
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Installs the process's subscriber.
///
/// # Errors
/// When the OTLP endpoint or the log filter is malformed.
pub fn start(settings: &Settings) -> Result<Telemetry, Failure> {
    let default = match settings.verbose {
        0 => "error",
        1 => "warn,strata=info,strata_worker=info,strata_coordinator=info,strata_cli=info",
        _ => {
            "info,strata=debug,strata_worker=debug,strata_coordinator=debug,strata_cli=debug,h2=warn,hyper=warn"
        }
    };
    let filter = EnvFilter::try_new(settings.log.as_deref().unwrap_or(default))
        .map_err(|error| Failure::usage(format!("failed to read the log filter STRATA_LOG: {error}")))?;
    let filter = without_logins(filter);
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(settings.live);
    let logs = match settings.log_format {
        LogFormat::Text => logs.with_target(false).with_filter(filter).boxed(),
        // Spans carry scan, image and layer: flattened, every line says what it is about.
        LogFormat::Json => {
            logs.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed()
        }
    };
    let provider =
        settings.otlp_endpoint.as_deref().map(|endpoint| provider(endpoint, &settings.name)).transpose()?;
    let traces = provider.as_ref().map(|provider| {
        global::set_text_map_propagator(TraceContextPropagator::new());
        global::set_tracer_provider(provider.clone());
        // The exporter's own spans must not be exported: only ours are.
        let ours = Targets::new().with_target("strata", tracing::Level::INFO);
        let ours = ["strata_cli", "strata_client", "strata_coordinator", "strata_worker", "strata_proto"]
            .into_iter()
            .fold(ours, |targets, name| targets.with_target(name, tracing::Level::INFO));
        tracing_opentelemetry::layer().with_tracer(provider.tracer("strata")).with_filter(ours)
    });
    // A second start in one process (tests) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(logs).with(traces).try_init();
    Ok(Telemetry { provider })
}

/// Below `info` the client of NATS prints its login, so that far it is never asked for. (A filter combined from two loses
/// spans for the layers beside it; directives do not.)
fn without_logins(filter: EnvFilter) -> EnvFilter {
    if filter.max_level_hint().is_some_and(|level| level <= LevelFilter::INFO) {
        return filter;
    }
    let quiet = ["async_nats=info", "async_nats::connector=info", "async_nats::connection=info"];
    quiet.iter().filter_map(|text| text.parse().ok()).fold(filter, EnvFilter::add_directive)
}

fn provider(endpoint: &str, name: &str) -> Result<SdkTracerProvider, Failure> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(Duration::from_secs(3))
        .build()
        .map_err(|error| Failure::usage(format!("failed to use the OTLP endpoint {endpoint}: {error}")))?;
    let instance = KeyValue::new("service.instance.id", name.to_owned());
    let resource = Resource::builder().with_service_name("strata").with_attribute(instance).build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_id_generator(Ids::default())
        .with_resource(resource)
        .build())
}

/// Random ids, but for the roots of images, whose ids every process can tell.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        image::chosen_trace().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        image::chosen_span().unwrap_or_else(|| self.0.new_span_id())
    }
}

impl Telemetry {
    /// Sends what is left, for at most three seconds.
    pub async fn stop(self) {
        if let Some(provider) = self.provider {
            let _ =
                tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(Duration::from_secs(3)))
                    .await;
        }
    }
}
