//! RPM distributions: `epoch:version-release`, compared as rpm does; tilde sorts before the end, caret just after it.

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, split_at_last_mark, take, take_digits},
};

/// RPM: epoch, version, release.
pub static RPM: Scheme = Scheme { name: "rpm", compare };

/// An EVR, split as rpm and pacman split it.
pub(super) struct Evr<'a> {
    /// Empty for none, which counts as zero.
    pub(super) epoch: &'a [u8],
    pub(super) version: &'a [u8],
    pub(super) release: Option<&'a [u8]>,
}

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

/// Splits off an epoch (digits before a colon) and a release (after the last hyphen). `None` when the text is empty
/// or has white space or control characters.
pub(super) fn parse(text: &str) -> Option<Evr<'_>> {
    if text.is_empty() || text.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return None;
    }
    let (first, rest) = take_digits(text.as_bytes());
    let (epoch, rest) = match rest.strip_prefix(b":") {
        Some(rest) => (first, rest),
        None => (&[][..], text.as_bytes()),
    };
    let (version, release) = split_at_last_mark(rest, b'-');
    Some(Evr { epoch, version, release })
}

fn segments<'a>(mut a: &'a [u8], mut b: &'a [u8]) -> Ordering {
    let counts = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'~' | b'^');
    loop {
        (_, a) = take(a, |byte| !counts(byte));
        (_, b) = take(b, |byte| !counts(byte));
        let rest = match (a.split_first(), b.split_first()) {
            (None, None) => return Ordering::Equal,
            (Some((b'~', a)), Some((b'~', b))) | (Some((b'^', a)), Some((b'^', b))) => (a, b),
            (Some((b'~', _)), _) => return Ordering::Less,
            (_, Some((b'~', _))) => return Ordering::Greater,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some((b'^', _)), _) => return Ordering::Less,
            (_, Some((b'^', _))) => return Ordering::Greater,
            (Some(_), Some(_)) => match segment(a, b) {
                Ok(rest) => rest,
                Err(order) => return order,
            },
        };
        (a, b) = rest;
    }
}

/// Compares the leading runs of digits or of letters: what follows them, or how they differ. A number is above a
/// word.
pub(super) fn segment<'a>(a: &'a [u8], b: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Ordering> {
    let ((left, a_rest), (right, b_rest)) = (run(a), run(b));
    let number = |text: &[u8]| text.first().is_some_and(u8::is_ascii_digit);
    let order = match (number(left), number(right)) {
        (true, true) => digits::compare(left, right),
        (false, false) => left.cmp(right),
        (left, right) => left.cmp(&right),
    };
    if order.is_eq() { Ok((a_rest, b_rest)) } else { Err(order) }
}

fn run(text: &[u8]) -> (&[u8], &[u8]) {
    match text.first() {
        Some(byte) if byte.is_ascii_digit() => take_digits(text),
        _ => take(text, |byte| byte.is_ascii_alphabetic()),
    }
}
