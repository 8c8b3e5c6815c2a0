use proptest::prelude::*;

use super::{Added, Builder};
use crate::database::{Changed, Database, DatabaseError, Entries, Rule, diff, score::Threats};

/// One record that affects one package in one simple range.
pub(in crate::database) fn simple(id: &str, ecosystem: &str, package: &str, fixed: &str) -> String {
    format!(
        r#"{{"id": "{id}", "modified": "2024-05-06T07:08:09Z", "affected": [{{"package": {{"ecosystem":
        "{ecosystem}", "name": "{package}"}}, "ranges": [{{"type": "ECOSYSTEM", "events": [{{"introduced": "0"}},
        {{"fixed": "{fixed}"}}]}}]}}]}}"#
    )
}

pub(in crate::database) fn compile<T: AsRef<[u8]>>(records: &[T]) -> Vec<u8> {
    let mut builder = Builder::new();
    for record in records {
        assert_eq!(builder.add("test", record.as_ref()), Added::Kept);
    }
    builder.finish().expect("small").bytes
}

fn fixes<'a>(entries: Option<Entries<'a>>) -> Vec<&'a str> {
    let rules = entries.into_iter().flatten().map(|entry| entry.expect("readable").rule);
    rules.filter_map(|rule| if let Rule::Before(fixed) = rule { Some(fixed) } else { None }).collect()
}

#[test]
fn what_goes_in_comes_out() {
    let bytes = compile(&[
        simple("DEBIAN-CVE-2024-1", "Debian:12", "openssl", "3.0.11-1"),
        simple("DEBIAN-CVE-2024-2", "Debian:12", "openssl", "3.0.9-1"),
        simple("DEBIAN-CVE-2024-3", "Debian:12", "openssl", "3.0.11-1~deb12u2"),
        simple("GHSA-aaaa-bbbb-cccc", "npm", "lodash", "4.17.21"),
    ]);
    let database = Database::open(&bytes).expect("whole");
    database.verify().expect("unchanged");
    let entries = database.lookup("Debian:12", "openssl").expect("readable").expect("known");
    assert_eq!((entries.scheme(), entries.bounds_descend()), ("deb", true));
    assert_eq!(fixes(Some(entries)), ["3.0.11-1", "3.0.11-1~deb12u2", "3.0.9-1"]);
    assert_eq!(fixes(database.lookup("npm", "lodash").expect("readable")), ["4.17.21"]);
    for (ecosystem, package) in
        [("Debian:11", "openssl"), ("Debian:12", "lodash"), ("", ""), ("Debian", "12")]
    {
        assert!(database.lookup(ecosystem, package).expect("readable").is_none(), "{ecosystem} {package}");
    }
    assert_eq!(database.modified(), "2024-05-06T07:08:09Z");
    let status: Vec<_> = database.status().into_iter().map(|row| (row.name, row.advisories)).collect();
    assert_eq!(status, [("Debian:12".to_owned(), 3), ("npm".to_owned(), 1)]);
    assert!(database.has_ecosystem("npm") && !database.has_ecosystem("Debian:1"));
}

#[test]
fn an_empty_database_is_a_database() {
    let bytes = Builder::new().finish().expect("small").bytes;
    let database = Database::open(&bytes).expect("whole");
    assert!(database.lookup("npm", "lodash").expect("readable").is_none());
    assert_eq!((database.advisory_count(), database.modified()), (0, String::new()));
}

#[test]
fn other_files_are_refused_by_what_they_are() {
    assert_eq!(Database::open(b"").expect_err("empty"), DatabaseError::NotADatabase);
    assert_eq!(Database::open(b"PK\x03\x04 a zip").expect_err("a zip"), DatabaseError::NotADatabase);
    let mut bytes = compile(&[simple("CVE-2024-1", "npm", "a", "1.0.0")]);
    bytes[8] = 9;
    let newer = Database::open(&bytes).expect_err("newer");
    assert_eq!(newer.to_string(), "the database has format 9, this strata reads format 2");
}

