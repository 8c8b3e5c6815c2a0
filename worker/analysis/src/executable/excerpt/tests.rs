//! Excerpts say what their programs say.

use std::{fs, path::Path};

use super::excerpt;
use crate::{
    ecosystem::{Facts, File, TABLE},
    limits::Limits,
};

/// What the rows that read excerpts say of a program.
fn said(bytes: &[u8]) -> Vec<String> {
    let rows = TABLE.iter().filter(|row| ["go", "rust"].contains(&row.name));
    rows.map(|row| {
        let mut facts = Facts::default();
        (row.parse)(File { path: "bin/a", bytes, limits: &Limits::default() }, &mut facts);
        format!("{:?} {:?}", facts.packages, facts.problems)
    })
    .collect()
}

fn excerpt_of(bytes: &[u8]) -> Option<Vec<u8>> {
    excerpt(u64::try_from(bytes.len()).unwrap(), &mut |at, length| {
        Some(bytes.get(at..at.checked_add(length)?)?.to_vec())
    })
}

fn programs() -> Vec<(String, Vec<u8>)> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/ecosystem");
    let mut found = Vec::new();
    let mut open = vec![cases.join("go"), cases.join("rust")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.components().any(|part| part.as_os_str() == "root") {
                let name = path.strip_prefix(&cases).unwrap().display().to_string();
                found.push((name, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn an_excerpt_says_what_its_program_says() {
    let mut short = Vec::new();
    for (name, bytes) in programs() {
        // Cut anywhere, and with any of its first bytes and those of its tables changed.
        // Most of what a case has are zeros between its header and its tables.
        let matters = |at: &usize| *at < 80 || bytes.len() - at < 700 || at.is_multiple_of(97);
        let cuts = (0..bytes.len()).filter(matters).map(|end| bytes[..end].to_vec());
        let changed = (0..bytes.len()).filter(matters).flat_map(|at| {
            [0, 1, 0x7f, 0xff].map(|value| {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                bytes
            })
        });
        for bytes in cuts.chain(changed) {
            if let Some(excerpt) = excerpt_of(&bytes) {
                assert_eq!(said(&excerpt), said(&bytes), "{name}");
            }
        }
        match excerpt_of(&bytes) {
            Some(excerpt) if !excerpt.is_empty() => {
                assert_eq!(said(&excerpt), said(&bytes), "{name}");
                short.push(name);
            }
            _ => {}
        }
    }
    for expected in ["go/inline-elf64", "go/inline-elf32-big-endian", "rust/elf"] {
        assert!(short.iter().any(|name| name.starts_with(expected)), "{expected}: {short:?}");
    }
    assert!(!short.iter().any(|name| name.contains("pointers")), "{short:?}");
}

#[test]
fn what_is_no_program_needs_nothing_and_what_cannot_be_read_everything() {
    for bytes in [&b""[..], b"#!", b"#!/bin/sh\necho", &[0; 100]] {
        assert_eq!(excerpt_of(bytes), Some(Vec::new()));
    }
    for bytes in
        [&b"\x7fELF"[..], b"MZ", b"\xcf\xfa\xed\xfe", &[b"\x7fELF\x02\x01".as_slice(), &[0; 80]].concat()]
    {
        assert_eq!(excerpt_of(bytes), None, "{bytes:?}");
    }
    assert_eq!(excerpt(1 << 20, &mut |_, _| None), None);
}

/// A version that is nowhere else is looked for in the whole program.
#[test]
fn a_program_without_a_version_is_read_whole() {
    let (_, bytes) = programs().into_iter().find(|(name, _)| name.starts_with("go/inline-elf64")).unwrap();
    let flag = b"internal.Version=";
    let at = bytes.windows(flag.len()).position(|text| text == flag).unwrap();
    let mut none = bytes.clone();
    none[at + 9] = b'R';
    assert!(said(&none)[0].contains("(devel)"), "{:?}", said(&none));
    assert!(excerpt_of(&bytes).is_some());
    assert_eq!(excerpt_of(&none), None);
}
