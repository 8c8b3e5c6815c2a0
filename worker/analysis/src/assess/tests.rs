//! The cases of `testdata/assess/<case>/`: `image.txt` names the distribution and the packages, `advisories.json` is a
//! list of OSV records, `sources/` holds files of other sources (one of the two is there), `epss.csv`, `kev.json` and
//! `lifecycles.csv` are optional, `expected.txt` is what *assess* finds. A new case needs no Rust: run the tests with
//! `STRATA_UPDATE_CASES=1` in the environment to write the expectation, then read it.

mod asked;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use super::{Assessment, EndOfLife, FixState, assess};
use crate::{
    database::{
        self, Builder, Database, Part,
        lifecycle::Lifecycles,
        score::Threats,
        source::{self, Head},
    },
    ecosystem,
    model::{Contents, Distribution, Installed, Package},
};

fn cases() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/assess");
    let mut cases: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// Reads `image.txt`: `distribution ID VERSION`, `field KEY=VALUE` of its os-release, and for each package
/// `package ROW NAME VERSION [source=NAME] [source-version=VERSION] [property=VALUE…]`.
fn image(text: &str) -> Contents {
    let mut contents = Contents::default();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["distribution", id] => {
                contents.distribution =
                    Some(Distribution { id: (*id).to_owned(), ..Distribution::default() });
            }
            ["distribution", id, version] => {
                let (id, version) = ((*id).to_owned(), (*version).to_owned());
                contents.distribution = Some(Distribution { id, version, ..Distribution::default() });
            }
            ["field", ..] => {
                let (key, value) = line.trim_start_matches("field ").split_once('=').unwrap();
                let fields = &mut contents.distribution.as_mut().unwrap().fields;
                fields.insert(key.to_owned(), value.to_owned());
            }
            ["package", row, name, version, rest @ ..] => {
                contents.packages.push(package(row, name, version, rest))
            }
            _ => panic!("a line of no known form: {line}"),
        }
    }
    contents
}

fn package(row: &str, name: &str, version: &str, rest: &[&str]) -> Installed {
    let row = ecosystem::by_name(row).unwrap_or_else(|| panic!("no ecosystem {row}"));
    let mut package = Package { name: name.to_owned(), version: version.to_owned(), ..Package::default() };
    for word in rest {
        let (key, value) = word.split_once('=').unwrap();
        match key {
            "source" => value.clone_into(&mut package.source_name),
            "source-version" => value.clone_into(&mut package.source_version),
            "arch" => value.clone_into(&mut package.architecture),
            _ => drop(package.properties.insert(key.to_owned(), value.to_owned())),
        }
    }
    Installed { purl: String::new(), file: "some/file".to_owned(), layer: 0, ecosystem: row.name, package }
}

/// The OSV records of a case; none where it has files of other sources only.
fn advisories(case: &Path) -> Vec<serde_json::Value> {
    let advisories = fs::read(case.join("advisories.json"));
    advisories.map(|text| serde_json::from_slice(&text).unwrap()).unwrap_or_default()
}

fn compiled(case: &Path) -> Vec<u8> {
    let mut builder = Builder::new();
    for advisory in advisories(case) {
        builder.add(&case.display().to_string(), advisory.to_string().as_bytes());
    }
    if let Ok(files) = fs::read_dir(case.join("sources")) {
        for file in files {
            builder.add_part(part(&file.unwrap().path()));
        }
    }
    if let Ok(table) = fs::read(case.join("lifecycles.csv")) {
        builder.add_lifecycles(Lifecycles::read("lifecycles.csv", &table).unwrap());
    }
    if let Ok(epss) = fs::read_to_string(case.join("epss.csv")) {
        builder.add_threats(Threats::from_epss(&epss).unwrap());
    }
    if let Ok(kev) = fs::read(case.join("kev.json")) {
        builder.add_threats(Threats::from_kev(&kev).unwrap());
    }
    builder.finish().unwrap().bytes
}

/// A file as its source publishes it.
fn part(path: &Path) -> Part {
    let bytes = fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let source =
        source::find(Head { name, bytes: &bytes }).unwrap_or_else(|| panic!("no source reads {name}"));
    let mut part = Part::new();
    part.add_file(source, name, &mut bytes.as_slice());
    part
}

