//! What a role shows of itself over HTTP: `/metrics` in Prometheus' text form, `/healthz` (the process answers) and
//! `/readyz` (it can do its work; otherwise 503 and the reason).

use std::{future::Future, sync::Arc, time::Duration};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use futures::future::BoxFuture;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use crate::{command::announce, exit::Failure};

/// How long one look at readiness may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often values that nobody reports are sampled, and old histogram samples are folded.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Bounds of duration histograms, in seconds: from a cached assessment to a layer of many gigabytes.
const SECONDS: [f64; 12] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0];

/// Says whether a role can work, and if not why.
pub type Ready = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A readiness check from a closure.
pub fn ready<F, R>(check: F) -> Ready
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), String>> + Send + 'static,
{
    Arc::new(move || Box::pin(check()))
}

/// Installs the recorder and serves until the token is cancelled. Nothing happens without an address.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(address: Option<&str>, ready: Ready, shutdown: CancellationToken) -> Result<(), Failure> {
    let Some(address) = address else { return Ok(()) };
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .map_err(|error| Failure::usage(format!("failed to set up metrics: {error}")))?
        .build_recorder();
    let handle = recorder.handle();
    // A second start in one process (tests) keeps the first recorder, and shows an empty page.
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("metrics of this process are collected already");
    }
    strata_worker::measure::describe();
    strata_coordinator::measure::describe();
    let listener = crate::command::listen(address).await?;
    let bound = listener.local_addr().map_err(|error| Failure::usage(error.to_string()))?;
    announce(&format!("serving metrics and health on {bound}"));
    tokio::spawn(upkeep(handle.clone(), shutdown.clone()));
    let app = routes(handle, ready);
    tokio::spawn(strata_coordinator::http::serve(listener, app, shutdown));
    Ok(())
}

/// Samples a value every few seconds until the token is cancelled.
pub fn sample<F, R>(shutdown: CancellationToken, mut look: F)
where
    F: FnMut() -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        loop {
            look().await;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(SAMPLE_EVERY) => {}
            }
        }
    });
}

async fn upkeep(handle: PrometheusHandle, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(SAMPLE_EVERY) => handle.run_upkeep(),
        }
    }
}

fn routes(handle: PrometheusHandle, ready: Ready) -> Router {
    let metrics = move || {
        let handle = handle.clone();
        async move { handle.render() }
    };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(ready)
}

async fn readyz(State(ready): State<Ready>) -> (StatusCode, String) {
    match tokio::time::timeout(PATIENCE, ready()).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n".to_owned()),
        Ok(Err(reason)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the servers behind did not answer in time\n".to_owned()),
    }
}
