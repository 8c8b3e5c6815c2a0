//! Numbers with dots or hyphens between them, and nothing else: CRAN's packages and Hackage's. A version that only
//! continues is above: `1.0` is below `1.0.0`.

use std::cmp::Ordering;

use super::{Scheme, digits};

/// CRAN and Hackage.
pub static DOTTED: Scheme = Scheme { name: "dotted", compare };

fn compare(a: &str, b: &str) -> Option<Ordering> {
    if !(is_version(a) && is_version(b)) {
        return None;
    }
    let (mut a, mut b) = (a.as_bytes().split(is_separator), b.as_bytes().split(is_separator));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Some(Ordering::Equal),
            (Some(left), Some(right)) => digits::compare(left, right),
            (left, right) => left.is_some().cmp(&right.is_some()),
        };
        if order.is_ne() {
            return Some(order);
        }
    }
}

fn is_version(text: &str) -> bool {
    text.as_bytes().split(is_separator).all(digits::is_number)
}

const fn is_separator(byte: &u8) -> bool {
    matches!(byte, b'.' | b'-')
}
