//! Patterns over repositories and names: `*` stops at a slash, `**` does not.

/// Whether the whole text matches. Time is bounded by the product of both lengths.
#[must_use]
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // reached: whether the pattern so far matches the first n characters.
    let mut reached: Vec<bool> = std::iter::once(true).chain(text.iter().map(|_| false)).collect();
    let mut rest = pattern.chars().peekable();
    while let Some(part) = rest.next() {
        let deep = part == '*' && rest.next_if_eq(&'*').is_some();
        let mut next = Vec::with_capacity(reached.len());
        let mut before = false;
        let shifted = std::iter::once((false, '\0')).chain(reached.iter().copied().zip(text.iter().copied()));
        for (here, (previous, character)) in reached.iter().copied().zip(shifted) {
            let now = match part {
                '*' => here || (before && (deep || character != '/')),
                '?' => previous && character != '/' && character != '\0',
                literal => previous && character == literal,
            };
            next.push(now);
            before = now;
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stop_at_slashes_unless_there_are_two() {
        for (pattern, text, expected) in [
            ("acme/**", "acme/app", true),
            ("acme/**", "acme/team/app", true),
            ("acme/*", "acme/team/app", false),
            ("acme/*", "acme/app", true),
            ("acme/**", "acme", false),
            ("*PASSWORD*", "DB_PASSWORD_FILE", true),
            ("*PASSWORD*", "PASS", false),
            ("app", "app", true),
            ("app", "apps", false),
            ("a?p", "app", true),
            ("a?p", "ap", false),
            ("", "", true),
            ("*", "", true),
            ("**", "a/b", true),
            ("a*b*c", "a-b-b-c", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
