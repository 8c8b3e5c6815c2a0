//! Globs of include and exclude filters: `*` is any run of characters (slashes too), `?` is one character, all else
//! is itself. A pattern without a colon is about the repository alone.

/// Whether a pattern matches `repository:tag`.
pub(super) fn matches(pattern: &str, repository: &str, tag: &str) -> bool {
    if pattern.contains(':') {
        glob(pattern, &format!("{repository}:{tag}"))
    } else {
        glob(pattern, repository)
    }
}

/// Goes back to the last star only: time is at most pattern times text.
fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut star: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let mut after = pattern.clone();
        match (after.next(), text.clone().next()) {
            (Some('*'), _) => {
                pattern = after;
                star = Some((pattern.clone(), text.clone()));
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                pattern = after;
                text.next();
            }
            (None, None) => return true,
            _ => {
                let Some((from, rest)) = &mut star else { return false };
                if rest.next().is_none() {
                    return false;
                }
                pattern = from.clone();
                text = rest.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        for (pattern, repository, tag, want) in [
            ("*", "a/b", "1", true),
            ("*:*", "a/b", "1", true),
            ("team/*", "team/x/y", "1", true),
            ("team/*", "teams/x", "1", false),
            ("*:v?", "a", "v1", true),
            ("*:v?", "a", "v12", false),
            ("a*b*c", "aXbXbYc", "1", true),
            ("a*b*c", "aXcXb", "1", false),
            ("", "a", "1", false),
            ("a:", "a", "1", false),
            ("*:latest", "a/latest", "1", false),
            ("?", "é", "1", true),
        ] {
            assert_eq!(super::matches(pattern, repository, tag), want, "{pattern} on {repository}:{tag}");
        }
    }

    proptest! {
        #[test]
        fn a_text_matches_itself_and_every_shortening(text in "[a-c/]{0,12}", from in 0usize..12, to in 0usize..12) {
            prop_assert!(super::glob(&text, &text));
            let (from, to) = (from.min(to).min(text.len()), from.max(to).min(text.len()));
            let pattern = format!("{}*{}", &text[..from], &text[to..]);
            prop_assert!(super::glob(&pattern, &text));
        }
    }
}
