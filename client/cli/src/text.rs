//! Text from images made fit for a place where some characters mean something. Names in an image are whatever its maker
//! wrote: markup, terminal sequences, formulas, marks that turn the order of letters round.

use std::fmt::Write as _;

/// As it is, but control characters and those that reorder text are shown by their number: one line, no surprise.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_tricky(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters, line and paragraph separators, marks of direction, and what no XML may hold.
fn is_tricky(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
        || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// For the text and the attributes of XML and HTML, after [`plain`].
#[must_use]
pub fn markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// For a URI: everything but its unreserved characters and `/` becomes `%XX` (RFC 3986).
#[must_use]
pub fn uri_path(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// As [`uri_path`], with `/` as `%2F`.
#[must_use]
pub fn uri_part(text: &str) -> String {
    uri_path(text).replace('/', "%2F")
}

/// At most so many characters, the last of them an ellipsis where something was cut.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_gets_only_what_it_bears() {
        let hostile = "a<b>&\"'\n\u{1b}[31m\u{202e}🦀";
        assert_eq!(plain(hostile), "a<b>&\"'\\u{a}\\u{1b}[31m\\u{202e}🦀");
        assert_eq!(markup(hostile), "a&lt;b&gt;&amp;&quot;&#39;\\u{a}\\u{1b}[31m\\u{202e}🦀");
        assert_eq!(uri_path("usr/lib/a b@c🦀"), "usr/lib/a%20b%40c%F0%9F%A6%80");
        assert_eq!(uri_part("a/b"), "a%2Fb");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("🦀🦀", 2), "🦀🦀");
    }
}
