//! One sweep through the SDK.

#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use strata_client::{
    Client,
    v1::{RegistryTarget, Report, SubmitRequest, event::Kind},
};
use strata_loadtest::content::Expected;
use tokio::time::{Instant, timeout_at};

use super::{
    args::TargetArgs,
    meter::{Check, Measured, Meter},
};

/// Submits a sweep of a registry and follows it to its end, or cancels it when its time is over. Whole reports are asked
/// for only where somebody wants to keep them.
pub(crate) async fn sweep(
    target: &TargetArgs,
    registry: &str,
    mut reports: Option<&mut Vec<Report>>,
) -> anyhow::Result<Measured> {
    let mut client = Client::connect(&target.server).await.context("connect")?;
    let begin = Instant::now();
    let end = begin + Duration::from_secs(target.timeout);
    let request = SubmitRequest {
        registry: Some(RegistryTarget { host: registry.to_owned(), ..RegistryTarget::default() }),
        platform: "linux/amd64".to_owned(),
        tenant: "loadtest".to_owned(),
        ..SubmitRequest::default()
    };
    let scan_id = client.submit(request).await.with_context(|| format!("sweep {registry}"))?;
    let mut events = client.watch(&scan_id, 0, reports.is_some());
    let mut meter = Meter::default();
    loop {
        match timeout_at(end, events.next()).await {
            Ok(Some(event)) => {
                let mut event = event.with_context(|| format!("follow scan {scan_id}"))?;
                meter.take(&event, begin.elapsed());
                if let (Some(reports), Some(Kind::Reported(reported))) =
                    (reports.as_deref_mut(), &mut event.kind)
                {
                    reports.extend(reported.report.take());
                }
            }
            Ok(None) => break,
            Err(_) => {
                client.cancel(&scan_id).await.with_context(|| format!("cancel scan {scan_id}"))?;
                break;
            }
        }
    }
    Ok(meter.finish(scan_id, begin.elapsed()))
}

/// What the account of a sweep of this content must be.
pub(crate) fn check(expected: &Expected) -> Check {
    Check {
        references: expected.references,
        skipped: expected.skipped,
        images: expected.images.len() as u64,
        distinct_layers: expected.distinct_layers,
        packages: expected.packages,
    }
}
