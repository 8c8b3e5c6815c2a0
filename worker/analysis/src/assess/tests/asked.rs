//! What was asked decides: a database that answers the same gives the same assessment.

use std::{collections::BTreeSet, fs, path::Path};

use super::{advisories, cases, compiled, image};
use crate::{
    assess::{Assessment, MOST_ASKED, assess, consult::Consult},
    database::{
        Builder, Database, diff,
        lifecycle::Lifecycles,
        outline::{Key, Outline},
    },
    model::Contents,
};

/// A database of OSV records.
fn database(records: &[serde_json::Value]) -> Vec<u8> {
    let mut builder = Builder::new();
    builder.add_lifecycles(Lifecycles::built_in().unwrap());
    for record in records {
        builder.add("test", record.to_string().as_bytes());
    }
    builder.finish().unwrap().bytes
}

fn contents(case: &Path) -> Contents {
    image(&fs::read_to_string(case.join("image.txt")).unwrap())
}

/// Keys under which two databases differ, by their outlines; the same as their difference names.
fn changed(old: &Database<'_>, new: &Database<'_>) -> BTreeSet<Key> {
    let (before, after) = (Outline::of(old).unwrap(), Outline::of(new).unwrap());
    let before: BTreeSet<_> = before.entries.into_iter().collect();
    let after: BTreeSet<_> = after.entries.into_iter().collect();
    let changed: BTreeSet<Key> = before.symmetric_difference(&after).map(|entry| entry.0).collect();
    let named: BTreeSet<Key> = diff(old, new).unwrap().into_iter().map(|change| change.key).collect();
    assert_eq!(changed, named, "outlines and names");
    changed
}

/// Whether nothing that was asked changed; then the assessments must be the same.
fn spared(contents: &Contents, old: &[u8], new: &[u8]) -> bool {
    let (old, new) = (Database::open(old).unwrap(), Database::open(new).unwrap());
    let (before, after) = (assess(contents, &old), assess(contents, &new));
    let asked = before.asked.clone().unwrap();
    let changed = changed(&old, &new);
    let spared = asked.iter().all(|key| !changed.contains(key));
    if spared {
        assert_eq!(before, after);
    }
    spared
}

#[test]
fn the_same_answers_give_the_same_assessment() {
    let all = cases();
    let (mut held, mut renewed) = (0, 0);
    for (number, case) in all.iter().enumerate() {
        let contents = contents(case);
        let own = advisories(case);
        let whole = database(&own);
        let mut others = Vec::new();
        // One record less, one that was modified later, and the records of other cases beside its own.
        for at in (0..own.len()).take(6) {
            let mut less = own.clone();
            let mut later = less.remove(at);
            others.push(less.clone());
            later["modified"] = "2031-01-01T00:00:00Z".into();
            less.insert(at, later);
            others.push(less);
        }
        for other in all.iter().cycle().skip(number + 1).take(3) {
            others.push(own.iter().cloned().chain(advisories(other)).collect());
        }
        for other in others {
            *(if spared(&contents, &whole, &database(&other)) { &mut held } else { &mut renewed }) += 1;
        }
    }
    assert!(held > 50 && renewed > 50, "{held} held, {renewed} renewed");
}

#[test]
fn every_finding_comes_from_a_key_that_was_asked() {
    for case in cases() {
        let bytes = compiled(&case);
        let found = assess(&contents(&case), &Database::open(&bytes).unwrap());
        let empty = Builder::new().finish().unwrap().bytes;
        let nothing = assess(&contents(&case), &Database::open(&empty).unwrap());
        if found != nothing {
            assert!(!spared(&contents(&case), &bytes, &empty), "{}", case.display());
        }
    }
}

#[test]
fn the_end_of_a_release_is_asked_for() {
    let record = |modified: &str| {
        serde_json::json!({"id": "X-1", "modified": modified, "affected": [
            {"package": {"ecosystem": "npm", "name": "a"}, "versions": ["1.0.0"]}]})
    };
    let mut contents = image("distribution alpine 3.10.2\n");
    let (before, after) =
        (database(&[record("2021-01-01T00:00:00Z")]), database(&[record("2026-01-01T00:00:00Z")]));
    let passed = |found: Assessment| found.end_of_life.map(|end| end.passed);
    assert_eq!(passed(assess(&contents, &Database::open(&before).unwrap())), Some(false));
    assert_eq!(passed(assess(&contents, &Database::open(&after).unwrap())), Some(true));
    assert!(!spared(&contents, &before, &after), "3.10 ended between them");
    // A release that ended long before both, and none at all.
    contents = image("distribution alpine 3.2.0\n");
    assert!(spared(&contents, &before, &after));
    assert!(spared(&Contents::default(), &before, &after));
}

#[test]
fn more_keys_than_are_remembered_are_no_keys() {
    let bytes = database(&[]);
    let database = Database::open(&bytes).unwrap();
    for (questions, names, known) in [
        (10, 10, true),
        (5 * MOST_ASKED, 100, true),
        (MOST_ASKED + 1, MOST_ASKED + 1, false),
        (5 * MOST_ASKED, 5 * MOST_ASKED, false),
    ] {
        let consult = Consult::new(&database);
        for question in 0..questions {
            assert!(consult.lookup("npm", &format!("package-{}", question % names)).unwrap().is_none());
        }
        assert_eq!(consult.asked().is_some(), known, "{questions} questions for {names} names");
    }
}
