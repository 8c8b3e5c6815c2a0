//! The kinds of registries, a row and a file each.

mod acr;
mod distribution;
mod ecr;
mod gar;
mod ghcr;
mod harbor;

use serde_json::Value;

use super::{auth::Proof, push::Event};

/// One kind of registry.
pub(super) struct Variant {
    /// Last part of its path.
    pub(super) name: &'static str,
    pub(super) proof: Proof,
    /// Reads a notification; the text is the id of the delivery where a header has it.
    pub(super) read: fn(&Value, &str) -> Result<Vec<Event>, String>,
}

/// Every kind.
pub(super) const TABLE: &[Variant] =
    &[acr::VARIANT, distribution::VARIANT, ecr::VARIANT, gar::VARIANT, ghcr::VARIANT, harbor::VARIANT];

pub(super) fn by_name(name: &str) -> Option<&'static Variant> {
    TABLE.iter().find(|variant| variant.name == name)
}

/// A text at a path of names; empty where there is none.
fn text(value: &Value, path: &[&str]) -> String {
    let found = path.iter().try_fold(value, |value, name| value.get(name));
    found.and_then(Value::as_str).unwrap_or_default().to_owned()
}
