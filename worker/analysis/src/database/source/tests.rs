//! The cases of `testdata/source/<case>/`: one file as a source publishes it, and in `expected.txt` the source that recognises
//! it, its records, and what could not be read. `STRATA_UPDATE_CASES=1` writes the expectation: then read it.

use std::{fmt::Write as _, fs, io::Write as _, path::Path};

use super::{HEAD, Head, TABLE, find, open};
use crate::database::{
    Part,
    compact::{Advisory, Package},
};

fn package(package: &Package<String>, text: &mut String) {
    write!(text, "  {} {}:", package.ecosystem, package.name).unwrap();
    for range in &package.ranges {
        range.iter().for_each(|(kind, version)| write!(text, " {kind:?} {version}").unwrap());
    }
    for (key, value) in [("arch", &package.arch), ("module", &package.stream)] {
        if !value.is_empty() {
            write!(text, ", {key} {value}").unwrap();
        }
    }
    if let Some(rating) = package.rating {
        write!(text, ", {rating:?}").unwrap();
    }
    text.push('\n');
}

fn advisory(advisory: &Advisory<String>, text: &mut String) {
    let Advisory { id, modified, title, rating, score, cves, harmless, .. } = advisory;
    let modified = crate::database::time::format(*modified);
    let rating = rating.map_or("unrated".to_owned(), |rating| format!("{rating:?}"));
    write!(text, "{id} `{title}` {modified} {rating} {cves:?}").unwrap();
    if score.is_known() {
        write!(text, ", score {}", score.tenths).unwrap();
    }
    text.push_str(if *harmless { ", harmless\n" } else { "\n" });
    advisory.packages.iter().for_each(|each| package(each, text));
}

fn describe(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    let mut input = open(Box::new(bytes.as_slice())).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let start = bytes.get(..HEAD).unwrap_or(&bytes);
    let Some(source) = find(Head { name, bytes: start }) else { return "no source\n".to_owned() };
    let mut part = Part::new();
    part.add_file(source, name, &mut input);
    let mut text = format!("{}\n", source.name);
    for (name, record) in &part.records {
        match record {
            Ok(prepared) => {
                advisory(&prepared.advisory, &mut text);
                prepared.defects.iter().for_each(|defect| writeln!(text, "  defect: {defect}").unwrap());
            }
            Err(reason) => writeln!(text, "unread {name}: {reason}").unwrap(),
        }
    }
    text
}

#[test]
fn every_case_is_read_as_expected() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/source");
    let mut cases: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 8, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let files = fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = files.filter(|path| !path.ends_with("expected.txt")).collect();
        let [file] = files.as_slice() else { panic!("{} has not one file", case.display()) };
        let found = describe(file);
        let expected = case.join("expected.txt");
        if std::env::var_os("STRATA_UPDATE_CASES").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{}\n{found}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn compressed_files_are_opened_by_how_they_begin() {
    let plain = b"<updates/>".repeat(1_000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    for packed in [plain.clone(), gzip.finish().unwrap(), zstd::bulk::compress(&plain, 1).unwrap()] {
        let mut input = open(Box::new(packed.as_slice())).unwrap();
        assert_eq!(super::head(&mut input).unwrap(), &plain[..plain.len().min(HEAD)]);
    }
    let bzip2: &[u8] = include_bytes!("../../../testdata/bzip2/two-streams.bz2");
    assert_eq!(super::head(&mut open(Box::new(bzip2)).unwrap()).unwrap(), b"first\nsecond\n");
}

#[test]
fn rows_have_names_of_their_own_and_garbage_has_no_row() {
    let names: std::collections::BTreeSet<_> = TABLE.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), TABLE.len());
    assert!(TABLE.iter().all(|row| !row.files.is_empty()));
    for bytes in ["", "<html>", "<updates><update><id>FEDORA-1</id>", "[1]", "\0\u{1}"] {
        assert!(find(Head { name: "x.xml", bytes: bytes.as_bytes() }).is_none(), "{bytes}");
    }
}
