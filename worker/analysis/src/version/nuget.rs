//! NuGet: `NuGetVersion`.

use std::cmp::Ordering;

use super::Scheme;

/// NuGet: `NuGetVersion`.
pub static NUGET: Scheme = Scheme { name: "nuget", compare };

/// Not written yet: until then every version is unknown, none is guessed.
fn compare(_a: &str, _b: &str) -> Option<Ordering> {
    None
}
