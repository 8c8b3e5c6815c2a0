//! What of a scan's account both roles and clients must judge alike.

/// Codes of failures that are none of the registry's, the network's or the worker's: what is there is of a kind that cannot be
/// scanned, and will be tomorrow.
const UNSUPPORTED: [&str; 2] = ["foreign-layer", "unsupported"];

/// Whether a reference without a report is counted as unsupported rather than as failed.
#[must_use]
pub fn is_unsupported(code: &str) -> bool {
    UNSUPPORTED.contains(&code)
}
