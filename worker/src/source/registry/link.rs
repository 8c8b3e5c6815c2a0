//! `Link`: where the next page is (RFC 8288).

use url::Url;

use super::scan::Scanner;

/// The target of the first link whose relation is `next`.
pub fn next(header: &str) -> Option<String> {
    let mut scanner = Scanner::new(header);
    while !scanner.is_done() {
        scanner.skip(&[' ', '\t', ',']);
        if !scanner.eat('<') {
            scanner.step();
            continue;
        }
        let target = scanner.take(|c| c != '>').trim().to_owned();
        if !scanner.eat('>') {
            return None;
        }
        let mut is_next = false;
        loop {
            scanner.skip(&[' ', '\t']);
            if !scanner.eat(';') {
                break;
            }
            scanner.skip(&[' ', '\t']);
            let name = scanner.token().to_owned();
            scanner.skip(&[' ', '\t']);
            let value = if scanner.eat('=') {
                scanner.skip(&[' ', '\t']);
                scanner.value()
            } else {
                String::new()
            };
            is_next |= name.eq_ignore_ascii_case("rel")
                && value.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"));
        }
        if is_next && !target.is_empty() {
            return Some(target);
        }
    }
    None
}

/// A link's target as a path with its query, if it stays on the host that gave it. The port may differ: registries
/// behind a proxy do not know the one that they are reached by, and the path is asked of the same server anyway.
pub fn same_host(page: &Url, target: &str) -> Option<String> {
    let url = page.join(target).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host() != page.host() {
        return None;
    }
    Some(match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn links_of_real_registries() {
        for (header, want) in [
            (r#"</v2/_catalog?last=b&n=100>; rel="next""#, Some("/v2/_catalog?last=b&n=100")),
            (r#"<https://r.example/v2/_catalog?n=1>;rel=next"#, Some("https://r.example/v2/_catalog?n=1")),
            (r#"</prev>; rel="prev", </next>; title="a, b; c"; rel="last NEXT""#, Some("/next")),
            (r#"</prev>; rel="prev""#, None),
            ("</v2/unfinished", None),
            ("<>; rel=next", None),
            ("rel=next", None),
            ("", None),
        ] {
            assert_eq!(next(header).as_deref(), want, "{header}");
        }
    }

    #[test]
    fn only_the_same_host_is_followed() {
        let page = Url::parse("https://r.example:5000/v2/_catalog?n=100").unwrap();
        for (target, want) in [
            ("/v2/_catalog?last=b", Some("/v2/_catalog?last=b")),
            ("?last=c", Some("/v2/_catalog?last=c")),
            ("https://r.example:5000/x", Some("/x")),
            ("http://r.example/x?y", Some("/x?y")),
            ("https://evil.example/x", None),
            ("//evil.example/x", None),
            ("file:///etc/passwd", None),
            ("https://", None),
        ] {
            assert_eq!(same_host(&page, target).as_deref(), want, "{target}");
        }
    }

    proptest! {
        #[test]
        fn nonsense_never_panics(text in "[ -~é]{0,200}") {
            let page = Url::parse("http://127.0.0.1/v2/").unwrap();
            if let Some(path) = next(&text).and_then(|target| same_host(&page, &target)) {
                prop_assert!(path.starts_with('/'));
            }
        }

        #[test]
        fn what_is_written_is_read(target in "/[a-z0-9/_?=&%.-]{0,60}", title in "[ -~&&[^\"\\\\]]{0,20}") {
            let header = format!(r#"</other>; rel=prev, <{target}>; title="{title}"; rel="next""#);
            prop_assert_eq!(next(&header), Some(target));
        }
    }
}
