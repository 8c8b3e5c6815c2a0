//! Whether a version is affected: the evaluation of the OSV schema, with "cannot be said" as an answer of its own.

use std::cmp::Ordering;

use crate::{
    database::{Entry, Rule, osv::EventKind},
    version::Scheme,
};

/// Whether a version is affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer<'a> {
    /// It is, and this is the nearest version without the flaw.
    Yes {
        /// `None` when there is none yet.
        fix: Option<&'a str>,
    },
    /// It is not.
    No,
    /// A version that decides is none of the scheme.
    Unknown,
}

/// One version against the entries of a key, many of which share a bound: each bound is compared once.
pub(super) struct Bounded<'v, 'a> {
    version: &'v str,
    scheme: &'v Scheme,
    bound: &'a str,
    order: Option<Ordering>,
}

impl<'v, 'a> Bounded<'v, 'a> {
    pub(super) fn new(version: &'v str, scheme: &'v Scheme) -> Self {
        Self { version, scheme, bound: "", order: None }
    }

    fn order(&mut self, bound: &'a str) -> Option<Ordering> {
        if bound != self.bound {
            self.bound = bound;
            self.order = (self.scheme.compare)(self.version, bound);
        }
        self.order
    }

    /// Whether the version is at a bound or after it: what ends there does not concern it.
    pub(super) fn is_behind(&mut self, bound: &'a str) -> bool {
        !bound.is_empty() && matches!(self.order(bound), Some(Ordering::Equal | Ordering::Greater))
    }

    /// Whether an entry concerns the version. `same_scheme` says that the file was sorted by the scheme.
    pub(super) fn answer(&mut self, entry: &Entry<'a>, same_scheme: bool) -> Answer<'a> {
        match &entry.rule {
            Rule::Before(fixed) => match self.order(fixed) {
                Some(Ordering::Less) => Answer::Yes { fix: Some(fixed) },
                Some(_) => Answer::No,
                None => Answer::Unknown,
            },
            Rule::Ranges { ranges, sorted, versions } => {
                let range = if *sorted && same_scheme { sorted_range } else { range };
                ranges_and_list(ranges, range, versions, self.version, self.scheme)
            }
        }
    }
}

/// How one range is evaluated.
type Evaluate = for<'e> fn(&[(EventKind, &'e str)], &str, &Scheme) -> Answer<'e>;

fn ranges_and_list<'a>(
    ranges: &[Vec<(EventKind, &'a str)>],
    evaluate: Evaluate,
    versions: &[&str],
    version: &str,
    scheme: &Scheme,
) -> Answer<'a> {
    let mut answer = Answer::No;
    for events in ranges {
        answer = better(answer, evaluate(events, version, scheme));
    }
    if matches!(answer, Answer::Yes { .. }) {
        return answer;
    }
    let is_listed = versions
        .iter()
        .any(|listed| *listed == version || (scheme.compare)(version, listed) == Some(Ordering::Equal));
    if is_listed {
        return Answer::Yes { fix: ranges.iter().find_map(|events| nearest_fix(events, version, scheme)) };
    }
    answer
}

/// [`range`] for events that are in the order of their versions, and are all versions of the scheme.
fn sorted_range<'a>(events: &[(EventKind, &'a str)], version: &str, scheme: &Scheme) -> Answer<'a> {
    let mut affected = false;
    let mut rest = events.iter();
    for (kind, bound) in rest.by_ref() {
        if *bound == "0" && *kind == EventKind::Introduced {
            affected = true;
            continue;
        }
        match ((scheme.compare)(version, bound), kind) {
            (None, _) => return Answer::Unknown,
            (Some(Ordering::Less), EventKind::Fixed) if affected => return Answer::Yes { fix: Some(bound) },
            (Some(Ordering::Less), _) => break,
            (Some(_), EventKind::Introduced) => affected = true,
            (Some(_), EventKind::Fixed) | (Some(Ordering::Greater), EventKind::LastAffected) => {
                affected = false
            }
            (Some(_), _) => {}
        }
    }
    if !affected {
        return Answer::No;
    }
    let fix = rest.find(|(kind, _)| *kind == EventKind::Fixed).map(|(_, bound)| *bound);
    Answer::Yes { fix }
}

