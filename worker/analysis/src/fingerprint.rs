//! The fingerprint of the analysis: part of every inventory's key, so that a better parser reads its layers again.

use sha2::{Digest as _, Sha256};

use crate::{ecosystem, limits::Limits};

/// Raised when the layer walk, the reading of bills of materials or the model changes in a way that changes inventories, or a report
/// gets facts that earlier ones lack.
const REVISION: u32 = 5;

/// 16 hexadecimal digits over the walk's revision, every ecosystem's name and revision, and the usual limits.
#[must_use]
pub fn fingerprint() -> String {
    fingerprint_with(&Limits::default())
}

/// As [`fingerprint`], for an analysis with other limits: what a limit leaves out, another one would not.
#[must_use]
pub fn fingerprint_with(limits: &Limits) -> String {
    let mut hasher = Sha256::new();
    hasher.update(REVISION.to_be_bytes());
    for row in ecosystem::TABLE {
        hasher.update(row.name.as_bytes());
        hasher.update([0]);
        hasher.update(row.revision.to_be_bytes());
    }
    hasher.update(format!("{limits:?}"));
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Raised when [tables of contents](crate::layer::table) are read in a way that changes inventories.
const PARTS_REVISION: u32 = 1;

/// The fingerprint of an analysis that reads layers in parts where it can: what it says rests on tables of contents.
#[must_use]
pub fn in_parts(fingerprint: &str) -> String {
    format!("{fingerprint}-parts{PARTS_REVISION}")
}

#[cfg(test)]
mod tests {
    use super::{fingerprint, fingerprint_with};
    use crate::limits::Limits;

    #[test]
    fn limits_are_part_of_it() {
        assert_eq!(fingerprint().len(), 16);
        assert_eq!(fingerprint(), fingerprint_with(&Limits::default()));
        assert_ne!(fingerprint(), fingerprint_with(&Limits { packages: 1, ..Limits::default() }));
    }
}
