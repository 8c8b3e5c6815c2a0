use super::*;

#[test]
fn linker_flags_tell_a_version_only_when_they_agree() {
    for (flags, expected) in [
        ("-X main.version=v1.4.2", Some("1.4.2")),
        ("\"-s -w -X 'k8s.io/component-base/version.gitVersion=v1.28.2+k3s1'\"", Some("1.28.2+k3s1")),
        ("-X=main.Version=2.0.0-rc.1", Some("2.0.0-rc.1")),
        ("-X main.version=1.0.0 -X lib.Version=2.0.0", None),
        ("-X main.version=1.0.0 -X lib.Version=v1.0.0", Some("1.0.0")),
        ("-X main.commit=1.0.0 -X main.goversion=1.21.0", None),
        ("-X main.version=dev", None),
        ("", None),
    ] {
        let mut main = Package::plain("m", DEVELOPMENT);
        let setting = format!("-ldflags={flags}");
        settle_version(&mut main, &[&setting]);
        let expected = expected.map_or_else(|| DEVELOPMENT.to_owned(), |version| format!("v{version}"));
        assert_eq!(main.version, expected, "{flags}");
    }
}

#[test]
fn what_the_linker_set_stands_beside_the_release() {
    for (bytes, expected) in [
        (&b"\x01v1.4.2\0\0\xcc\xcc\0go1.26.8\0\x1f"[..], Some("v1.4.2")),
        (b"\0go1.19.8\0\0\0\x0020.10.24+dfsg1\0", Some("v20.10.24+dfsg1")),
        (b"\0go1.19.8\0\x001.2.3\0\x002.0.0\0", None),
        (b"\0go1.19.8\0\0go1.19.8\0 1.2.3\0", None),
        (b"xgo1.19.8\0\x001.2.3\0", None),
    ] {
        let release = if bytes.windows(3).any(|part| part == b".26") { "go1.26.8 X:x" } else { "go1.19.8" };
        assert_eq!(linked_version(bytes, release).as_deref(), expected);
    }
}