fn describe(contents: &Contents, assessment: &Assessment) -> String {
    let mut text = String::new();
    for finding in &assessment.findings {
        let Installed { package, ecosystem, .. } = &contents.packages[finding.package];
        write!(text, "{ecosystem} {} {}: {}", package.name, package.version, finding.id).unwrap();
        match &finding.fix {
            FixState::Fixed(version) => write!(text, ", fixed in {version}").unwrap(),
            other => write!(text, ", {other:?}").unwrap(),
        }
        write!(text, ", {:?}", finding.severity).unwrap();
        if !finding.severity_source.is_empty() {
            write!(text, " by {}", finding.severity_source).unwrap();
        }
        if finding.cvss_tenths > 0 {
            write!(text, " {}.{}", finding.cvss_tenths / 10, finding.cvss_tenths % 10).unwrap();
        }
        if finding.epss_millionths > 0 {
            write!(text, ", epss {}", finding.epss_millionths).unwrap();
        }
        if finding.known_exploited {
            text.push_str(if finding.ransomware { ", exploited by ransomware" } else { ", exploited" });
        }
        write!(text, ", risk {}", finding.risk_millionths).unwrap();
        writeln!(text, ", {} {:?} `{}`", finding.advisory, finding.aliases, finding.title).unwrap();
    }
    if let Some(EndOfLife { date, extended, passed }) = &assessment.end_of_life {
        writeln!(text, "end of life {date}, extended `{extended}`, passed {passed}").unwrap();
    }
    for problem in &assessment.problems {
        writeln!(text, "problem {}: {} [{}]", problem.code, problem.message, problem.file).unwrap();
    }
    text
}

#[test]
fn every_case_gives_what_it_expects() {
    let mut wrong = Vec::new();
    let cases = cases();
    for case in &cases {
        let contents = image(&fs::read_to_string(case.join("image.txt")).unwrap());
        let database = compiled(case);
        let found = assess(&contents, &Database::open(&database).unwrap());
        let found = describe(&contents, &found);
        let file = case.join("expected.txt");
        if std::env::var_os("STRATA_UPDATE_CASES").is_some() {
            fs::write(&file, &found).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        if expected != found {
            wrong.push(format!("{}\nexpected\n{expected}found\n{found}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= 10, "only {} cases were found", cases.len());
}

/// Ecosystems of the export that no file of an image leads to: nothing says that an image has such packages.
const WITHOUT_INVENTORY: &[&str] = &[
    // Images that carry another distribution's identity.
    "BellSoft Hardened Containers",
    "CleanStart",
    "Docker Hardened Images",
    "Echo",
    // Registries of build steps, editor extensions and source packages, which leave no list in an image.
    "ConanCenter",
    "GHC",
    "GitHub Actions",
    "Hackage",
    "opam",
    "VSCode",
];

/// The ecosystems, before their first colon, on whose boundaries a case stands: one of its advisories finds a version of a
/// package and leaves another version of the same package alone.
fn on_boundaries(case: &Path) -> BTreeSet<String> {
    let contents = image(&fs::read_to_string(case.join("image.txt")).unwrap());
    let database = compiled(case);
    let findings = assess(&contents, &Database::open(&database).unwrap()).findings;
    let mut covered = BTreeSet::new();
    let ids: BTreeSet<&str> = findings.iter().map(|finding| finding.advisory.as_str()).collect();
    for id in ids {
        let found: BTreeSet<usize> =
            findings.iter().filter(|finding| finding.advisory == id).map(|finding| finding.package).collect();
        let name = |index: usize| &contents.packages[index].package.name;
        let spared = (0..contents.packages.len()).filter(|index| !found.contains(index));
        let names: BTreeSet<&String> = spared.map(name).collect();
        for index in found.iter().filter(|index| names.contains(name(**index))) {
            let Installed { package, ecosystem, .. } = &contents.packages[*index];
            let row = ecosystem::by_name(ecosystem).unwrap();
            let keys = (row.advisory_keys)(package, contents.distribution.as_ref());
            covered.extend(keys.iter().map(|key| key.ecosystem.split(':').next().unwrap().to_owned()));
        }
    }
    covered
}

#[test]
fn every_ecosystem_has_a_case_on_its_boundaries() {
    let covered: BTreeSet<String> = cases().iter().flat_map(|case| on_boundaries(case)).collect();
    let known: Vec<&str> = database::ecosystem_names().collect();
    let missing: Vec<&&str> =
        known.iter().filter(|name| !covered.contains(**name) && !WITHOUT_INVENTORY.contains(name)).collect();
    assert!(missing.is_empty(), "testdata/assess has no case on the boundaries of {missing:?}");
    let stale: Vec<&&str> = WITHOUT_INVENTORY.iter().filter(|name| !known.contains(name)).collect();
    assert!(stale.is_empty(), "{stale:?} are not ecosystems");
}
