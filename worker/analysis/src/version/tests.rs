//! Vectors of every scheme: one comparison a line, `a < b`, `a = b` or `a > b`; `a ! b` where one of them is not a
//! version. Lines that start with `//` are comments.

use std::{cmp::Ordering, fmt::Write as _, fs, path::PathBuf};

use super::{Scheme, TABLE, by_name};

mod laws;

/// Lines of one file that the scheme does not answer as they say.
fn differences(scheme: &Scheme, text: &str) -> (usize, String) {
    let (mut count, mut report) = (0, String::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        let [a, sign, b] = words.as_slice() else { panic!("{}: line {}: {line}", scheme.name, number + 1) };
        let expected = match *sign {
            "<" => Some(Ordering::Less),
            "=" => Some(Ordering::Equal),
            ">" => Some(Ordering::Greater),
            "!" => None,
            _ => panic!("{}: line {}: {line}", scheme.name, number + 1),
        };
        let (forth, back) = ((scheme.compare)(a, b), (scheme.compare)(b, a));
        if forth != expected || back != expected.map(Ordering::reverse) {
            let _ = writeln!(report, "{}:{}: {line}: {forth:?}, reversed {back:?}", scheme.name, number + 1);
        }
        count += 1;
    }
    (count, report)
}

#[test]
fn every_scheme_answers_its_vectors() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/version");
    for scheme in TABLE {
        let text = fs::read_to_string(directory.join(format!("{}.txt", scheme.name)))
            .unwrap_or_else(|error| panic!("no vectors for {}: {error}", scheme.name));
        let (count, report) = differences(scheme, &text);
        assert!(report.is_empty(), "\n{report}");
        assert!(count >= 10, "{} has only {count} vectors", scheme.name);
    }
}

#[test]
fn every_scheme_answers_the_shared_vectors() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/versions");
    if !directory.exists() {
        println!("skipped: the shared fixtures are not beside the repository");
        return;
    }
    let files = [
        ("alpine", "apk", 7_000),
        ("debian", "deb", 7_000),
        ("maven", "maven", 7_000),
        ("nuget", "nuget", 17),
        ("packagist", "composer", 5_000),
        ("pypi", "pep440", 6_000),
        ("redhat", "rpm", 80),
        ("rubygems", "gem", 2_000),
        ("semver", "semver", 40),
    ];
    let mut all = String::new();
    for (file, scheme, at_least) in files {
        let text = fs::read_to_string(directory.join(format!("{file}.txt"))).unwrap();
        let (count, report) = differences(by_name(scheme).unwrap(), &text);
        println!("{file}: {count} comparisons, {} differ", report.lines().count());
        all.push_str(&report);
        assert!(count >= at_least, "{file} has only {count} comparisons");
    }
    assert!(all.is_empty(), "\n{all}");
}

#[test]
fn names_are_unique() {
    for scheme in TABLE {
        let same = TABLE.iter().filter(|other| other.name == scheme.name).count();
        assert_eq!(same, 1, "{}", scheme.name);
        assert!(by_name(scheme.name).is_some_and(|row| std::ptr::eq(row, *scheme)));
    }
    assert!(by_name("none").is_none());
}
