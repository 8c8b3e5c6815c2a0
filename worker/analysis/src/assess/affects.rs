//! Whether a version is affected: the evaluation of the OSV schema, with "cannot be said" as an answer of its own.

use std::cmp::Ordering;

use crate::{
    database::{Rule, osv::EventKind},
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

/// Whether the rule is "every version before a fix".
pub(super) fn is_before(rule: &Rule<'_>) -> bool {
    matches!(rule, Rule::Before(_))
}

/// Whether one advisory's word on a package concerns a version.
pub(super) fn entry<'a>(rule: &Rule<'a>, version: &str, scheme: &Scheme) -> Answer<'a> {
    let (ranges, versions) = match rule {
        Rule::Before(fixed) => {
            return match (scheme.compare)(version, fixed) {
                Some(Ordering::Less) => Answer::Yes { fix: Some(fixed) },
                Some(_) => Answer::No,
                None => Answer::Unknown,
            };
        }
        Rule::Ranges { ranges, versions } => (ranges, versions),
    };
    let mut answer = Answer::No;
    for events in ranges {
        match range(events, version, scheme) {
            Answer::No => {}
            Answer::Unknown => answer = better(answer, Answer::Unknown),
            yes => answer = better(answer, yes),
        }
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
