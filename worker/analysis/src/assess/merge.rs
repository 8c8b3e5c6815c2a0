//! Several advisories of one flaw → one finding.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, btree_map},
};

use super::{
    Finding, FixState, Severity,
    consult::Consult,
    risk::{Factors, risk},
};
use crate::{
    database::{Advisory, DatabaseError, Entry, Flaw, Score},
    version::Scheme,
};

/// What one advisory says of the package.
struct Voice<'d> {
    number: usize,
    advisory: Advisory<'d>,
    fix: Option<&'d str>,
    state: FixState,
    rating: Severity,
    score: Score,
    /// It speaks of a stream of longer support that the image has.
    stream: bool,
}

/// The flaws of one package, by number: numbers are in the order of identifiers.
#[derive(Default)]
pub(super) struct Merge<'d> {
    flaws: BTreeMap<usize, (Flaw<'d>, Vec<Voice<'d>>)>,
    /// Flaws that a stream of longer support has fixed in the package.
    fixed: BTreeSet<usize>,
}

impl<'d> Merge<'d> {
    pub(super) fn add(
        &mut self,
        database: &Consult<'_, 'd>,
        entry: &Entry<'d>,
        fix: Option<&'d str>,
        stream: bool,
    ) -> Result<(), DatabaseError> {
        let advisory = database.advisory(entry.advisory)?;
        for number in &advisory.flaws {
            let (flaw, voices) = match self.flaws.entry(*number) {
                btree_map::Entry::Occupied(known) => known.into_mut(),
                btree_map::Entry::Vacant(place) => place.insert((database.flaw(*number)?, Vec::new())),
            };
            // The vectors of an advisory that answers several flaws speak of the worst one.
            let score = match (entry.score.is_known(), advisory.flaws.len() > 1 && flaw.score.is_known()) {
                (true, _) => entry.score,
                (false, true) => Score::default(),
                (false, false) => advisory.score,
            };
            voices.push(Voice {
                number: entry.advisory,
                fix,
                state: entry.state.clone(),
                rating: entry.rating.unwrap_or(advisory.rating),
                score,
                stream,
                advisory: advisory.clone(),
            });
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flaws.is_empty()
    }

    /// Takes back what the advisory of that number said.
    pub(super) fn settle(&mut self, advisory: usize) {
        for (_, voices) in self.flaws.values_mut() {
            voices.retain(|voice| voice.number != advisory);
        }
    }

    /// Notes that the flaws of a stream's advisory are fixed in the package, whatever others say.
    pub(super) fn fixed_in_stream(
        &mut self,
        database: &Consult<'_, 'd>,
        entry: &Entry<'d>,
    ) -> Result<(), DatabaseError> {
        self.fixed.extend(database.advisory(entry.advisory)?.flaws);
        Ok(())
    }

    /// The findings of the package of that index, ordered by identifier.
    pub(super) fn finish(self, package: usize, order: &Scheme) -> impl Iterator<Item = Finding> {
        let Self { flaws, fixed } = self;
        let open = flaws.into_iter().filter(move |(number, _)| !fixed.contains(number));
        open.filter_map(move |(_, (flaw, voices))| finding(package, &flaw, voices, order))
    }
}

fn finding(package: usize, flaw: &Flaw<'_>, mut voices: Vec<Voice<'_>>, order: &Scheme) -> Option<Finding> {
    // Where a stream of longer support speaks, its fix is the one that the image can get.
    if voices.iter().any(|voice| voice.stream) {
        voices.retain(|voice| voice.stream);
    }
    // The one that rates speaks first, the worst of them; then by identifier.
    voices.sort_by(|a, b| {
        let rank = |voice: &Voice<'_>| (voice.rating, voice.score);
        rank(b).cmp(&rank(a)).then_with(|| a.advisory.id.cmp(b.advisory.id))
    });
    let first = voices.first()?;
    let score = voices.iter().map(|voice| voice.score).max().unwrap_or_default();
    let (severity, severity_source) = severity(first.rating, score, flaw);
    let score = if score.is_known() { score } else { flaw.score };
    let titles = voices.iter().map(|voice| voice.advisory.title).chain([flaw.title]);
    let ids =
        voices.iter().flat_map(|voice| voice.advisory.aliases.iter().copied().chain([voice.advisory.id]));
    let mut aliases: Vec<String> =
        ids.filter(|id| *id != flaw.id && *id != first.advisory.id).map(str::to_owned).collect();
    aliases.sort_unstable();
    aliases.dedup();
    let risk_millionths = risk(Factors {
        severity,
        cvss_tenths: score.is_known().then(|| u32::from(score.tenths)),
        epss_millionths: flaw.epss_millionths,
        known_exploited: flaw.known_exploited,
        ransomware: flaw.ransomware,
        malicious: voices.iter().any(|voice| voice.advisory.id.starts_with("MAL-")),
    });
    Some(Finding {
        package,
        id: flaw.id.to_owned(),
        advisory: first.advisory.id.to_owned(),
        aliases,
        severity,
        severity_source,
        cvss_tenths: u32::from(score.tenths),
        fix: fix(&voices, order),
        title: titles.into_iter().find(|title| !title.is_empty()).unwrap_or_default().to_owned(),
        epss_millionths: flaw.epss_millionths,
        known_exploited: flaw.known_exploited,
        ransomware: flaw.ransomware,
        risk_millionths,
        // Of several advisories any may have brought the fix: the newest date is what it is older than for sure.
        advisory_modified: voices.iter().map(|voice| voice.advisory.modified()).max().unwrap_or_default(),
    })
}

/// The advisory's own rating, else its score, else what other advisories of the flaw say.
fn severity(rating: Severity, score: Score, flaw: &Flaw<'_>) -> (Severity, &'static str) {
    if rating != Severity::Unknown {
        return (rating, "advisory");
    }
    if score.is_known() {
        return (score.severity(), score.source());
    }
    let other = if flaw.score.is_known() { flaw.score.severity() } else { flaw.rating };
    if other == Severity::Unknown { (other, "") } else { (other, "alias") }
}

/// The version that satisfies every advisory that names a fix: the greatest of their fixes.
fn fix(voices: &[Voice<'_>], order: &Scheme) -> FixState {
    let mut greatest: Option<&str> = None;
    for fix in voices.iter().filter_map(|voice| voice.fix) {
        if greatest.is_none_or(|known| (order.compare)(fix, known) == Some(Ordering::Greater)) {
            greatest = Some(fix);
        }
    }
    match greatest {
        Some(version) => FixState::Fixed(version.to_owned()),
        None => voices.iter().map(|voice| voice.state.clone()).max().unwrap_or(FixState::NotFixed),
    }
}