/// A yes with a fix, then a yes, then the unknown.
fn better<'a>(a: Answer<'a>, b: Answer<'a>) -> Answer<'a> {
    let rank = |answer: &Answer<'_>| match answer {
        Answer::Yes { fix: Some(_) } => 3,
        Answer::Yes { fix: None } => 2,
        Answer::Unknown => 1,
        Answer::No => 0,
    };
    if rank(&b) > rank(&a) { b } else { a }
}

/// Whether the events of one range enclose a version: the last introduction at or before it, with no end between.
pub(crate) fn range<'a>(events: &[(EventKind, &'a str)], version: &str, scheme: &Scheme) -> Answer<'a> {
    // `introduced: 0` is before every version, whatever the scheme makes of `0`.
    let mut start: Option<(usize, Option<&str>)> = None;
    for (place, (kind, bound)) in events.iter().enumerate() {
        if *kind != EventKind::Introduced {
            continue;
        }
        if *bound == "0" {
            if start.is_none_or(|(_, known)| known.is_none()) {
                start = Some((place, None));
            }
            continue;
        }
        match (scheme.compare)(version, bound) {
            None => return Answer::Unknown,
            Some(Ordering::Less) => {}
            Some(_) => {
                let later = start.and_then(|(_, known)| known).is_none_or(|known| {
                    (scheme.compare)(bound, known).is_some_and(|order| order != Ordering::Less)
                });
                if later {
                    start = Some((place, Some(bound)));
                }
            }
        }
    }
    let Some(start) = start else { return Answer::No };
    enclosed(events, version, scheme, start)
}

/// Whether no end lies between the start and the version.
fn enclosed<'a>(
    events: &[(EventKind, &'a str)],
    version: &str,
    scheme: &Scheme,
    (place, start): (usize, Option<&str>),
) -> Answer<'a> {
    let mut unknown = false;
    let (mut limits, mut within) = (0, 0);
    for (at, (kind, bound)) in events.iter().enumerate() {
        if *kind == EventKind::Introduced {
            continue;
        }
        let Some(order) = (scheme.compare)(version, bound) else {
            unknown = true;
            continue;
        };
        // Where an end and the start are one version, the order of the record decides.
        let after_start = match start.map(|start| (scheme.compare)(bound, start)) {
            None | Some(Some(Ordering::Greater)) => true,
            Some(Some(Ordering::Equal)) => at > place || *kind == EventKind::LastAffected,
            Some(Some(Ordering::Less)) => false,
            Some(None) => {
                unknown = true;
                continue;
            }
        };
        match kind {
            EventKind::Fixed if order != Ordering::Less && after_start => return Answer::No,
            EventKind::LastAffected if order == Ordering::Greater && after_start => return Answer::No,
            EventKind::Limit => {
                limits += 1;
                within += u32::from(order == Ordering::Less);
            }
            _ => {}
        }
    }
    if limits > 0 && within == 0 {
        return Answer::No;
    }
    if unknown {
        return Answer::Unknown;
    }
    Answer::Yes { fix: nearest_fix(events, version, scheme) }
}

/// The smallest fix after a version.
fn nearest_fix<'a>(events: &[(EventKind, &'a str)], version: &str, scheme: &Scheme) -> Option<&'a str> {
    let mut nearest: Option<&'a str> = None;
    for (kind, bound) in events {
        let is_fix = *kind == EventKind::Fixed && (scheme.compare)(version, bound) == Some(Ordering::Less);
        if is_fix && nearest.is_none_or(|known| (scheme.compare)(bound, known) == Some(Ordering::Less)) {
            nearest = Some(bound);
        }
    }
    nearest
}

#[cfg(test)]
mod tests;
