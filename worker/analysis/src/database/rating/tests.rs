use super::{Score, invalid, of_affected, of_record, score, state, word};
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
fn the_newest_valid_vector_counts_and_invalid_ones_are_named() {
    let list = |vectors: &[&str]| {
        let rating = |score: &&str| Rating { kind: "CVSS_V3".to_owned(), score: (*score).to_owned() };
        vectors.iter().map(rating).collect::<Vec<_>>()
    };
    let three = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
    let milder = "CVSS:3.0/AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N";
    let two = "AV:N/AC:L/Au:N/C:C/I:C/A:C";
    for (vectors, expected, severity, source) in [
        (&[two, milder, three][..], Score { version: 3, tenths: 98 }, Severity::Critical, "cvss-v3"),
        (&[two], Score { version: 2, tenths: 100 }, Severity::High, "cvss-v2"),
        (
            &["CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"],
            Score { version: 3, tenths: 0 },
            Severity::Negligible,
            "cvss-v3",
        ),
        (&["CVSS:3.1/AV:N"], Score::default(), Severity::Unknown, ""),
        (&[], Score::default(), Severity::Unknown, ""),
    ] {
        let best = score(&list(vectors));
        assert_eq!((best, best.severity(), best.source()), (expected, severity, source), "{vectors:?}");
    }
    assert_eq!(invalid(&list(&[three, "CVSS:3.1/AV:N", two])).collect::<Vec<_>>(), ["CVSS:3.1/AV:N"]);
}
