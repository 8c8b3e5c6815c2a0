//! Programs written in Go: their main module tells the product, and the version where it was built from one.
//!
//! Official builds run in a checkout, so the module often says `(devel)`; then the flags of the linker tell, or the
//! variable in which the product's own package keeps its version. Distributions build without modules at all: then the
//! path of the main package, or failing that the names of the product's packages, tell the product.

use super::signature::{Row, Variable};
use crate::{
    bytes::find,
    executable::Executable,
    gobuild::{self, variables::Variables},
};

/// A product that was found, and the module that advisories know it by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) version: String,
    pub(super) module: String,
}

/// The program's version when it is the row's product.
pub(super) fn read(row: &Row, file: &Executable<'_>) -> Option<Found> {
    let info = gobuild::read(file)?;
    let main = info.main(file.bytes);
    let module = match &main.module {
        Some(module) => {
            row.modules.iter().any(|known| is_within(&module.name, known)).then_some(module.name.as_str())?
        }
        // Every function's name stays in a stripped program, and with it the path of its package.
        None => row.modules.iter().find(|module| {
            is_within(&main.path, module)
                || main.path.is_empty() && find(file.bytes, format!("{module}/").as_bytes(), 0).is_some()
        })?,
    };
    let stamped = main.module.as_ref().map(|module| module.version.as_str()).and_then(release);
    let version = stamped
        .or_else(|| kept(row, file))
        .or_else(|| release(&gobuild::linked_version(file.bytes, &info.version)?))?;
    Some(Found { version, module: module.to_owned() })
}

fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A module's version as the product's. `None` for what is none: `(devel)`, and a commit that no release names. What a
/// distribution counts after a tilde is its own.
fn release(version: &str) -> Option<String> {
    let version = version.split('~').next().unwrap_or_default();
    let version = version.strip_prefix('v').unwrap_or(version);
    let version = version.strip_suffix("+incompatible").unwrap_or(version);
    (is_version(version) && !version.starts_with("0.0.0-")).then(|| version.to_owned())
}

/// The version that the product's package keeps in a variable; several different ones are none.
fn kept(row: &Row, file: &Executable<'_>) -> Option<String> {
    let variables = Variables::of(file)?;
    let mut found: Option<&str> = None;
    for (place, text) in variables.texts(|text| is_version(text.trim_end())) {
        let is_near = |near: &dyn Fn(&str) -> bool| {
            (-3..=3).any(|distance| distance != 0 && variables.beside(place, distance).is_some_and(near))
        };
        let own = row.variables.iter().any(|variable| match *variable {
            Variable::After(before) => variables.beside(place, -1) == Some(before),
            Variable::Before(after) => variables.beside(place, 1) == Some(after),
            Variable::Near(text) => is_near(&|near| near == text),
            Variable::NearBuild => is_near(&is_build),
        });
        if own && found.is_some_and(|found| found != text) {
            return None;
        }
        if own {
            found = Some(text);
        }
    }
    found.map(|text| text.trim_end().to_owned())
}

/// Three numbers, and perhaps what makes it a candidate.
fn is_version(text: &str) -> bool {
    let (numbers, rest) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
    numbers.split('.').count() == 3
        && numbers.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
}

/// A commit or the time of a build: they stand beside the version where a linker sets them.
fn is_build(text: &str) -> bool {
    let commit =
        (7..=40).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let time = text.len() >= 20 && text.as_bytes().get(10) == Some(&b'T') && text.starts_with("20");
    commit || time
}
