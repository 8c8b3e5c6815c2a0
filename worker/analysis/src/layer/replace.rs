//! Entries of one layer that take the place of a directory with earlier entries of the same layer in it.

use std::cmp::Ordering;

use super::collect::Record;

/// Leaves out what stands below a later entry that is no directory: container runtimes remove a directory, whatever is in
/// it, when an entry of another kind has its path.
pub(super) fn leave_out_hidden(records: &mut Vec<(String, Record)>) {
    records.sort_unstable_by(|(left, _), (right, _)| by_component(left, right));
    // In this order all that is below a path follows it. Above the current path: each with the latest entry up to it.
    let mut above: Vec<(&str, u64)> = Vec::new();
    let mut kept = Vec::with_capacity(records.len());
    for (path, record) in records.iter() {
        while above.last().is_some_and(|(directory, _)| !is_below(path, directory)) {
            above.pop();
        }
        let latest = above.last().map_or(0, |(_, entry)| *entry);
        kept.push(record.entry >= latest);
        above.push((path, record.entry.max(latest)));
    }
    let mut kept = kept.into_iter();
    records.retain(|_| kept.next().unwrap_or(true));
}

/// As `left.split('/').cmp(right.split('/'))`, in one look at each byte: a layer may have a million records.
fn by_component(left: &str, right: &str) -> Ordering {
    match left.bytes().zip(right.bytes()).find(|(left, right)| left != right) {
        None => left.len().cmp(&right.len()),
        Some((b'/', _)) => Ordering::Less,
        Some((_, b'/')) => Ordering::Greater,
        Some((left, right)) => left.cmp(&right),
    }
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::by_component;

    proptest! {
        #[test]
        fn the_order_is_that_of_the_components(left in "[!-0ab/]{0,6}", right in "[!-0ab/]{0,6}") {
            prop_assert_eq!(by_component(&left, &right), left.split('/').cmp(right.split('/')));
        }
    }
}
