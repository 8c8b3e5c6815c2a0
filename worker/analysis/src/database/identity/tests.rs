use super::{Aliases, Names, cve, names, spelled};
use crate::database::osv::Record;

fn record(id: &str, aliases: &[&str], upstream: &[&str], related: &[&str]) -> Record {
    let list = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    Record {
        id: id.to_owned(),
        aliases: list(aliases),
        upstream: list(upstream),
        related: list(related),
        ..Record::default()
    }
}

#[test]
fn a_cve_is_found_in_what_distributions_call_it() {
    for (id, expected) in [
        ("CVE-2024-1", Some("CVE-2024-1")),
        ("DEBIAN-CVE-2024-12345", Some("CVE-2024-12345")),
        ("BELL-CVE-2024-1", Some("CVE-2024-1")),
        ("BIT-redis-2024-1", None),
        ("XCVE-2024-1", None),
        ("CVE-24-1", None),
        ("CVE-2024-1x", None),
        ("CVE-2024-", None),
        ("é-CVE-2024-1", Some("CVE-2024-1")),
    ] {
        assert_eq!(cve(id), expected, "{id}");
    }
    assert_eq!(spelled(" cve-2024-1"), "CVE-2024-1");
    assert_eq!(spelled("ghsa-AAAA-bbbb-cccc"), "GHSA-aaaa-bbbb-cccc");
    assert_eq!(spelled("MAL-2024-1"), "MAL-2024-1");
}

#[test]
fn a_record_is_about_its_own_cve_then_what_it_answers() {
    for (record, distribution, cves, aliases) in [
        (
            record("GHSA-1", &["CVE-2024-1", "PYSEC-1"], &[], &["CVE-2024-9"]),
            false,
            &["CVE-2024-1"][..],
            &["PYSEC-1"][..],
        ),
        (record("DEBIAN-CVE-2024-1", &[], &["CVE-2024-1"], &[]), true, &["CVE-2024-1"], &[]),
        (record("CGA-1", &[], &["CVE-2024-1", "GHSA-1"], &[]), true, &["CVE-2024-1"], &["GHSA-1"]),
        // Several answered flaws are no aliases of each other.
        (
            record("DSA-1-1", &[], &["CVE-2024-1", "DEBIAN-CVE-2024-1", "CVE-2024-2"], &[]),
            true,
            &["CVE-2024-1", "CVE-2024-2"],
            &[],
        ),
        (
            record("ALSA-2024:1", &[], &[], &["CVE-2024-1", "CVE-2024-2"]),
            true,
            &["CVE-2024-1", "CVE-2024-2"],
            &[],
        ),
        (record("RUSTSEC-1", &[], &[], &["CVE-2024-1"]), false, &[], &[]),
        (record("MAL-1", &["GHSA-1"], &[], &[]), false, &[], &["GHSA-1"]),
    ] {
        let names = names(&record, distribution);
        assert_eq!(names.cves, cves, "{}", record.id);
        assert_eq!(names.aliases, aliases, "{}", record.id);
    }
}

fn flaws(learnt: &[Record], asked: &Record) -> Vec<String> {
    let mut aliases = Aliases::default();
    for record in learnt {
        aliases.learn(&record.id, &names(record, false));
    }
    aliases.flaws(&asked.id, &names(asked, false))
}

#[test]
fn the_best_known_cve_names_the_flaw() {
    let ghsa = record("GHSA-1", &["CVE-2024-1"], &[], &[]);
    let rustsec = record("RUSTSEC-1", &["GHSA-1"], &[], &[]);
    assert_eq!(flaws(std::slice::from_ref(&ghsa), &rustsec), ["CVE-2024-1"]);
    assert_eq!(flaws(&[], &rustsec), ["GHSA-1"]);
    assert_eq!(flaws(&[], &record("MAL-1", &[], &[], &[])), ["MAL-1"]);
    // One step and no chain.
    let far = record("OTHER-1", &["RUSTSEC-1"], &[], &[]);
    assert_eq!(flaws(&[ghsa.clone(), rustsec.clone()], &far), ["OTHER-1"]);
    // An identifier of two flaws is the name of none.
    let second = record("PYSEC-1", &["CVE-2024-2", "GHSA-1"], &[], &[]);
    assert_eq!(flaws(&[ghsa, second], &rustsec), ["GHSA-1"]);
}

#[test]
fn two_cves_of_one_record_are_two_flaws() {
    let both = record("GHSA-1", &["CVE-2024-2", "CVE-2024-1"], &[], &[]);
    assert_eq!(flaws(&[], &both), ["CVE-2024-1", "CVE-2024-2"]);
    assert_eq!(
        names(&both, false),
        Names {
            cves: vec!["CVE-2024-1".to_owned(), "CVE-2024-2".to_owned()],
            aliases: Vec::new(),
            answers: Vec::new()
        }
    );
}

#[test]
fn several_answered_flaws_without_a_cve_stay_several() {
    let ghsa = record("GHSA-2", &["CVE-2024-2"], &[], &[]);
    let both = record("CLEANSTART-1", &[], &["GHSA-1", "GHSA-2", "ghsa-1"], &[]);
    assert_eq!(names(&both, true).answers, ["GHSA-1", "GHSA-2"]);
    assert_eq!(names(&both, true).aliases, Vec::<String>::new());
    assert_eq!(flaws(&[], &both), ["GHSA-1", "GHSA-2"]);
    assert_eq!(flaws(std::slice::from_ref(&ghsa), &both), ["CVE-2024-2", "GHSA-1"]);
    // It teaches nothing about what its flaws are called.
    assert_eq!(flaws(&[both, ghsa], &record("OTHER-1", &["GHSA-1"], &[], &[])), ["GHSA-1"]);
    // Two names of one flaw are one.
    let same = [record("GHSA-1", &["CVE-2024-1"], &[], &[]), record("GHSA-2", &["CVE-2024-1"], &[], &[])];
    assert_eq!(flaws(&same, &record("CLEANSTART-2", &[], &["GHSA-1", "GHSA-2"], &[])), ["CVE-2024-1"]);
}
