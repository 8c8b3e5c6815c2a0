//! The fingerprint of the analysis: part of every inventory's key, so that a better parser reads its layers again.

use sha2::{Digest as _, Sha256};

use crate::ecosystem;

/// Raised when the layer walk or the model changes in a way that changes inventories.
const REVISION: u32 = 1;

/// 16 hexadecimal digits over the walk's revision and every ecosystem's name and revision.
#[must_use]
pub fn fingerprint() -> String {
    let mut hasher = Sha256::new();
    hasher.update(REVISION.to_be_bytes());
    for row in ecosystem::TABLE {
        hasher.update(row.name.as_bytes());
        hasher.update([0]);
        hasher.update(row.revision.to_be_bytes());
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
