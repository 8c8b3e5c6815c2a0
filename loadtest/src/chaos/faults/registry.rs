//! A registry that misbehaves. Each path fails at most once or twice, so that a sweep can be complete in the end.

use std::time::Duration;

use crate::{
    chaos::{Fault, Stage, fault::slow},
    registry::Faults,
};

/// Waits for the end; the registry counts its faults itself.
const ROW: Fault = Fault { strike: |stage| Box::pin(count(stage)), ..Fault::NONE };

pub(super) const BUSY: Fault = Fault {
    name: "registry-429",
    breaks: "a registry that answers 429 to every fifth request",
    registry: |seed| Faults { too_many_requests: 0.2, per_path: 2, ..slow(seed) },
    ..ROW
};

pub(super) const FAILING: Fault = Fault {
    name: "registry-500",
    breaks: "a registry that answers 500 to every fifth request",
    registry: |seed| Faults { server_error: 0.2, per_path: 2, ..slow(seed) },
    ..ROW
};

pub(super) const TRUNCATES: Fault = Fault {
    name: "registry-truncates",
    breaks: "a registry whose every fifth answer ends half-way",
    registry: |seed| Faults { truncated: 0.2, per_path: 2, ..slow(seed) },
    ..ROW
};

pub(super) const STALLS: Fault = Fault {
    name: "registry-stalls",
    breaks: "a registry whose answers stall half-way, one of a hundred",
    registry: |seed| Faults { stalled: 0.01, per_path: 1, ..slow(seed) },
    ..ROW
};

pub(super) const CORRUPTS: Fault = Fault {
    name: "registry-corrupts",
    breaks: "a registry that sends a wrong byte in every tenth answer",
    registry: |seed| Faults { corrupted: 0.1, per_path: 1, ..slow(seed) },
    ..ROW
};

async fn count(stage: &mut Stage) -> anyhow::Result<u32> {
    while stage.pass(Duration::from_millis(500)).await {}
    Ok(u32::try_from(stage.registry.counts().faults).unwrap_or(u32::MAX))
}