#[test]
fn a_slip_of_one_source_does_not_move_the_day_of_the_database() {
    let mut records: Vec<String> =
        (1..=1_500).map(|at| simple(&format!("CVE-2024-{at}"), "npm", "a", "1.0.0")).collect();
    records.push(simple("CVE-2025-1", "npm", "a", "1.0.0").replace("2024-05", "2099-05"));
    let bytes = compile(&records);
    let database = Database::open(&bytes).expect("whole");
    assert_eq!(database.modified(), "2099-05-06T07:08:09Z");
    assert_eq!(database.as_of(), "2024-05-06T07:08:09Z");
}

#[test]
fn records_are_counted_by_what_became_of_them() {
    let record = simple("CVE-2024-1", "npm", "a", "1.0.0");
    let withdrawn = record.replace("\"modified\"", "\"withdrawn\": \"2024-01-01T00:00:00Z\", \"modified\"");
    let withdrawn = withdrawn.replace("CVE-2024-1", "CVE-2024-2");
    let git = record.replace("ECOSYSTEM\"", "GIT\"").replace("CVE-2024-1", "CVE-2024-3");
    let bug = simple("ALBA-2024:1", "AlmaLinux:9", "bash", "5");
    let strange = simple("X-1", "Never:heard", "of", "it");
    let mut builder = Builder::new();
    let records: Vec<(&str, &[u8])> = [&record, &record, &withdrawn, &git, &bug, &strange]
        .into_iter()
        .map(|record| ("a.json", record.as_bytes()))
        .chain([("b.json", &b"{"[..]), ("c.json", b"{}")])
        .collect();
    let added = builder.add_batch(&records);
    assert_eq!(added[1], Added::Duplicate);
    assert!(matches!(added[6], Added::Rejected { .. }) && matches!(added[7], Added::Rejected { .. }));
    let statistics = builder.finish().expect("small").statistics;
    assert_eq!((statistics.read, statistics.kept, statistics.duplicates), (8, 2, 1));
    assert_eq!((statistics.withdrawn, statistics.harmless, statistics.without_versions), (1, 1, 1));
    assert_eq!((statistics.git_ranges, statistics.malformed), (1, 2));
    let names: Vec<&str> = statistics.malformed_names.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["b.json", "c.json"]);
    assert_eq!(statistics.unordered.into_iter().collect::<Vec<_>>(), [("Never:heard".to_owned(), 1)]);
}

#[test]
fn copies_of_a_record_become_one() {
    // An older copy speaks for the ecosystems that the newer one leaves out, and for no other.
    let newer = simple("CVE-2024-1", "npm", "a", "2.0.0");
    let older = simple("CVE-2024-1", "npm", "a", "1.0.0").replace("2024-05", "2023-05");
    let elsewhere = simple("CVE-2024-1", "PyPI", "A_b", "3").replace("2024-05", "2023-06");
    let bytes = compile(&[older, elsewhere, newer]);
    let database = Database::open(&bytes).expect("whole");
    assert_eq!(database.advisory_count(), 1);
    assert_eq!(fixes(database.lookup("npm", "a").expect("readable")), ["2.0.0"]);
    assert_eq!(fixes(database.lookup("PyPI", "a-b").expect("readable")), ["3"]);
}

#[test]
fn a_diff_names_the_keys_that_changed() {
    let old = [
        simple("CVE-2024-1", "npm", "same", "1.0.0"),
        simple("CVE-2024-2", "npm", "changed", "1.0.0"),
        simple("CVE-2024-3", "npm", "gone", "1.0.0"),
    ];
    let new = [
        simple("CVE-2024-0", "Debian:12", "new", "1"),
        simple("CVE-2024-1", "npm", "same", "1.0.0"),
        simple("CVE-2024-2", "npm", "changed", "2.0.0"),
    ];
    let (old, new) = (compile(&old), compile(&new));
    let (old, new) = (Database::open(&old).expect("whole"), Database::open(&new).expect("whole"));
    let changes = diff(&old, &new).expect("readable");
    let changes: Vec<_> = changes.iter().map(|change| (&*change.ecosystem, change.what.clone())).collect();
    let package = |name: &str| Changed::Package(name.to_owned());
    let packages = [("Debian:12", package("new")), ("npm", package("changed")), ("npm", package("gone"))];
    assert_eq!(changes[..3], packages);
    assert_eq!(changes[3..], [("Debian:12", Changed::Whole)]);
    assert_eq!(diff(&new, &new).expect("readable"), []);
}

