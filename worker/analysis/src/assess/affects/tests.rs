use proptest::prelude::*;

use super::{Answer, Bounded, range, sorted_range};
use crate::{
    assess::FixState,
    database::{Entry, Rule, Score, osv::EventKind, ranges::all_sorted},
    version::SEMVER,
};

/// `introduced 1.0.0, fixed 1.2.0` as events.
fn events(text: &str) -> Vec<(EventKind, &str)> {
    text.split(", ")
        .map(|part| {
            let (kind, version) = part.split_once(' ').expect("a kind and a version");
            let kind = match kind {
                "introduced" => EventKind::Introduced,
                "fixed" => EventKind::Fixed,
                "last" => EventKind::LastAffected,
                "limit" => EventKind::Limit,
                other => panic!("no kind of event: {other}"),
            };
            (kind, version)
        })
        .collect()
}

const fn yes(fix: &str) -> Answer<'_> {
    Answer::Yes { fix: Some(fix) }
}

fn entry<'a>(rule: &Rule<'a>, version: &str) -> Answer<'a> {
    let entry = Entry {
        advisory: 0,
        rule: rule.clone(),
        bound: "",
        state: FixState::NotFixed,
        rating: None,
        score: Score::default(),
        modular: false,
        stream: "",
        arch: "",
    };
    Bounded::new(version, &SEMVER).answer(&entry, true)
}

const UNFIXED: Answer<'static> = Answer::Yes { fix: None };

#[test]
fn ranges_enclose_what_their_events_say() {
    let branches = "introduced 1.0.0, fixed 1.2.0, introduced 2.0.0, fixed 2.3.0";
    for (text, version, expected) in [
        ("introduced 0, fixed 1.0.0", "0.0.0-alpha", yes("1.0.0")),
        ("introduced 0, fixed 1.0.0", "1.0.0", Answer::No),
        ("introduced 0", "99.0.0", UNFIXED),
        ("introduced 0", "not a version", UNFIXED),
        ("introduced 0, fixed 1.0.0", "not a version", Answer::Unknown),
        ("introduced 0, fixed what", "1.0.0", Answer::Unknown),
        ("introduced what, fixed 1.0.0", "1.0.0", Answer::Unknown),
        (branches, "0.9.0", Answer::No),
        (branches, "1.0.0", yes("1.2.0")),
        (branches, "1.2.0", Answer::No),
        (branches, "1.9.9", Answer::No),
        (branches, "2.0.0", yes("2.3.0")),
        (branches, "2.3.0", Answer::No),
        // The order of the record does not matter...
        ("introduced 2.0.0, introduced 1.0.0, fixed 2.3.0, fixed 1.2.0", "1.5.0", Answer::No),
        ("fixed 1.2.0, introduced 1.0.0", "1.1.0", yes("1.2.0")),
        // ... but where an end and a start are one version.
        ("introduced 0, fixed 1.0.0, introduced 1.0.0, fixed 2.0.0", "1.0.0", yes("2.0.0")),
        ("introduced 1.0.0, fixed 1.0.0", "1.0.0", Answer::No),
        ("introduced 1.0.0, last 1.5.0", "1.5.0", UNFIXED),
        ("introduced 1.0.0, last 1.5.0", "1.5.1", Answer::No),
        ("introduced 1.0.0, last 1.0.0", "1.0.0", UNFIXED),
        ("introduced 0, fixed 3.0.0, limit 2.0.0", "1.0.0", yes("3.0.0")),
        ("introduced 0, fixed 3.0.0, limit 2.0.0", "2.0.0", Answer::No),
        ("introduced 0, limit 1.0.0, limit 2.0.0", "1.5.0", UNFIXED),
        ("introduced 0, fixed 1.0.0, fixed 1.2.0", "1.1.0", Answer::No),
    ] {
        assert_eq!(range(&events(text), version, &SEMVER), expected, "{version} in {text}");
    }
}

#[test]
fn listed_versions_are_affected_and_take_the_fix_of_the_ranges() {
    let rule = Rule::Ranges {
        ranges: vec![events("introduced 2.0.0, fixed 2.1.0")],
        sorted: true,
        versions: vec!["1.0.0", "1.x"],
    };
    for (version, expected) in [
        ("1.0.0", yes("2.1.0")),
        ("1.0.0+build", yes("2.1.0")),
        ("1.0.1", Answer::No),
        ("2.0.5", yes("2.1.0")),
        // A list needs no order, and what the ranges leave open stays open.
        ("1.x", UNFIXED),
        ("2.x", Answer::Unknown),
    ] {
        assert_eq!(entry(&rule, version), expected, "{version}");
    }
    let only = Rule::Ranges { ranges: Vec::new(), sorted: true, versions: vec!["1.0.0"] };
    assert_eq!(entry(&only, "2.x"), Answer::No);
}

#[test]
fn a_yes_of_one_range_outweighs_the_doubt_of_another() {
    let rule = Rule::Ranges {
        ranges: vec![
            events("introduced what"),
            events("introduced 0, last 2.0.0"),
            events("introduced 0, fixed 3.0.0"),
        ],
        sorted: false,
        versions: Vec::new(),
    };
    assert_eq!(entry(&rule, "1.0.0"), yes("3.0.0"));
    assert_eq!(entry(&rule, "4.0.0"), Answer::Unknown);
}

fn any_event() -> impl Strategy<Value = (EventKind, String)> {
    let kind =
        prop_oneof![Just(EventKind::Introduced), Just(EventKind::Fixed), Just(EventKind::LastAffected)];
    (kind, 0_u8..6).prop_map(|(kind, number)| match (kind, number) {
        (EventKind::Introduced, 0) => (kind, "0".to_owned()),
        _ => (kind, format!("{number}.0.0")),
    })
}

proptest! {
    #[test]
    fn sorting_the_events_changes_no_answer(events in prop::collection::vec(any_event(), 1..7), version in 0_u8..13) {
        fn borrowed(events: &[(EventKind, String)]) -> Vec<(EventKind, &str)> {
            events.iter().map(|(kind, version)| (*kind, version.as_str())).collect()
        }
        let version = format!("{}.{}.0", version / 2, version % 2);
        let sorted = all_sorted(std::slice::from_ref(&events), &SEMVER).expect("comparable");
        let one = range(&borrowed(&events), &version, &SEMVER);
        prop_assert_eq!(one, sorted_range(&borrowed(&sorted[0]), &version, &SEMVER));
    }
}
