//! Events in the order of their versions, and where all of them end. What is sorted once here costs one comparison for
//! each event in every assessment, or none.

use std::cmp::Ordering;

use super::osv::EventKind;
use crate::version::Scheme;

/// One event: what happens, and at which version.
type Event = (EventKind, String);

/// The events of a range by version, those of one version in the record's order, but an end "last affected" after a
/// start. `None` when they cannot be sorted: an unknown bound, or a limit, which is no point on the same line.
fn sorted(events: &[Event], scheme: &Scheme) -> Option<Vec<Event>> {
    let mut list: Vec<Event> = Vec::with_capacity(events.len());
    for event in events {
        let (kind, version) = event;
        if *kind == EventKind::Limit {
            return None;
        }
        let mut at = list.len();
        // From the back: records are nearly always sorted already.
        while let Some(before) = at.checked_sub(1).and_then(|before| list.get(before)) {
            let after = match compare(&before.1, version, scheme)? {
                Ordering::Less => true,
                Ordering::Equal => before.0 != EventKind::LastAffected || *kind == EventKind::LastAffected,
                Ordering::Greater => false,
            };
            if after {
                break;
            }
            at -= 1;
        }
        // A bound that is no version of the scheme has no place, not even alone.
        compare(version, version, scheme)?;
        list.insert(at, event.clone());
    }
    Some(list)
}

/// `0` is before every version.
fn compare(a: &str, b: &str, scheme: &Scheme) -> Option<Ordering> {
    match (a == "0", b == "0") {
        (true, true) => Some(Ordering::Equal),
        (true, false) => Some(Ordering::Less),
        (false, true) => Some(Ordering::Greater),
        (false, false) => (scheme.compare)(a, b),
    }
}

/// All ranges of an affected package, sorted; `None` when one of them cannot be.
pub(crate) fn all_sorted(ranges: &[Vec<Event>], scheme: &Scheme) -> Option<Vec<Vec<Event>>> {
    ranges.iter().map(|events| sorted(events, scheme)).collect()
}

/// The first version that is behind all sorted ranges: the greatest of the fixes that they end with. `None` when one
/// does not end with a fix.
pub(super) fn bound<'a>(ranges: &'a [Vec<Event>], scheme: &Scheme) -> Option<&'a str> {
    let mut greatest: Option<&str> = None;
    for range in ranges {
        let (EventKind::Fixed, version) = range.last()? else { return None };
        if version == "0" {
            return None;
        }
        if greatest.is_none_or(|known| (scheme.compare)(version, known) == Some(Ordering::Greater)) {
            greatest = Some(version);
        }
    }
    greatest
}

#[cfg(test)]
mod tests {
    use super::{all_sorted, bound};
    use crate::{database::osv::EventKind, version::SEMVER};

    fn events(list: &[(EventKind, &str)]) -> Vec<(EventKind, String)> {
        list.iter().map(|(kind, version)| (*kind, (*version).to_owned())).collect()
    }

    #[test]
    fn events_are_sorted_by_version_and_end_at_their_last_fix() {
        use EventKind::{Fixed, Introduced, LastAffected, Limit};
        let mixed = events(&[(Fixed, "1.2.0"), (Introduced, "2.0.0"), (Fixed, "2.1.0"), (Introduced, "0")]);
        let sorted = all_sorted(std::slice::from_ref(&mixed), &SEMVER).expect("comparable");
        let order = events(&[(Introduced, "0"), (Fixed, "1.2.0"), (Introduced, "2.0.0"), (Fixed, "2.1.0")]);
        assert_eq!(sorted, [order]);
        assert_eq!(bound(&sorted, &SEMVER), Some("2.1.0"));
        let tie = events(&[(LastAffected, "1.0.0"), (Introduced, "1.0.0")]);
        let tie = all_sorted(&[tie], &SEMVER).expect("comparable");
        assert_eq!(tie, [events(&[(Introduced, "1.0.0"), (LastAffected, "1.0.0")])]);
        assert_eq!(bound(&tie, &SEMVER), None);
        for unsorted in [[(Introduced, "what")], [(Limit, "1.0.0")]] {
            assert_eq!(all_sorted(&[events(&unsorted)], &SEMVER), None);
        }
        let open = vec![events(&[(Introduced, "0"), (Fixed, "1.0.0")]), events(&[(Introduced, "2.0.0")])];
        assert_eq!(bound(&open, &SEMVER), None);
    }
}