#[test]
fn threats_stand_with_their_flaw() {
    let mut builder = Builder::new();
    builder.add("test", simple("DEBIAN-CVE-2024-1", "Debian:12", "a", "1").as_bytes());
    builder.add_threats(Threats::from_epss("cve,epss,percentile\nCVE-2024-1,0.5,0.9\n").expect("a table"));
    let kev = br#"{"vulnerabilities": [{"cveID": "CVE-2024-1"}]}"#;
    builder.add_threats(Threats::from_kev(kev).expect("a catalogue"));
    let bytes = builder.finish().expect("small").bytes;
    let database = Database::open(&bytes).expect("whole");
    let flaw = database.flaw(database.advisory(0).expect("one").flaws[0]).expect("one");
    assert_eq!((flaw.id, flaw.epss_millionths, flaw.known_exploited), ("CVE-2024-1", 500_000, true));
    assert_eq!(database.threat_counts(), (1, 1));
}

/// Reads everything that can be reached; whatever the bytes, this ends, and without a panic.
fn read_all(bytes: &[u8]) -> bool {
    let Ok(database) = Database::open(bytes) else { return false };
    let _ = (database.verify(), database.status(), diff(&database, &database));
    for (ecosystem, package) in [("Debian:12", "p0"), ("npm", "p1"), ("PyPI", "p2"), ("", "")] {
        for entry in database.lookup(ecosystem, package).into_iter().flatten().flatten().flatten() {
            let flaws = database.advisory(entry.advisory).map(|advisory| advisory.flaws);
            for flaw in flaws.into_iter().flatten() {
                let _ = database.flaw(flaw);
            }
        }
    }
    true
}

fn some_records() -> Vec<String> {
    let ecosystems = ["Debian:12", "npm", "PyPI", "Alpine:v3.10", "Unheard:of"];
    let record = |number: usize| {
        let ecosystem = ecosystems[number % 5];
        let record =
            simple(&format!("X-{number}"), ecosystem, &format!("p{}", number % 3), &format!("{number}.1.0"));
        match number % 4 {
            0 => {
                record.replace("\"affected\"", &format!("\"aliases\": [\"CVE-2024-{number}\"], \"affected\""))
            }
            1 => record.replace("\"ranges\"", "\"versions\": [\"99\", \"98\"], \"ranges\""),
            2 => record.replace("\"affected\"", "\"summary\": \"A title\", \"affected\""),
            _ => record,
        }
    };
    (0..40).map(record).collect()
}

#[test]
fn a_cut_file_is_refused() {
    let bytes = compile(&some_records());
    for length in 0..bytes.len() {
        assert!(!read_all(&bytes[..length]), "{length} of {} bytes", bytes.len());
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(!read_all(&longer));
}

proptest! {
    #[test]
    fn changed_bytes_are_noticed_and_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let whole = compile(&some_records());
        let mut bytes = whole.clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if read_all(&bytes) && bytes != whole {
            prop_assert!(Database::open(&bytes).and_then(|database| database.verify()).is_err());
        }
    }

    #[test]
    fn the_order_of_records_changes_no_byte(order in Just((0..40).collect::<Vec<usize>>()).prop_shuffle()) {
        let records = some_records();
        let shuffled: Vec<&String> = order.iter().map(|at| &records[*at]).collect();
        prop_assert_eq!(compile(&shuffled), compile(&records));
    }
}

#[test]
fn a_bound_that_is_no_version_is_named_and_stays_in_the_file() {
    let mut builder = Builder::new();
    let added = builder.add("UBUNTU-1.json", simple("CVE-2024-1", "Debian:12", "a", "0.168-0.2)").as_bytes());
    let reason = "`0.168-0.2)` is no version of Debian:12".to_owned();
    assert_eq!(added, Added::Partly { reason: reason.clone() });
    let built = builder.finish().expect("small");
    assert_eq!(built.statistics.malformed_names, [("UBUNTU-1.json".to_owned(), reason)]);
    let database = Database::open(&built.bytes).expect("whole");
    let entries = database.lookup("Debian:12", "a").expect("readable").expect("known");
    assert!(entries.flatten().all(|entry| matches!(entry.rule, Rule::Ranges { .. })));
}
