//! `WWW-Authenticate`: which login a registry asks for (RFC 9110, section 11.6; RFC 6750; distribution token
//! specification).

use super::scan::Scanner;

/// Challenges of one answer that are looked at.
const MAX_CHALLENGES: usize = 16;
const SPACE: [char; 2] = [' ', '\t'];

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// User name and password with every request.
    Basic,
    /// A token that the realm hands out.
    Bearer {
        /// Address of the token service.
        realm: String,
        /// Name of the registry at that service; may be empty.
        service: String,
    },
}

/// The best challenge of an answer's headers that can be met: a token rather than a password.
pub fn choose<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let mut basic = None;
    for (scheme, parameters) in headers.flat_map(parse).take(MAX_CHALLENGES) {
        if scheme.eq_ignore_ascii_case("bearer") {
            let get = |wanted: &str| {
                parameters
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                    .map(|(_, value)| value.clone())
            };
            if let Some(realm) = get("realm").filter(|realm| !realm.is_empty()) {
                return Some(Challenge::Bearer { realm, service: get("service").unwrap_or_default() });
            }
        } else if scheme.eq_ignore_ascii_case("basic") {
            basic = Some(Challenge::Basic);
        }
    }
    basic
}

/// All challenges of one header: scheme and parameters.
fn parse(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut scanner = Scanner::new(header);
    let mut challenges = Vec::new();
    while challenges.len() < MAX_CHALLENGES {
        scanner.skip(&[' ', '\t', ',']);
        if scanner.is_done() {
            break;
        }
        let scheme = scanner.token().to_owned();
        if scheme.is_empty() {
            scanner.step();
            continue;
        }
        scanner.skip(&SPACE);
        let mut parameters = Vec::new();
        while scanner.at_parameter() && parameters.len() < MAX_CHALLENGES {
            let name = scanner.token().to_owned();
            scanner.skip(&SPACE);
            scanner.eat('=');
            scanner.skip(&SPACE);
            parameters.push((name, scanner.value()));
            scanner.skip(&[' ', '\t', ',']);
        }
        if parameters.is_empty() {
            // A bare value (`Negotiate dG9rZW4=`): nothing that is met here.
            scanner.take(|c| c != ',');
        }
        challenges.push((scheme, parameters));
    }
    challenges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: &str) -> Option<Challenge> {
        Some(Challenge::Bearer { realm: realm.to_owned(), service: service.to_owned() })
    }

    #[test]
    fn headers_of_real_registries() {
        for (headers, want) in [
            (
                vec![
                    r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull""#,
                ],
                bearer("https://auth.example/token", "registry.example"),
            ),
            (vec![r#"Bearer realm="https://auth.example/token""#], bearer("https://auth.example/token", "")),
            (vec![r#"bearer  Realm = "https://a/t" , Service=s"#], bearer("https://a/t", "s")),
            (vec![r#"Basic realm="Registry Realm""#], Some(Challenge::Basic)),
            (vec!["Basic"], Some(Challenge::Basic)),
            (
                vec![r#"Basic realm="a, b", Bearer realm="https://a/t",service="s""#],
                bearer("https://a/t", "s"),
            ),
            (vec![r#"Basic realm="x""#, r#"Bearer realm="https://a/t""#], bearer("https://a/t", "")),
            (vec!["Negotiate dG9rZW4=, Basic realm=x"], Some(Challenge::Basic)),
            (vec![r#"Bearer error="invalid_token""#], None),
            (vec![r#"Bearer realm="a\"b""#], bearer("a\"b", "")),
            (vec![r#"Digest realm="x", nonce="y""#], None),
            (vec!["", ",,,", "=", "\"", "é"], None),
        ] {
            assert_eq!(choose(headers.iter().copied()), want, "{headers:?}");
        }
    }

    proptest! {
        #[test]
        fn nonsense_never_panics(text in "[ -~é]{0,200}") {
            let _ = choose(std::iter::once(text.as_str()));
        }

        #[test]
        fn what_is_written_is_read(realm in "https://[a-z]{1,20}/[ -~]{0,30}", service in "[ -~]{0,30}", before in "(Basic realm=\"[a-z]{0,5}\", )?") {
            let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!(
                r#"{before}Bearer realm="{}",service="{}",scope="registry:catalog:*""#, escape(&realm), escape(&service)
            );
            prop_assert_eq!(choose(std::iter::once(header.as_str())), bearer(&realm, &service));
        }
    }
}
