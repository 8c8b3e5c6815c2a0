//! opam: Debian's order over the whole version, without epochs and revisions.

use std::cmp::Ordering;

use super::{Scheme, deb};

/// opam.
pub static OPAM: Scheme = Scheme { name: "opam", compare };

fn compare(a: &str, b: &str) -> Option<Ordering> {
    (is_version(a) && is_version(b)).then(|| deb::part(a.as_bytes(), b.as_bytes()))
}

fn is_version(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'.' | b'~');
    !text.is_empty() && text.bytes().all(valid)
}
