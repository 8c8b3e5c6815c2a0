//! Paths of entries, made comparable: no leading `/` or `./`, no empty component, no `.` and no `..`.

use std::borrow::Cow;

/// The path leads out of the layer's root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Escapes;

/// Normalises the path of an entry. The root itself is the empty path.
///
/// Bytes that are not UTF-8 become U+FFFD and their two hexadecimal digits, and a real U+FFFD is doubled, so that
/// two names that differ stay different.
pub(super) fn normalise(raw: &[u8]) -> Result<Cow<'_, str>, Escapes> {
    let mut body = raw;
    while let Some(rest) = body.strip_prefix(b"/").or_else(|| body.strip_prefix(b"./")) {
        body = rest;
    }
    while let Some(rest) = body.strip_suffix(b"/") {
        body = rest;
    }
    if is_plain(body) {
        return Ok(readable(body));
    }
    let mut components: Vec<&[u8]> = Vec::new();
    for component in body.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                components.pop().ok_or(Escapes)?;
            }
            _ => components.push(component),
        }
    }
    Ok(Cow::Owned(readable(&components.join(&b'/')).into_owned()))
}

/// Text for bytes: as they are when they are UTF-8 without U+FFFD.
pub(super) fn readable(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\u{fffd}') => Cow::Borrowed(text),
        _ => {
            let mut text = String::with_capacity(bytes.len() + 8);
            for chunk in bytes.utf8_chunks() {
                text.push_str(&chunk.valid().replace('\u{fffd}', "\u{fffd}\u{fffd}"));
                for byte in chunk.invalid() {
                    text.push('\u{fffd}');
                    text.push_str(&format!("{byte:02X}"));
                }
            }
            Cow::Owned(text)
        }
    }
}

/// Whether every component is a name. Also true of the empty path.
fn is_plain(path: &[u8]) -> bool {
    path.is_empty()
        || path.split(|byte| *byte == b'/').all(|component| !matches!(component, b"" | b"." | b".."))
}

#[cfg(test)]
mod tests {
    use super::{Escapes, normalise};

    #[test]
    fn paths() {
        for (raw, expected) in [
            (&b"usr/bin/x"[..], "usr/bin/x"),
            (b"./usr//bin/./x/", "usr/bin/x"),
            (b"/.//etc/a/../b", "etc/b"),
            (b"./", ""),
            (b"", ""),
            (b".wh..wh..opq", ".wh..wh..opq"),
            (b"...", "..."),
            (b"a\xff", "a\u{fffd}FF"),
            ("a\u{fffd}FF".as_bytes(), "a\u{fffd}\u{fffd}FF"),
        ] {
            assert_eq!(normalise(raw).as_deref(), Ok(expected), "{raw:?}");
        }
        for raw in [&b"../x"[..], b"a/../../x", b"/..", b".."] {
            assert_eq!(normalise(raw), Err(Escapes), "{raw:?}");
        }
    }
}
