//! Bills of materials as images: a CycloneDX or SPDX 2 document in JSON → the inventory of the one layer that it stands for.
//!
//! What a document says is all that is known: a package of a format that no row knows, one without a package URL, and a
//! distribution that is not named are problems, for nobody assesses them.

mod document;
mod os;
mod packages;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, io::Read};

use crate::{
    layer::LayerError,
    limits::Limits,
    model::{FileFacts, Inventory, Problem, Release},
};

use document::Document;

/// Media type of a CycloneDX document in JSON.
pub const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
/// Media type of an SPDX document in JSON.
pub const SPDX: &str = "application/spdx+json";

/// Bytes of a document.
pub const MAX_BYTES: u64 = 64 << 20;

/// Where packages of a document are said to be that names no file for them.
const PLACE: &str = "sbom";
/// Examples in one problem.
const SHOWN: usize = 3;

/// Reads a document to its end.
///
/// # Errors
/// When it cannot be read, is too large, or is no bill of materials in a version that is known.
pub fn index(reader: &mut dyn Read, limits: &Limits) -> Result<Inventory, LayerError> {
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(LayerError::Read)?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if length > MAX_BYTES {
        return Err(LayerError::Limit(format!("a bill of materials of more than {MAX_BYTES} bytes")));
    }
    let document = document::read(&bytes).map_err(LayerError::Malformed)?;
    if document.items.len() > limits.packages {
        return Err(LayerError::Limit(format!("{} packages", limits.packages)));
    }
    let mut inventory = Inventory { entries: 1, bytes: length, ..Inventory::default() };
    let read = packages::read(&document);
    for ((path, ecosystem), mut packages) in read.packages {
        packages.sort();
        packages.dedup();
        inventory.files.push(FileFacts {
            path,
            ecosystem: ecosystem.to_owned(),
            packages,
            ..FileFacts::default()
        });
    }
    if read.system && !read.sources {
        let message =
            "no system package names its source package: advisories that go by source packages are missed";
        inventory.problems.push(problem("no-source-packages", message.to_owned()));
    }
    problems(&document, read.left_out, &mut inventory.problems);
    match os::of(&document) {
        Ok(Some(fields)) => inventory.releases.push(Release { path: "etc/os-release".to_owned(), fields }),
        Ok(None) => {}
        Err(reason) => inventory.problems.push(problem("unknown-distribution", reason)),
    }
    inventory.problems.sort();
    Ok(inventory)
}

/// The media type of a document.
///
/// # Errors
/// Why it is no bill of materials in a version that is known, as a sentence on it.
pub fn media_type(bytes: &[u8]) -> Result<&'static str, String> {
    document::read(bytes).map(|document| if document.spdx { SPDX } else { CYCLONEDX })
}

fn problem(code: &'static str, message: String) -> Problem {
    Problem { code: code.into(), message, file: PLACE.to_owned() }
}

/// What is in the document and nobody assesses.
fn problems(document: &Document, left_out: BTreeMap<String, Vec<String>>, problems: &mut Vec<Problem>) {
    for (kind, names) in left_out {
        problems.push(problem(
            "unknown-ecosystem",
            format!("{} packages of type {kind} are not assessed: {}", names.len(), some(&names)),
        ));
    }
    if !document.nameless.is_empty() {
        let names = &document.nameless;
        problems.push(problem(
            "no-package-url",
            format!("{} packages have no package URL and are not assessed: {}", names.len(), some(names)),
        ));
    }
}

fn some(names: &[String]) -> String {
    let mut text = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(" …");
    }
    text.chars().take(500).collect()
}
