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

/// A text that most images have in common, kept once as long as it stays the same.
#[derive(Default)]
pub(super) struct Shared(Option<Arc<str>>);

impl Shared {
    /// This text, shared with the one before it where they are the same.
    pub(super) fn of(&mut self, text: &str) -> Arc<str> {
        match &self.0 {
            Some(last) if **last == *text => Arc::clone(last),
            _ => Arc::clone(self.0.insert(text.into())),
        }
    }
}
