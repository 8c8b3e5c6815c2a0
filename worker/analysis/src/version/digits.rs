//! Numbers as the text writes them: any length, no overflow, no allocation.

use std::cmp::Ordering;

/// Compares two runs of digits as numbers. Empty counts as zero.
#[inline]
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (without_zeros(a), without_zeros(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The run without its leading zeros; empty for zero.
#[inline]
pub(super) fn without_zeros(mut digits: &[u8]) -> &[u8] {
    while let [b'0', rest @ ..] = digits {
        digits = rest;
    }
    digits
}

/// Splits the leading bytes that satisfy `keep` from the rest.
#[inline]
pub(super) fn take(text: &[u8], keep: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|&byte| !keep(byte)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, &[]))
}

/// Splits the leading digits from the rest.
#[inline]
pub(super) fn take_digits(text: &[u8]) -> (&[u8], &[u8]) {
    take(text, |byte| byte.is_ascii_digit())
}

/// Whether the text is one or more digits and nothing else.
#[inline]
pub(super) fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// Splits at the first `mark`: before it, and after it where there is one.
#[inline]
pub(super) fn split_at_mark(text: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    let (before, rest) = take(text, |byte| byte != mark);
    (before, rest.split_first().map(|(_, after)| after))
}

/// Splits at the last `mark`: before it, and after it where there is one.
#[inline]
pub(super) fn split_at_last_mark(text: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    let Some(at) = text.iter().rposition(|&byte| byte == mark) else { return (text, None) };
    match text.split_at_checked(at) {
        Some((before, rest)) => (before, rest.split_first().map(|(_, after)| after)),
        None => (text, None),
    }
}
