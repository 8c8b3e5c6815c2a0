//! What goes wrong at a role's ports to the world outside.

/// A queue, cache or archive that could not be reached or refused. Always worth another try.
#[derive(Debug, Clone, thiserror::Error)]
#[error("failed to {action}: {reason}")]
pub struct PortError {
    /// What was tried: `publish a job`, `append an event`, `read an inventory`.
    pub action: &'static str,
    /// Why it did not work, for people.
    pub reason: String,
}
