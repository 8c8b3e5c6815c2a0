//! Entries of one layer that take the place of a directory with earlier entries of the same layer in it.

use super::collect::Record;

/// Leaves out what stands below a later entry that is no directory: container runtimes remove a directory, whatever is in
/// it, when an entry of another kind has its path.
pub(super) fn leave_out_hidden(records: &mut Vec<(String, Record)>) {
    records.sort_unstable_by(|(left, _), (right, _)| left.split('/').cmp(right.split('/')));
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

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}
