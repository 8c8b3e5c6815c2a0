//! NuGet: `NuGetVersion`: up to four numbers, then a pre-release that ignores case.

use std::cmp::Ordering;

use super::{Scheme, digits::take, semver};

/// NuGet.
pub static NUGET: Scheme = Scheme { name: "nuget", compare };

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a_core, a_pre) = parse(a)?;
    let (b_core, b_pre) = parse(b)?;
    let order = semver::numbers(a_core, b_core).then_with(|| match (a_pre.is_empty(), b_pre.is_empty()) {
        (false, false) => semver::identifiers(a_pre.split(dot), b_pre.split(dot), without_case),
        (a, b) => a.cmp(&b),
    });
    Some(order)
}

fn parse(text: &str) -> Option<(&[u8], &[u8])> {
    let (core, rest) = take(text.trim().as_bytes(), |byte| byte.is_ascii_digit() || byte == b'.');
    let pre = semver::tail(rest)?;
    let valid = core.split(dot).all(|number| !number.is_empty()) && core.split(dot).count() <= 4;
    valid.then_some((core, pre))
}

const fn dot(byte: &u8) -> bool {
    *byte == b'.'
}

fn without_case(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(u8::to_ascii_uppercase).cmp(b.iter().map(u8::to_ascii_uppercase))
}
