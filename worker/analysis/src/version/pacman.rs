//! Arch Linux: alpm's `vercmp`.
//!
//! alpm takes a version without a release as equal to every release of it, which no order can do; here it is below
//! them.

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, take},
    rpm,
};

/// Arch Linux: epoch, version, release.
pub static PACMAN: Scheme = Scheme { name: "pacman", compare };

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    let order =
        digits::compare(a.epoch, b.epoch).then_with(|| segments(a.version, b.version)).then_with(|| {
            match (a.release, b.release) {
                (Some(a), Some(b)) => segments(a, b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            }
        });
    Some(order)
}

/// A version, and a release, start with a letter or a digit.
fn parse(text: &str) -> Option<rpm::Evr<'_>> {
    let starts = |text: &[u8]| text.first().is_some_and(u8::is_ascii_alphanumeric);
    rpm::parse(text).filter(|evr| starts(evr.version) && evr.release.is_none_or(starts))
}

fn segments<'a>(mut a: &'a [u8], mut b: &'a [u8]) -> Ordering {
    while !a.is_empty() && !b.is_empty() {
        let ((a_gap, a_text), (b_gap, b_text)) = (gap(a), gap(b));
        (a, b) = (a_text, b_text);
        if a.is_empty() || b.is_empty() {
            break;
        }
        if a_gap.len() != b_gap.len() {
            return a_gap.len().cmp(&b_gap.len());
        }
        (a, b) = match rpm::segment(a, b) {
            Ok(rest) => rest,
            Err(order) => return order,
        };
    }
    // A word that is left over is a pre-release: below the end. All else that is left over is above it.
    let word = |text: &[u8]| text.first().is_some_and(u8::is_ascii_alphabetic);
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) if word(b) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, _) if word(a) => Ordering::Less,
        (false, _) => Ordering::Greater,
    }
}

/// The separators before the next segment.
fn gap(text: &[u8]) -> (&[u8], &[u8]) {
    take(text, |byte| !byte.is_ascii_alphanumeric())
}
