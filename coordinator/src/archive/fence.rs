//! What a coordinator that leads writes under: the number of its term. Who led before writes in vain.

use std::sync::{Mutex, PoisonError};

use crate::ports::PortError;

/// The term that this archive's owner leads in; none where nobody elects.
#[derive(Default)]
pub(super) struct Fence(Mutex<Option<i64>>);

impl Fence {
    pub(super) fn set(&self, term: Option<i64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = term;
    }

    pub(super) fn term(&self) -> Option<i64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write of a term that is over.
pub(super) fn over(action: &'static str) -> PortError {
    super::refused(action, "another coordinator leads now")
}
