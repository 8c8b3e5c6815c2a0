//! The cases of `testdata/ecosystem/<row>/<case>/`: `root/` holds files at their paths in an image, `expected.txt` what
//! the row says of all of them together. A new case needs no Rust: build the tests with `STRATA_UPDATE_CASES=1` in the
//! environment to write the expectation, then read it.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{Candidate, Ecosystem, Facts, File, TABLE, Want};
use crate::{limits::Limits, model::Package};

/// Rows without cases of this form.
fn cases_of(row: &Ecosystem) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/ecosystem").join(row.name);
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut cases: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.join("root").is_dir()).collect();
    cases.sort();
    cases
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// What a row says of one case, as text: a line for each wanted file, package, owned path, note and problem.
fn describe(row: &Ecosystem, case: &Path) -> String {
    let root = case.join("root");
    let mut files = Vec::new();
    files_below(&root, &mut files);
    let mut text = String::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
        let metadata = file.metadata().unwrap();
        let candidate = Candidate {
            path,
            name: path.rsplit('/').next().unwrap(),
            size: metadata.len(),
            executable: metadata.permissions().mode() & 0o111 != 0,
        };
        if (row.wants)(candidate) == Want::No {
            continue;
        }
        writeln!(text, "file {path}").unwrap();
        let mut facts = Facts::default();
        (row.parse)(File { path, bytes: &fs::read(&file).unwrap(), limits: &Limits::default() }, &mut facts);
        facts.packages.iter().for_each(|package| text.push_str(&line(row, package)));
        facts.owned.iter().for_each(|path| writeln!(text, "  owned {path}").unwrap());
        facts.notes.iter().for_each(|(key, note)| writeln!(text, "  note {key} = {note}").unwrap());
        for problem in &facts.problems {
            writeln!(text, "  problem {}: {}: {}", problem.code, problem.file, problem.message).unwrap();
        }
    }
    text
}

fn line(row: &Ecosystem, package: &Package) -> String {
    let mut text = format!("  package {} {}", package.name, package.version);
    for (key, value) in [
        ("arch", &package.architecture),
        ("source", &package.source_name),
        ("source-version", &package.source_version),
    ] {
        if !value.is_empty() {
            write!(text, " {key}={value}").unwrap();
        }
    }
    for (key, value) in &package.properties {
        write!(text, " [{key}={value}]").unwrap();
    }
    writeln!(text, "\n    {}", (row.purl)(package, None)).unwrap();
    text
}

#[test]
fn every_case_gives_what_it_expects() {
    let mut count = 0;
    for row in TABLE {
        for case in cases_of(row) {
            let actual = describe(row, &case);
            let expectation = case.join("expected.txt");
            if option_env!("STRATA_UPDATE_CASES").is_some() {
                fs::write(&expectation, &actual).unwrap();
            }
            let expected = fs::read_to_string(&expectation).unwrap_or_default();
            assert_eq!(actual, expected, "{}", case.display());
            assert!(!actual.is_empty(), "{} has no file that the row wants", case.display());
            count += 1;
        }
    }
    assert!(count > 0, "there are no cases");
}

/// Changes a few bytes of each case's files and cuts them short: no parser may panic, hang or grow without bound.
#[test]
fn no_mutated_case_makes_a_parser_panic() {
    let mut random = Random(0x5eed);
    for row in TABLE {
        for case in cases_of(row) {
            let root = case.join("root");
            let mut files = Vec::new();
            files_below(&root, &mut files);
            for file in files {
                let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
                let bytes = fs::read(&file).unwrap();
                for round in 0..60 {
                    let mut mutated = bytes.clone();
                    if round % 3 == 0 {
                        mutated.truncate(random.below(bytes.len() + 1));
                    }
                    for _ in 0..random.below(8) {
                        if let Some(byte) = {
                            let at = random.below(mutated.len().max(1));
                            mutated.get_mut(at)
                        } {
                            *byte = if random.below(2) == 0 {
                                u8::MAX
                            } else {
                                u8::try_from(random.below(256)).unwrap()
                            };
                        }
                    }
                    let mut facts = Facts::default();
                    (row.parse)(File { path, bytes: &mutated, limits: &Limits::default() }, &mut facts);
                    for package in &facts.packages {
                        let _ = ((row.purl)(package, None), (row.advisory_keys)(package, None));
                    }
                }
            }
        }
    }
}

/// A linear congruential generator: the same mutations in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Arbitrary bytes under every path that stands for a row's case.
    #[test]
    fn no_parser_panics_on_arbitrary_bytes(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2_048)) {
        for row in TABLE {
            let path = cases_of(row).first().map_or_else(
                || "usr/lib/file".to_owned(),
                |case| {
                    let mut files = Vec::new();
                    files_below(&case.join("root"), &mut files);
                    files.first().unwrap().strip_prefix(case.join("root")).unwrap().to_str().unwrap().to_owned()
                },
            );
            (row.parse)(File { path: &path, bytes: &bytes, limits: &Limits::default() }, &mut Facts::default());
        }
    }
}
