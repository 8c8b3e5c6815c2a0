//! Laws of an order, for every scheme of the table: over its own vectors, over made-up versions, over any text.

use std::{cmp::Ordering, fs, path::PathBuf};

use proptest::{prelude::*, sample::select, strategy::ValueTree};

use crate::version::{Scheme, TABLE};

/// What versions are made of, over all schemes.
const PIECES: &[&str] = &[
    "0",
    "00",
    "1",
    "01",
    "2",
    "9",
    "10",
    "20240101",
    "a",
    "b",
    "c",
    "p",
    "r",
    "x",
    "A",
    "Z",
    "rc",
    "RC1",
    "beta",
    "alpha2",
    "dev",
    "post",
    "pre",
    "sp",
    "ga",
    "final",
    "snapshot",
    "stable",
    "git",
    "scm",
    "_p",
    "_rc1",
    "_alpha",
    "_git",
    "-r1",
    "-r01",
    "-1",
    "-0",
    ".0",
    ".1",
    ".01",
    ".10",
    ".a",
    ".dev1",
    ".post1",
    "+1",
    "+b",
    "+",
    "-",
    ".",
    "~",
    "^",
    "_",
    "!",
    "1!",
    "1:",
    "v",
    "go",
    "~rc1",
    "^git1",
    "~0f",
    "-alpha.1",
    "-SNAPSHOT",
    ".Final",
    "é",
];

const STARTS: &[&str] = &["", "0", "1", "1.0", "1.2", "1.2.3", "1.0.0", "2.10", "v1.2.3"];

/// The versions of a scheme's vectors.
fn known(scheme: &Scheme) -> Vec<String> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/version");
    let text = fs::read_to_string(directory.join(format!("{}.txt", scheme.name))).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("//"));
    lines.flat_map(|line| line.split(' ').step_by(2)).map(str::to_owned).collect()
}

/// Versions of the vectors, those with something added, and versions made of pieces.
fn version(scheme: &Scheme) -> BoxedStrategy<String> {
    let pieces = || prop::collection::vec(select(PIECES), 0..4).prop_map(|pieces| pieces.concat());
    let known = known(scheme);
    prop_oneof![
        2 => select(known.clone()),
        2 => (select(known), pieces()).prop_map(|(known, pieces)| known + &pieces),
        4 => (select(STARTS), pieces()).prop_map(|(start, pieces)| start.to_owned() + &pieces),
    ]
    .boxed()
}

/// Whether the scheme's own tool is transitive on such versions. Maven is not where it drops something before a hyphen,
/// nor where a word follows a dot; alpm is not where separators are doubled or at the end; Composer is not with its
/// wildcard.
fn is_lawful(scheme: &Scheme, text: &str) -> bool {
    match scheme.name {
        "maven" => {
            let lower = text.to_lowercase();
            let dropped =
                ["ga", "final", "release", "..", ".-", "--", "-."].iter().any(|what| lower.contains(what));
            let numbers =
                lower.split(|char: char| !char.is_ascii_digit()).filter(|number| !number.is_empty());
            let has_zero = numbers.into_iter().any(|number| number.bytes().all(|byte| byte == b'0'));
            let starts_odd = !lower.starts_with(|char: char| char.is_ascii_digit());
            let mut after_dots = lower.split('.').skip(1);
            let dot_before_word =
                after_dots.any(|text| !text.starts_with(|char: char| char.is_ascii_digit()));
            !(dropped || has_zero || starts_odd || dot_before_word)
        }
        "pacman" => {
            let separator = |char: char| !char.is_ascii_alphanumeric();
            !text.ends_with(separator)
                && text.split(['-', ':']).all(|part| !part.ends_with(separator))
                && !text.chars().zip(text.chars().skip(1)).any(|(a, b)| separator(a) && separator(b))
        }
        "composer" | "packagist" => !text.contains('#'),
        _ => true,
    }
}

/// Checks the laws on all pairs and triples; gives how many of the texts the scheme takes.
fn check(scheme: &Scheme, texts: &[String]) -> Result<usize, TestCaseError> {
    let compare = scheme.compare;
    let valid: Vec<&str> =
        texts.iter().map(String::as_str).filter(|text| compare(text, text).is_some()).collect();
    for a in &valid {
        prop_assert_eq!(compare(a, a), Some(Ordering::Equal), "{}: {:?} with itself", scheme.name, a);
        for b in &valid {
            let (forth, back) = (compare(a, b), compare(b, a));
            prop_assert_eq!(forth, back.map(Ordering::reverse), "{}: {:?} and {:?}", scheme.name, a, b);
            // Composer's branches have no place among versions.
            let branches = matches!(scheme.name, "composer" | "packagist");
            prop_assert!(forth.is_some() || branches, "{}: {:?} {:?}", scheme.name, a, b);
        }
    }
    let lawful: Vec<&str> = valid.iter().copied().filter(|text| is_lawful(scheme, text)).collect();
    for a in &lawful {
        for b in &lawful {
            let Some(a_b) = compare(a, b).filter(|order| order.is_le()) else { continue };
            for c in &lawful {
                let Some(b_c) = compare(b, c).filter(|order| order.is_le()) else { continue };
                let expected = if a_b.is_eq() { b_c } else { a_b };
                prop_assert_eq!(compare(a, c), Some(expected), "{}: {:?} {:?} {:?}", scheme.name, a, b, c);
            }
        }
    }
    Ok(valid.len())
}

#[test]
fn every_scheme_is_an_order() {
    for scheme in TABLE {
        let (mut runner, mut taken) = (proptest::test_runner::TestRunner::deterministic(), 0);
        let strategy = prop::collection::vec(version(scheme), 8);
        for _ in 0..96 {
            let texts = strategy.new_tree(&mut runner).unwrap().current();
            match check(scheme, &texts) {
                Ok(count) => taken += count,
                Err(failure) => panic!("{failure}"),
            }
        }
        assert!(taken > 96, "{} took only {taken} of the versions", scheme.name);
    }
}

#[test]
fn vectors_are_an_order() {
    for scheme in TABLE {
        let mut versions = known(scheme);
        versions.truncate(32);
        if let Err(failure) = check(scheme, &versions) {
            panic!("{failure}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_answered_alike_both_ways(a in any::<String>(), b in any::<String>(), c in "[ -~]{0,20}") {
        for scheme in TABLE {
            for (a, b) in [(&a, &b), (&a, &c), (&b, &c), (&c, &c), (&a, &a)] {
                let (forth, back) = ((scheme.compare)(a, b), (scheme.compare)(b, a));
                prop_assert_eq!(forth, back.map(Ordering::reverse), "{}: {:?} {:?}", scheme.name, a, b);
                if a == b {
                    prop_assert!(forth.is_none_or(Ordering::is_eq), "{}: {:?}", scheme.name, a);
                }
            }
        }
    }
}

#[test]
fn long_versions_are_answered() {
    for scheme in TABLE {
        for piece in ["1", "1-", "1.", "a1", "-", "~", ".0", "_p", "1a"] {
            let long = piece.repeat(20_000);
            for other in ["1", "1.0.0", long.as_str()] {
                let (forth, back) = ((scheme.compare)(&long, other), (scheme.compare)(other, &long));
                assert_eq!(forth, back.map(Ordering::reverse), "{}: {piece}", scheme.name);
            }
        }
    }
}
