//! How a file's name and its bytes tell a product and its version.

use std::cmp::Ordering;

use crate::{
    bytes::{find, terminated},
    version,
};

/// Which file names a product has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Name {
    /// This name.
    Is(&'static str),
    /// This name, and perhaps a version after it: `php`, `php8.2`, `python3.11`.
    Numbered(&'static str),
    /// A shared library whose name starts like this: `libcrypto.so.3`, `libpython3.11.so.1.0`.
    Library(&'static str),
}

/// Where a version stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Find {
    /// Between two texts. The last `keep` bytes of the first belong to the version; the second may be empty.
    Between { before: &'static [u8], keep: usize, after: &'static [u8] },
    /// Digits and dots after a text, then a space, or a patch level that is not part of a release's version: `3.1.2p20 `.
    Release(&'static [u8]),
    /// Digits and dots just before a text, or before the NULs that stand before it.
    Before(&'static [u8]),
    /// Digits and dots after a text, whatever follows. The last `keep` bytes of the text belong to the version.
    Number { before: &'static [u8], keep: usize },
    /// The only string of its own that is a version between these two, the first included, in a file with this text.
    Only { from: &'static str, to: &'static str, proof: &'static [u8] },
    /// A string of its own that continues the number in the file's name: `3.11.4` in `libpython3.11.so`.
    NumberInName,
    /// A string of its own, with which the string before this text starts too, other things glued to it.
    Glued(&'static [u8]),
}

/// After a text, whatever follows.
pub(super) const fn after(before: &'static [u8]) -> Find {
    Find::Between { before, keep: 0, after: b"" }
}

/// Digits and dots after a text, whatever follows.
pub(super) const fn number(before: &'static [u8]) -> Find {
    Find::Number { before, keep: 0 }
}

/// Between two texts.
pub(super) const fn between(before: &'static [u8], after: &'static [u8]) -> Find {
    Find::Between { before, keep: 0, after }
}

/// Where a Go program keeps its version, if its module does not tell it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Variable {
    /// In the string variable right after one with this text.
    After(&'static str),
    /// In the string variable right before one with this text; an empty one is one that the linker set so.
    Before(&'static str),
    /// In a string variable near one with this text.
    Near(&'static str),
    /// In a string variable near the commit or the time of the build.
    NearBuild,
}

/// A product, by the name that reports give it, its vendor and product in CPE names, and the least count of numbers in its
/// versions.
pub(super) const fn product(product: &'static str, cpe: &'static str, parts: usize) -> Row {
    Row { product, names: &[], finds: &[], modules: &[], variables: &[], parts, cpe, bitnami: "" }
}

/// A product.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) product: &'static str,
    pub(super) names: &'static [Name],
    pub(super) finds: &'static [Find],
    /// Go modules that are the product, the module's own first; empty for other programs.
    pub(super) modules: &'static [&'static str],
    /// Where the Go program keeps its version.
    pub(super) variables: &'static [Variable],
    /// Numbers that a version has at least.
    pub(super) parts: usize,
    /// Vendor and product in CPE names.
    pub(super) cpe: &'static str,
    /// The product's name in Bitnami's advisories; empty where it has none.
    pub(super) bitnami: &'static str,
}

/// Bytes of the longest version.
const VERSION_BYTES: usize = 40;

impl Row {
    /// The names of its files.
    pub(super) const fn named(self, names: &'static [Name]) -> Self {
        Self { names, ..self }
    }

    /// Where its version stands.
    pub(super) const fn found(self, finds: &'static [Find]) -> Self {
        Self { finds, ..self }
    }

    /// The Go modules that are the product.
    pub(super) const fn built_from(self, modules: &'static [&'static str]) -> Self {
        Self { modules, ..self }
    }

    /// Where the Go program keeps its version.
    pub(super) const fn kept(self, variables: &'static [Variable]) -> Self {
        Self { variables, ..self }
    }

    /// Its name in Bitnami's advisories.
    pub(super) const fn listed(self, bitnami: &'static str) -> Self {
        Self { bitnami, ..self }
    }

    /// Whether a file's name is the product's.
    pub(super) fn matches(&self, name: &str) -> bool {
        self.names.iter().any(|pattern| match *pattern {
            Name::Is(known) => name == known,
            Name::Numbered(start) => name.strip_prefix(start).is_some_and(is_number),
            Name::Library(start) => name.starts_with(start) && name.contains(".so"),
        })
    }

    /// The product's version, where the bytes carry its signature.
    pub(super) fn version(&self, name: &str, bytes: &[u8]) -> Option<String> {
        self.finds.iter().find_map(|place| match *place {
            Find::Between { before, keep, after } => self.between(bytes, before, keep, after),
            Find::Release(before) => self.release(bytes, before),
            Find::Before(after) => self.before(bytes, after),
            Find::Number { before, keep } => self.number(bytes, before, keep),
            Find::Only { from, to, proof } => self.only(bytes, (from, to), proof),
            Find::NumberInName => self.number_in_name(name, bytes),
            Find::Glued(after) => self.glued(bytes, after),
        })
    }

    fn between(&self, bytes: &[u8], before: &[u8], keep: usize, after: &[u8]) -> Option<String> {
        let mut from = 0;
        while let Some(at) = find(bytes, before, from) {
            let end = at.checked_add(before.len())?;
            let rest = bytes.get(end.checked_sub(keep)?..)?;
            let rest = rest.get(..VERSION_BYTES + after.len()).unwrap_or(rest);
            let length = if after.is_empty() {
                rest.iter().position(|&byte| !is_version_byte(byte)).unwrap_or(rest.len())
            } else {
                find(rest, after, 0).unwrap_or(0)
            };
            if let Some(version) = rest.get(..length).and_then(|bytes| self.sound(bytes)) {
                return Some(version);
            }
            from = end;
        }
        None
    }

    fn release(&self, bytes: &[u8], before: &[u8]) -> Option<String> {
        let mut from = 0;
        while let Some(at) = find(bytes, before, from) {
            let end = at.checked_add(before.len())?;
            let rest = bytes.get(end..)?;
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
            let (version, follows) = rest.split_at_checked(length)?;
            let patched = matches!(follows, [b'p', digit, ..] if digit.is_ascii_digit());
            if let Some(version) = self.sound(version).filter(|_| patched || follows.starts_with(b" ")) {
                return Some(version);
            }
            from = end;
        }
        None
    }

    fn before(&self, bytes: &[u8], after: &[u8]) -> Option<String> {
        let mut from = 0;
        while let Some(at) = find(bytes, after, from) {
            let head = bytes.get(at.saturating_sub(VERSION_BYTES)..at)?;
            let end = head.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            let head = head.get(..end)?;
            let length = head.iter().rev().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
            if let Some(version) = head.get(end - length..).and_then(|bytes| self.sound(bytes)) {
                return Some(version);
            }
            from = at.checked_add(after.len())?;
        }
        None
    }

    fn number(&self, bytes: &[u8], before: &[u8], keep: usize) -> Option<String> {
        let mut from = 0;
        while let Some(at) = find(bytes, before, from) {
            from = at.checked_add(before.len())?;
            let rest = bytes.get(from.checked_sub(keep)?..)?;
            let rest = rest.get(..VERSION_BYTES).unwrap_or(rest);
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
            if let Some(version) = rest.get(..length).and_then(|bytes| self.sound(bytes)) {
                return Some(version);
            }
        }
        None
    }

    fn only(&self, bytes: &[u8], (from, to): (&str, &str), proof: &[u8]) -> Option<String> {
        find(bytes, proof, 0)?;
        let order = version::SEMVER.compare;
        let within = |text: &str| {
            order(text, from).is_some_and(|order| order != Ordering::Less)
                && order(text, to) == Some(Ordering::Less)
        };
        let mut found: Option<String> = None;
        let texts = bytes.split(|&byte| byte == 0).filter(|text| (5..=VERSION_BYTES).contains(&text.len()));
        for text in texts.filter(|text| text.first().is_some_and(u8::is_ascii_digit)) {
            let Some(version) = self.sound(text).filter(|version| within(version)) else { continue };
            if found.as_ref().is_some_and(|found| *found != version) {
                return None;
            }
            found = Some(version);
        }
        found
    }

    fn number_in_name(&self, name: &str, bytes: &[u8]) -> Option<String> {
        let start = name.find(|letter: char| letter.is_ascii_digit())?;
        let number: String = name
            .get(start..)?
            .chars()
            .take_while(|letter| letter.is_ascii_digit() || *letter == '.')
            .collect();
        let number = number.trim_end_matches('.');
        // A name with one number, as libpython3.so has it, belongs to a library that only points to the real one.
        let needle = [b"\0", number.as_bytes(), b"."].concat();
        let mut from = 0;
        while let Some(at) = find(bytes, &needle, from).filter(|_| number.contains('.')) {
            let text = terminated(bytes, at.checked_add(1)?)?;
            if let Some(version) = self.sound(text) {
                return Some(version);
            }
            from = at.checked_add(needle.len())?;
        }
        None
    }

    fn glued(&self, bytes: &[u8], after: &[u8]) -> Option<String> {
        let end = find(bytes, after, 0)?;
        let head = bytes.get(end.saturating_sub(4 * VERSION_BYTES)..end)?;
        let glued = head.rsplit(|&byte| byte == 0).next()?;
        // The longest version that stands alone somewhere wins: 7.0.15 rather than 7.0.1. The whole string is none.
        let alone =
            bytes.split(|&byte| byte == 0).filter(|text| text.len() < glued.len() && glued.starts_with(text));
        alone.filter_map(|text| self.sound(text)).max_by_key(String::len)
    }

    /// The version, when it is one.
    fn sound(&self, bytes: &[u8]) -> Option<String> {
        let text = str::from_utf8(bytes).ok()?.trim_end_matches(['.', '-', '+', '~']);
        let numbers: Vec<&str> = text.split(['-', '+', '~']).next()?.split('.').collect();
        let sound = text.len() <= VERSION_BYTES
            && text.bytes().all(is_version_byte)
            && numbers.len() >= self.parts
            && numbers.iter().all(|number| number.starts_with(|first: char| first.is_ascii_digit()));
        sound.then(|| text.to_owned())
    }
}

/// Digits and dots, or nothing.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn is_version_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-+~".contains(&byte)
}
