//! Ids of scans: 48 bits of milliseconds, then 80 random bits, in Crockford's base 32 in lower case (the layout of a ULID),
//! so that they sort by time.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: u32 = 26;

/// A new id.
pub(super) fn scan_id(now_ms: i64) -> String {
    // Each state has keys of its own, from the operating system's randomness.
    let random = || RandomState::new().build_hasher().finish();
    encode(u64::try_from(now_ms).unwrap_or(0), u128::from(random()) << 64 | u128::from(random()))
}

/// The lowest id of a scan that came at that time or later.
pub(crate) fn first_id(at_ms: i64) -> String {
    encode(u64::try_from(at_ms).unwrap_or(0), 0)
}

fn encode(ms: u64, random: u128) -> String {
    let value = u128::from(ms & 0xffff_ffff_ffff) << 80 | random & ((1 << 80) - 1);
    let digit = |place: u32| {
        let index = usize::try_from(value >> (5 * place) & 31).unwrap_or(0);
        char::from(ALPHABET.get(index).copied().unwrap_or(b'0'))
    };
    (0..LENGTH).rev().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_differ() {
        assert_eq!(encode(0, 0), "0".repeat(26));
        assert_eq!(encode(u64::MAX, u128::MAX), format!("7{}", "z".repeat(25)));
        assert!(encode(1_000, u128::MAX) < encode(1_001, 0));
        let (one, other) = (scan_id(5), scan_id(5));
        assert_ne!(one, other);
        assert_eq!(one.len(), 26);
    }
}
