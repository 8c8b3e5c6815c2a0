//! Query strings and percent encoding (RFC 3986), as far as this API needs them.

/// Values of a key, in their order, decoded.
pub(crate) fn values(query: &str, key: &str) -> Vec<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == key).map(|(_, value)| decode(&value.replace('+', " "))).collect()
}

/// Percent-decodes; what is not valid stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.split_at_checked(2).filter(|_| first == b'%').and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = escaped.unwrap_or((first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Percent-encodes what a query's value may not hold.
pub(crate) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        assert_eq!(values("n=5&last=a%2Fb+c&n=6", "n"), ["5", "6"]);
        assert_eq!(values("n=5&last=a%2Fb+c&n=6", "last"), ["a/b c"]);
        assert_eq!(values("n", "n"), Vec::<String>::new());
        for (encoded, decoded) in
            [("a%3Ab", "a:b"), ("100%", "100%"), ("%zz", "%zz"), ("%C3%A9", "é"), ("", "")]
        {
            assert_eq!(decode(encoded), decoded);
        }
        assert_eq!(encode("a/b c&é"), "a/b%20c%26%C3%A9");
        assert_eq!(decode(&encode("a%b&=+ \u{fffd}")), "a%b&=+ \u{fffd}");
    }
}
