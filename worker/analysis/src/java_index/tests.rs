use std::io::Write as _;

use proptest::prelude::*;
use sha1::{Digest as _, Sha1};

use super::*;
use crate::{
    model::Inventory,
    squash::{squash, squash_with},
    testing::{Archive, indexed},
};

/// Real archives of Maven's central repository.
const LIST: &str = "# SHA-1 and coordinates
a3ef6f6e4f4c5a0f3c1b5b1a3a3b5c6d7e8f9a0b\torg.example:one:1.0
5af35056b4d257e4b64b9e8069c0746e8b08629f log4j:log4j:1.2.17

8AC9E16D933B6FB43BC7F576336B8F4D7EB5BA12   junit:junit:4.12
";

#[test]
fn archives_are_found_by_their_content() {
    let bytes = build(LIST).unwrap();
    let index = JavaIndex::open(&bytes).unwrap();
    assert_eq!(index.len(), 3);
    assert!(!index.is_empty());
    assert_eq!(index.digest(), JavaIndex::reopen(&bytes).unwrap().digest());
    for (sha1, expected) in [
        ("5af35056b4d257e4b64b9e8069c0746e8b08629f", Some(("log4j:log4j", "1.2.17"))),
        ("5AF35056B4D257E4B64B9E8069C0746E8B08629F", Some(("log4j:log4j", "1.2.17"))),
        ("8ac9e16d933b6fb43bc7f576336b8f4d7eb5ba12", Some(("junit:junit", "4.12"))),
        ("8ac9e16d933b6fb43bc7f576336b8f4d7eb5ba13", None),
        ("8ac9", None),
        ("zac9e16d933b6fb43bc7f576336b8f4d7eb5ba12", None),
        ("", None),
    ] {
        assert_eq!(index.find(sha1), expected, "{sha1}");
    }
    let empty = build("").unwrap();
    assert!(JavaIndex::open(&empty).unwrap().is_empty());
    assert_eq!(JavaIndex::open(&empty).unwrap().find("5af35056b4d257e4b64b9e8069c0746e8b08629f"), None);
}

#[test]
fn a_list_is_whole_or_refused() {
    let line = "5af35056b4d257e4b64b9e8069c0746e8b08629f";
    for (list, expected) in [
        (format!("{line} a:b:1\n{line} a:b:1"), None),
        (format!("{line} a:b:1\n{line} a:b:2"), Some(JavaIndexError::Contradiction { line: 2 })),
        (format!("\n{line} a:b"), Some(JavaIndexError::Line { line: 2 })),
        (format!("{line} a:b:1:jar"), Some(JavaIndexError::Line { line: 1 })),
        (format!("{line} a::1"), Some(JavaIndexError::Line { line: 1 })),
        (format!("{line} a:b:1 x"), Some(JavaIndexError::Line { line: 1 })),
        ("5af3 a:b:1".to_owned(), Some(JavaIndexError::Line { line: 1 })),
        (line.to_owned(), Some(JavaIndexError::Line { line: 1 })),
    ] {
        assert_eq!(build(&list).err(), expected, "{list}");
    }
}

#[test]
fn a_changed_or_shortened_file_is_refused() {
    let bytes = build(LIST).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(JavaIndex::open(&changed).is_err(), "byte {at}");
        assert!(JavaIndex::open(&bytes[..at]).is_err(), "{at} bytes");
    }
    let mut later = bytes.clone();
    later[8] = 2;
    assert_eq!(JavaIndex::open(&later).err(), Some(JavaIndexError::Format(2)));
    assert_eq!(JavaIndex::open(b"STRATADB").err(), Some(JavaIndexError::NotAnIndex));
}

/// A jar with a class, and whatever else is given.
fn jar(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries.iter().chain(&[("org/example/A.class", "\u{ca}\u{fe}")]) {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn hex(bytes: &[u8]) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_jar_that_says_nothing_of_itself_gets_its_name_from_the_index() {
    let stripped = jar(&[("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")]);
    let nested = jar(&[("org/example/B.class", "b")]);
    let outer = {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        writer.start_file("WEB-INF/lib/inner.jar", zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(&nested).unwrap();
        writer.finish().unwrap().into_inner()
    };
    let named = jar(&[("META-INF/maven/g/a/pom.properties", "groupId=g\nartifactId=a\nversion=1\n")]);
    let archive = Archive::default()
        .file("app/lib/util-2.0.jar", &stripped)
        .file("app/lib/renamed.jar", &stripped)
        .file("app/a.war", &outer)
        .file("app/lib/a-1.jar", &named)
        .end();
    let layer: Inventory = indexed(&archive).unwrap();
    let list = format!(
        "{} org.example:util:2.0.1\n{} org.example:inner:3\n{} wrong:wrong:9\n",
        hex(&stripped),
        hex(&nested),
        hex(&named)
    );
    let bytes = build(&list).unwrap();
    let index = JavaIndex::open(&bytes).unwrap();
    let contents = squash_with(&[&layer], Some(&index));
    let listed: Vec<String> =
        contents.packages.iter().map(|found| format!("{} {}", found.file, found.purl)).collect();
    assert_eq!(
        listed,
        [
            "app/a.war pkg:maven/org.example/inner@3",
            "app/lib/a-1.jar pkg:maven/g/a@1",
            "app/lib/renamed.jar pkg:maven/org.example/util@2.0.1",
            "app/lib/util-2.0.jar pkg:maven/org.example/util@2.0.1",
        ]
    );
    let properties = &contents.packages[3].package.properties;
    assert_eq!(properties["guessed"], "util:2.0");
    assert_eq!(properties["identified-by"], format!("java-index {}", index.digest()));
    assert!(!contents.packages[1].package.properties.contains_key("identified-by"));
    let without: Vec<String> = squash(&[&layer]).packages.into_iter().map(|found| found.purl).collect();
    assert_eq!(without, ["pkg:maven/g/a@1", "pkg:maven/util@2.0"], "what nothing names is not listed");
}

proptest! {
    #[test]
    fn every_archive_of_a_list_is_found(hashes in prop::collection::btree_set(any::<[u8; 20]>(), 0..50)) {
        let hex = |hash: &[u8; 20]| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let list: String =
            hashes.iter().enumerate().map(|(number, hash)| format!("{} g:a{number}:{number}\n", hex(hash))).collect();
        let bytes = build(&list).unwrap();
        let index = JavaIndex::open(&bytes).unwrap();
        for (number, hash) in hashes.iter().enumerate() {
            let (name, version) = (format!("g:a{number}"), number.to_string());
            prop_assert_eq!(index.find(&hex(hash)), Some((name.as_str(), version.as_str())));
        }
    }
}
