//! What decides, beside an image's bytes, what its report says.

use std::sync::Arc;

/// What a scan has its images assessed against.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Basis {
    /// Digest of the database; empty leaves it to the workers.
    pub(super) database: Arc<str>,
    /// Whether VEX documents that are attached to the image count.
    pub(super) attached_vex: bool,
}
