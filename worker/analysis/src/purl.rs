//! Package URLs (purl specification, ECMA-427): `pkg:type/namespace/name@version?qualifiers#subpath`.

use std::fmt::Write as _;

/// Writes a package URL. Namespace segments are given apart, already in the case that the type asks for; empty segments,
/// an empty version and qualifiers without a value are left out. Qualifiers are ordered by their key.
#[must_use]
pub fn purl(
    kind: &str,
    namespace: &[&str],
    name: &str,
    version: &str,
    qualifiers: &[(&str, &str)],
) -> String {
    let mut text = String::with_capacity(16 + name.len() + version.len());
    text.push_str("pkg:");
    text.push_str(kind);
    for segment in namespace.iter().filter(|segment| !segment.is_empty()) {
        text.push('/');
        encode(&mut text, segment);
    }
    text.push('/');
    encode(&mut text, name);
    if !version.is_empty() {
        text.push('@');
        encode(&mut text, version);
    }
    let mut qualifiers: Vec<_> = qualifiers.iter().filter(|(_, value)| !value.is_empty()).collect();
    qualifiers.sort_unstable();
    for (number, (key, value)) in qualifiers.into_iter().enumerate() {
        text.push(if number == 0 { '?' } else { '&' });
        text.push_str(key);
        text.push('=');
        encode(&mut text, value);
    }
    text
}

/// Percent-encodes all but the unreserved characters and the colon, which the specification leaves as it is.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::purl;

    #[test]
    fn parts_are_encoded_and_ordered() {
        for (actual, expected) in [
            (purl("npm", &["@angular"], "core", "1.0.0-rc+1", &[]), "pkg:npm/%40angular/core@1.0.0-rc%2B1"),
            (
                purl(
                    "deb",
                    &["debian"],
                    "libstdc++6",
                    "1:2~3",
                    &[("distro", "debian-12"), ("arch", "amd64")],
                ),
                "pkg:deb/debian/libstdc%2B%2B6@1:2~3?arch=amd64&distro=debian-12",
            ),
            (purl("generic", &[""], "a b/c", "", &[("x", "")]), "pkg:generic/a%20b%2Fc"),
            (purl("pypi", &[], "é", "1", &[]), "pkg:pypi/%C3%A9@1"),
        ] {
            assert_eq!(actual, expected);
        }
    }
}
