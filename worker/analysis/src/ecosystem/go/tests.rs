use super::*;

#[test]
fn releases_become_semantic_versions() {
    for (text, expected) in [
        ("go1.21.3", Some("1.21.3")),
        ("go1.20", Some("1.20.0")),
        ("go1.22rc1", Some("1.22.0-rc.1")),
        ("go1.18beta2", Some("1.18.0-beta.2")),
        ("go1.21.3 X:boringcrypto", Some("1.21.3")),
        ("go1.23.4-X:nocoverageredesign", Some("1.23.4")),
        ("devel go1.23-abcdef", None),
        ("go1", None),
        ("go1..2", None),
        ("", None),
    ] {
        assert_eq!(release(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn urls_are_in_lower_case_and_advisories_are_not() {
    let module = package("github.com/Masterminds/Semver/v3", "v3.2.1");
    assert_eq!(package_url(&module, None), "pkg:golang/github.com/masterminds/semver/v3@v3.2.1");
    assert_eq!(advisory_keys(&module, None)[0].name, "github.com/Masterminds/Semver/v3");
}
