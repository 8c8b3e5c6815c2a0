//! Go modules (`v1.2.3`, pseudo-versions, `+incompatible`) and the Go toolchain (`go1.21.3`, `1.22rc1`).
//!
//! Advisories write a release candidate of the toolchain as a semantic version, `1.22.0-rc.1`, and so it is compared.
//! A toolchain without its third number is the first release of its line, as it was until Go 1.20.

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, take, take_digits},
    semver,
};

/// Go modules and the Go toolchain.
pub static GO: Scheme = Scheme { name: "go", compare };

struct Version<'a> {
    core: &'a [u8],
    /// What comes after the numbers, empty for a release.
    pre: &'a [u8],
    /// The number that a toolchain puts right after `pre`.
    candidate: Option<&'a [u8]>,
}

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    let order = semver::numbers(a.core, b.core).then_with(|| match (a.pre.is_empty(), b.pre.is_empty()) {
        (false, false) => semver::identifiers(a.identifiers(), b.identifiers(), <[u8]>::cmp),
        (a, b) => a.cmp(&b),
    });
    Some(order)
}

impl<'a> Version<'a> {
    fn identifiers(&self) -> impl Iterator<Item = &'a [u8]> {
        self.pre.split(|&byte| byte == b'.').chain(self.candidate)
    }
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.as_bytes();
    let text = match text.strip_prefix(b"go") {
        // Whoever builds a toolchain may add a suffix, and a build names its experiments after a space.
        Some(toolchain) => take(toolchain, |byte| !matches!(byte, b'-' | b'+' | b' ')).0,
        None => text.strip_prefix(b"v").unwrap_or(text),
    };
    let (core, rest) = take(text, |byte| byte.is_ascii_digit() || byte == b'.');
    let mut numbers = core.split(|&byte| byte == b'.');
    if numbers.any(<[u8]>::is_empty) || core.split(|&byte| byte == b'.').count() > 3 {
        return None;
    }
    let (word, after) = take(rest, |byte| byte.is_ascii_lowercase());
    if matches!(word, b"alpha" | b"beta" | b"rc") {
        let (number, after) = take_digits(after);
        let valid = after.is_empty() && digits::is_number(number);
        return valid.then_some(Version { core, pre: word, candidate: Some(number) });
    }
    Some(Version { core, pre: semver::tail(rest)?, candidate: None })
}
