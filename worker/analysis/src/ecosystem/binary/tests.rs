use std::collections::BTreeSet;

use super::*;
use crate::limits::Limits;

mod programs;

/// Products and the text around their version, as the table's signatures have it, one on each line:
/// product, file name, version, text (`\0` is written `|`).
const SNIPPETS: &str = include_str!("../../../testdata/ecosystem/binary/snippets.txt");

fn lines() -> impl Iterator<Item = [&'static str; 4]> {
    SNIPPETS.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(|line| {
        let mut fields = line.splitn(4, '\t');
        [(); 4].map(|()| fields.next().unwrap())
    })
}

#[test]
fn every_signature_tells_its_version() {
    for [product, name, version, text] in lines() {
        let plain = |byte| match byte {
            b'|' => 0,
            b'~' => b'\n',
            byte => byte,
        };
        let bytes: Vec<u8> = text.bytes().map(plain).collect();
        let bytes = [&[0x90; 64][..], &bytes, &[0; 64]].concat();
        let found = rows()
            .filter(|row| row.matches(name) && row.modules.is_empty())
            .find_map(|row| Some((row.product, row.version(name, &bytes)?)));
        let expected = if version == "-" { None } else { Some((product, version.to_owned())) };
        assert_eq!(found, expected, "{name}: {text}");
    }
}

/// Languages and servers of the official images that the table must never lose.
const CORE: &str = "node python ruby php redis nginx httpd postgresql mysql mariadb mongodb haproxy traefik consul vault etcd \
    envoy busybox bash openssl curl";

#[test]
fn every_product_has_a_case() {
    let products: BTreeSet<&str> = rows().map(|row| row.product).collect();
    assert_eq!(products.len(), rows().count(), "a product has one row");
    let tested: BTreeSet<&str> = lines().filter(|line| line[2] != "-").map(|line| line[0]).collect();
    let signed: BTreeSet<&str> = rows().filter(|row| row.modules.is_empty()).map(|row| row.product).collect();
    assert_eq!(signed, tested);
    let core: Vec<&str> = CORE.split_whitespace().collect();
    assert!(core.iter().all(|product| products.contains(product)));
    assert!(products.len() >= core.len() + 40, "{}", products.len());
}

#[test]
fn names_decide_before_any_byte_is_read() {
    for (path, size, executable, wanted) in [
        ("usr/local/bin/python3.11", 20_000, true, true),
        ("usr/local/bin/python3.11-config", 20_000, true, false),
        ("usr/lib/libcrypto.so.3", 20_000, false, true),
        ("usr/share/bash-completion/completions/git", 20_000, false, false),
        ("usr/local/bin/node", 100, true, false),
        ("opt/java/openjdk/release", 100, false, true),
        ("usr/lib/jvm/java-17-openjdk/release", 100, false, true),
        ("etc/release", 100, false, false),
        ("release", 100, false, false),
    ] {
        let name = path.rsplit('/').next().unwrap();
        let want = wants(Candidate { path, name, size, executable });
        assert_eq!(want == Want::Whole, wanted, "{path}");
    }
}

#[test]
fn servers_have_advisories_and_libraries_have_none() {
    for (product, expected) in
        [("httpd", Some("apache")), ("node", Some("node")), ("openssl", None), ("bash", None)]
    {
        let keys = advisory_keys(&Package::plain(product, "1.2.3"), None);
        assert_eq!(keys.first().map(|key| key.name.as_str()), expected, "{product}");
    }
}

#[test]
fn versions_are_written_as_the_advisories_write_them() {
    for (version, expected) in [
        ("1.25.1", "1.25.1"),
        ("15.20", "15.20"),
        ("3.13.0rc2", "3.13.0-rc2"),
        ("17beta2", "17-beta2"),
        ("17.0.8.1", "17.0.8-1"),
        ("1.8.0_372", "8.0.372"),
        ("1.21.4.1", "1.21.4-1"),
        ("2.6.12-1+deb12u4", "2.6.12-1+deb12u4"),
    ] {
        assert_eq!(semantic(version), expected);
        assert!((version::BITNAMI.compare)(expected, expected).is_some(), "{expected}");
    }
}
