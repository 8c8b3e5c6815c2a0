//! Writes the sections of the file.

mod keys;
pub(super) mod out;

use std::collections::{BTreeSet, HashMap, HashSet};

use out::{Out, Records, Strings};

use super::{
    build::{BuildError, Known},
    compact::{Advisory, Interner, Package, Symbol},
    ecosystems,
    layout::{self, SECTIONS, Section},
    lifecycle::Lifecycles,
    score::{Exploitation, Threats},
};
use crate::assess::Severity;

/// An advisory of the file and the flaws that it is about.
type Kept = (Advisory<Symbol>, Vec<Symbol>);

/// Writes the file. `advisories` are in order of identifier.
pub(super) fn encode(
    texts: &Interner,
    advisories: &[Kept],
    known: &HashMap<Symbol, Known>,
    threats: &Threats,
    lifecycles: &Lifecycles,
) -> Result<Vec<u8>, BuildError> {
    let flaws = in_order(texts, advisories.iter().flat_map(|(_, flaws)| flaws.iter().copied()));
    let strings = Strings::new(texts, advisories, &flaws, known)?;
    let ecosystems = in_order(texts, packages(advisories).map(|(_, package)| package.ecosystem));
    let numbers = |list: &[Symbol]| -> HashMap<Symbol, usize> {
        list.iter().enumerate().map(|(number, symbol)| (*symbol, number)).collect()
    };
    let (flaw_numbers, ecosystem_numbers) = (numbers(&flaws), numbers(&ecosystems));
    let advisory_records = encode_advisories(texts, advisories, &flaw_numbers, &strings)?;
    let (flaw_records, counts) = encode_flaws(texts, &flaws, known, threats, &strings)?;
    let keys = keys::encode(texts, advisories, &ecosystem_numbers, &strings)?;
    let mut about = Out::default();
    about.varint(advisories.iter().map(|(advisory, _)| advisory.modified).max().unwrap_or(0));
    about.varint(as_of(advisories));
    about.varint(counts.0);
    about.varint(counts.1);
    let mut sections = vec![Vec::new(); SECTIONS.len()];
    for (section, bytes) in [
        (Section::About, about.bytes),
        (Section::Ecosystems, encode_ecosystems(texts, advisories, &ecosystems)),
        (Section::StringEnds, strings.records.ends),
        (Section::Strings, strings.records.records.bytes),
        (Section::AdvisoryEnds, advisory_records.ends),
        (Section::Advisories, advisory_records.records.bytes),
        (Section::FlawEnds, flaw_records.ends),
        (Section::Flaws, flaw_records.records.bytes),
        (Section::Slots, keys.slots()?),
        (Section::KeyEnds, keys.records.ends),
        (Section::Keys, keys.records.records.bytes),
        (Section::Lifecycles, encode_lifecycles(lifecycles)),
    ] {
        if let Some(place) = sections.get_mut(section as usize) {
            *place = bytes;
        }
    }
    Ok(layout::frame(&sections))
}

/// The modification that one of 1,000 advisories is newer than; the newest one where there are fewer.
fn as_of(advisories: &[Kept]) -> u64 {
    let mut times: Vec<u64> = advisories.iter().map(|(advisory, _)| advisory.modified).collect();
    times.sort_unstable();
    times.iter().rev().nth(times.len() / 1_000).copied().unwrap_or(0)
}

fn packages(advisories: &[Kept]) -> impl Iterator<Item = (usize, &Package<Symbol>)> {
    let numbered = advisories.iter().enumerate();
    numbered
        .flat_map(|(number, (advisory, _))| advisory.packages.iter().map(move |package| (number, package)))
}

/// The distinct symbols by their texts.
fn in_order(texts: &Interner, symbols: impl Iterator<Item = Symbol>) -> Vec<Symbol> {
    let distinct: HashSet<Symbol> = symbols.collect();
    let mut list: Vec<Symbol> = distinct.into_iter().collect();
    list.sort_unstable_by(|a, b| texts.get(*a).cmp(texts.get(*b)));
    list
}

