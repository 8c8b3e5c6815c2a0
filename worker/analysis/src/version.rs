//! Version orders: one row and one file each. Each is a total order over the versions that its scheme accepts.

use std::cmp::Ordering;

/// One order of versions.
pub struct Scheme {
    /// Name in code, tests and documents: `deb`.
    pub name: &'static str,
    /// Compares two versions. `None` when one of them is not a version of this scheme: never guessed.
    pub compare: fn(&str, &str) -> Option<Ordering>,
}

/// Every version order.
pub const TABLE: &[&Scheme] = &[];

/// The row of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Scheme> {
    TABLE.iter().copied().find(|row| row.name == name)
}
