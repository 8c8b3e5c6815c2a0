use super::{Score, of_affected, of_record, state, word};
use crate::{
    assess::{FixState, Severity},
    database::osv::{Affected, Rating, Record},
};

#[test]
fn the_words_of_all_sources_are_known() {
    for (text, expected) in [
        ("CRITICAL", Some(Severity::Critical)),
        ("Important", Some(Severity::High)),
        ("MODERATE", Some(Severity::Medium)),
        ("medium**", Some(Severity::Medium)),
        ("low*", Some(Severity::Low)),
        ("unimportant", Some(Severity::Negligible)),
        ("negligible", Some(Severity::Negligible)),
        ("not yet assigned", None),
        ("untriaged", None),
        ("Unknown", None),
        ("", None),
    ] {
        assert_eq!(word(text), expected, "{text}");
    }
}

fn rated(kind: &str, score: &str) -> Vec<Rating> {
    vec![Rating { kind: kind.to_owned(), score: score.to_owned() }]
}

#[test]
fn the_nearest_rating_counts() {
    let ubuntu = Record { severity: rated("Ubuntu", "negligible"), ..Record::default() };
    assert_eq!(of_record(&ubuntu, false), Some(Severity::Negligible));
    let ghsa = Record { rating: "HIGH".to_owned(), severity: rated("CVSS_V3", "low"), ..Record::default() };
    assert_eq!(of_record(&ghsa, false), Some(Severity::High));
    let errata = Record { title: "Important: nodejs:14 security update".to_owned(), ..Record::default() };
    assert_eq!(of_record(&errata, true), Some(Severity::High));
    assert_eq!(of_record(&errata, false), None);
    let unmaintained =
        Affected { status: "unmaintained".to_owned(), rating: "HIGH".to_owned(), ..Affected::default() };
    assert_eq!(of_affected(&unmaintained), Some(Severity::Negligible));
}

#[test]
fn states_of_ubuntu_wolfi_and_debian_are_told_apart() {
    for (status, rating, expected) in [
        ("needed", "", FixState::NotFixed),
        ("pending (5.3.0-1012.13~18.04.1)", "", FixState::NotFixed),
        ("needs-triage", "", FixState::UnderInvestigation),
        ("deferred (2020-03-03)", "", FixState::Deferred),
        ("ignored (abandoned)", "", FixState::WillNotFix),
        ("ignored", "", FixState::WillNotFix),
        ("ignored (end of standard support)", "", FixState::EndOfLife),
        ("ignored (reached end-of-life)", "", FixState::EndOfLife),
        ("detection", "", FixState::UnderInvestigation),
        ("fix-not-planned", "", FixState::WillNotFix),
        ("pending-upstream-fix", "", FixState::NotFixed),
        ("", "end-of-life", FixState::EndOfLife),
        ("", "unimportant", FixState::NotFixed),
    ] {
        let affected =
            Affected { status: status.to_owned(), rating: rating.to_owned(), ..Affected::default() };
        assert_eq!(state(&affected), expected, "{status}{rating}");
    }
}

#[test]
fn scores_have_the_bands_of_cvss() {
    for (tenths, expected) in [
        (0, Severity::Negligible),
        (1, Severity::Low),
        (39, Severity::Low),
        (40, Severity::Medium),
        (69, Severity::Medium),
        (70, Severity::High),
        (89, Severity::High),
        (90, Severity::Critical),
        (100, Severity::Critical),
    ] {
        assert_eq!(Score { version: 3, tenths }.severity(), expected, "{tenths}");
    }
    assert_eq!(Score::default().severity(), Severity::Unknown);
}
