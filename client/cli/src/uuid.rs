//! Identifiers that are the same for the same thing (RFC 9562, version 5: a SHA-1 over names).

use sha1::{Digest as _, Sha1};

/// Strata's own name space; drawn once, never to change: all identifiers would with it.
const SPACE: [u8; 16] =
    [0x8f, 0x5e, 0x3c, 0x52, 0x64, 0x0b, 0x4d, 0x0f, 0x9a, 0x4e, 0x1b, 0x77, 0x35, 0xd2, 0x6c, 0x90];

/// The identifier of these names in this order. Where one name ends and the next begins counts.
#[must_use]
pub fn of(names: &[&str]) -> String {
    let mut hash = Sha1::new();
    hash.update(SPACE);
    for name in names {
        hash.update(u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(name.as_bytes());
    }
    let digest = hash.finalize();
    let mut text = String::with_capacity(36);
    for (at, byte) in digest.iter().take(16).enumerate() {
        let byte = match at {
            6 => byte & 0x0f | 0x50,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        if [4, 6, 8, 10].contains(&at) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn names_make_identifiers_of_version_five() {
        let id = of(&["a", "bc"]);
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes().get(14), Some(&b'5'), "{id}");
        assert!(id.get(19..20).is_some_and(|c| "89ab".contains(c)), "{id}");
        assert_eq!(id, of(&["a", "bc"]));
        assert_ne!(id, of(&["ab", "c"]));
    }
}
