//! Content digests: `sha256:` and 64 lower-case hexadecimal digits (OCI image specification, descriptors).

use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};

/// A sha256 digest that has been checked for its form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// A text that is not a digest that Strata supports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a digest of the form sha256:<64 hexadecimal digits>")]
pub struct BadDigest {
    text: String,
}

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of these bytes, one after the other.
    #[must_use]
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        parts.iter().for_each(|part| hasher.update(part));
        Self(hasher.finalize().into())
    }

    /// From the 32 bytes that a hasher returned.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// The first eight bytes as a number, big-endian: enough to tell the layers of a registry apart where nothing hangs on it
    /// but a count.
    #[must_use]
    pub fn prefix(&self) -> u64 {
        self.0.iter().take(8).fold(0, |prefix, byte| (prefix << 8) | u64::from(*byte))
    }

    /// The first sixteen bytes: still more than anybody finds two of.
    #[must_use]
    pub fn half(&self) -> [u8; 16] {
        self.0.first_chunk().copied().unwrap_or_default()
    }

    /// The 64 hexadecimal digits alone: safe as a NATS subject token, a Redis key and a file name.
    #[must_use]
    pub fn hex(&self) -> String {
        String::from_utf8(self.digits().to_vec()).unwrap_or_default()
    }

    /// From 64 hexadecimal digits, as [`Self::hex`] writes them; `None` for any other text.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        let (pairs, _) = <&[u8; 64]>::try_from(hex.as_bytes()).ok()?.as_chunks();
        let mut bytes = [0; 32];
        // All digits are judged at once: no branch for each.
        let mut all = 0;
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (high, low) = (value(*high), value(*low));
            all |= high | low;
            *byte = high << 4 | low;
        }
        (all <= 15).then_some(Self(bytes))
    }

    fn digits(&self) -> [u8; 64] {
        let mut digits = [0; 64];
        for ([high, low], byte) in digits.as_chunks_mut().0.iter_mut().zip(self.0) {
            (*high, *low) = (digit(byte >> 4), digit(byte & 15));
        }
        digits
    }
}

/// The digit of a number below 16.
const fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble }
}

/// The number of a digit; more than 15 where it is none.
const fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0xF0,
    }
}

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let bad = || BadDigest { text: text.chars().take(100).collect() };
        text.strip_prefix("sha256:").and_then(Self::from_hex).ok_or_else(bad)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In one piece, so that a text of it is allocated once.
        let mut text = *b"sha256:0000000000000000000000000000000000000000000000000000000000000000";
        if let Some((_, digits)) = text.split_last_chunk_mut() {
            *digits = self.digits();
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(empty.parse::<Digest>(), Ok(Digest::of(b"")));
        assert_eq!(Digest::of(b"").hex(), empty["sha256:".len()..]);
        assert_eq!(Digest::from_hex(&empty["sha256:".len()..]), Some(Digest::of(b"")));
        assert_eq!(Digest::from_hex(empty), None);
        for bad in [
            "",
            "sha256:",
            "sha512:00",
            &empty[..70],
            &empty.to_uppercase(),
            &format!("{empty}0"),
            "sha256:é",
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad} was accepted");
        }
    }

    /// Every byte at every place, against the formatter of the standard library.
    #[test]
    fn digits() {
        for byte in 0..=u8::MAX {
            for place in 0..32 {
                let mut bytes = [0x5a; 32];
                bytes[place] = byte;
                let digest = Digest::from_bytes(bytes);
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(digest.hex(), hex);
                assert_eq!(format!("sha256:{hex}").parse(), Ok(digest));
            }
            let (mut text, other) = (Digest::of(b"").to_string().into_bytes(), char::from(byte));
            text[40] = byte;
            if let Ok(text) = String::from_utf8(text) {
                let is_digit = other.is_ascii_digit() || ('a'..='f').contains(&other);
                assert_eq!(text.parse::<Digest>().is_ok(), is_digit, "{other:?}");
            }
        }
    }
}