fn encode_advisories(
    texts: &Interner,
    advisories: &[Kept],
    flaw_numbers: &HashMap<Symbol, usize>,
    strings: &Strings,
) -> Result<Records, BuildError> {
    let mut table = Records::default();
    for (advisory, flaws) in advisories {
        let out = &mut table.records;
        out.text(texts.get(advisory.id));
        out.varint(advisory.modified);
        out.byte(severity(advisory.rating.unwrap_or_default()));
        out.score(advisory.score);
        out.index(strings.number(advisory.title));
        out.index(flaws.len());
        flaws.iter().for_each(|flaw| out.index(flaw_numbers.get(flaw).copied().unwrap_or(usize::MAX)));
        let aliases = || advisory.aliases.iter().filter(|alias| !flaws.contains(alias));
        out.index(aliases().count());
        aliases().for_each(|alias| out.index(strings.number(*alias)));
        table.close("advisories")?;
    }
    Ok(table)
}

/// The flaws, and how many have a probability and are known to be exploited.
fn encode_flaws(
    texts: &Interner,
    flaws: &[Symbol],
    known: &HashMap<Symbol, Known>,
    threats: &Threats,
    strings: &Strings,
) -> Result<(Records, (u64, u64)), BuildError> {
    let mut table = Records::default();
    let (mut probable, mut exploited) = (0, 0);
    for flaw in flaws {
        let id = texts.get(*flaw);
        let known = known.get(flaw).cloned().unwrap_or_default();
        let (epss, exploitation) = (threats.epss(id), threats.exploitation(id));
        probable += u64::from(epss > 0);
        exploited += u64::from(exploitation != Exploitation::Unknown);
        let out = &mut table.records;
        out.text(id);
        out.byte(severity(known.rating));
        out.score(known.score);
        out.index(known.title.map_or(0, |title| strings.number(title)));
        out.varint(u64::from(epss));
        out.byte(match exploitation {
            Exploitation::Unknown => 0,
            Exploitation::Known => 1,
            Exploitation::Ransomware => 2,
        });
        table.close("flaws")?;
    }
    Ok((table, (probable, exploited)))
}

fn encode_ecosystems(texts: &Interner, advisories: &[Kept], ecosystems: &[Symbol]) -> Vec<u8> {
    let mut numbers: HashMap<Symbol, (u64, u64, BTreeSet<&str>)> = HashMap::new();
    let mut arches: HashMap<Symbol, BTreeSet<&str>> = HashMap::new();
    for (advisory, _) in advisories {
        let named: HashSet<Symbol> = advisory.packages.iter().map(|package| package.ecosystem).collect();
        for ecosystem in named {
            let (count, modified, sources) = numbers.entry(ecosystem).or_default();
            sources.insert(texts.get(advisory.source));
            *count += 1;
            *modified = advisory.modified.max(*modified);
        }
    }
    for (_, package) in packages(advisories).filter(|(_, package)| !texts.get(package.arch).is_empty()) {
        // Packages for every machine stand in the list of each.
        let named = texts.get(package.arch).split(' ').filter(|arch| *arch != "noarch");
        arches.entry(package.ecosystem).or_default().extend(named);
    }
    let mut out = Out::default();
    for ecosystem in ecosystems {
        let name = texts.get(*ecosystem);
        let (count, modified, sources) = numbers.remove(ecosystem).unwrap_or_default();
        out.text(name);
        out.text(ecosystems::scheme(name).map_or("", |scheme| scheme.name));
        out.varint(count);
        out.varint(modified);
        out.text(&sources.into_iter().collect::<Vec<_>>().join(", "));
        let arches = arches.remove(ecosystem).unwrap_or_default();
        out.text(&arches.into_iter().collect::<Vec<_>>().join(" "));
    }
    out.bytes
}

fn encode_lifecycles(lifecycles: &Lifecycles) -> Vec<u8> {
    let mut out = Out::default();
    for ((distribution, release), facts) in lifecycles.iter() {
        for text in [distribution, release, &facts.end, &facts.extended, &facts.source] {
            out.text(text);
        }
    }
    out.bytes
}

/// The byte that stands for a severity in the file.
pub(super) fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Unknown => 0,
        Severity::Negligible => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}
