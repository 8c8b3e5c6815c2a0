//! Reports of images that were not read from a registry wait for manifests with their configuration. Both sides look for the
//! other after their own transaction: whichever is recorded last finds the one before, and the same again changes nothing.

use crate::access::prefix::Prefix;

pub(super) const WAIT: &str =
    "INSERT INTO waiting (report, config_digest, prefixes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
/// What the report `$1` waits for.
pub(super) const WAITS: &str = "SELECT w.report, w.config_digest, w.prefixes FROM waiting w
     JOIN reports r ON r.number = w.report WHERE r.id = $1";
/// Reports that wait for what the report `$1` is of, which was read from a registry: the newest, because a submitter who sends
/// ever more must not slow the others down.
pub(super) const WAITING_FOR: &str = "SELECT w.report, w.prefixes, r.image_digest
     FROM reports r JOIN waiting w ON w.config_digest = r.config_digest
     WHERE r.id = $1 AND r.config_digest <> ''
     AND NOT EXISTS (SELECT 1 FROM waiting o WHERE o.report = r.number)
     ORDER BY w.report DESC LIMIT 100";
/// Reports of manifests with the configuration `$1` that were read from a registry.
pub(super) const SEEN: &str = "SELECT r.number, r.image_digest FROM reports r WHERE r.config_digest = $1
     AND NOT EXISTS (SELECT 1 FROM waiting o WHERE o.report = r.number) ORDER BY r.number DESC LIMIT 20";
pub(super) const SEEN_REFERENCES: &str =
    "SELECT f.scan, f.reference FROM report_references f WHERE f.report = $1 ORDER BY f.reference LIMIT 200";
/// [`crate::ports::MOST_BOUND`] manifests at most.
pub(super) const BIND: &str = "INSERT INTO bindings (report, image_digest, seen_unix_ms) SELECT $1, $2, $3
     WHERE (SELECT COUNT(*) FROM bindings b WHERE b.report = $1) < 20 ON CONFLICT DO NOTHING";
pub(super) const BOUND: &str = "SELECT b.image_digest FROM bindings b JOIN reports r ON r.number = b.report
     WHERE r.id = $1 ORDER BY b.seen_unix_ms, b.image_digest LIMIT 20";
pub(super) const REFER: &str =
    "INSERT INTO report_references (report, scan, reference) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/// A report that waits: its number, the repositories that it may come to, the manifest that was seen.
pub(super) type Waiting = (i64, String, String);

/// Whether a report that the cluster made waits: one of an archive that has no manifest.
pub(super) fn waits(image_digest: &str, config_digest: &str) -> bool {
    !config_digest.is_empty() && image_digest == config_digest
}

/// The repositories of a submitter as they are kept.
pub(super) fn prefixes(list: &[Prefix]) -> String {
    let lines: Vec<String> = list.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Of these references (or rows with one) those that may be bound. `None`: nothing may be known of the manifest.
pub(super) fn admitted<T: Clone>(
    prefixes: &str,
    rows: &[T],
    reference: impl Fn(&T) -> &str,
) -> Option<Vec<T>> {
    if prefixes.is_empty() {
        return Some(rows.to_vec());
    }
    let limits: Vec<Prefix> = prefixes.lines().filter_map(|line| line.parse().ok()).collect();
    let inside = |row: &&T| limits.iter().any(|prefix| prefix.admits(reference(row)));
    let rows: Vec<T> = rows.iter().filter(inside).cloned().collect();
    (!rows.is_empty()).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_submitter_may_name_is_bound() {
        let rows = ["r.example/a:1".to_owned(), "r.example/team/b:1".to_owned()];
        let of = |prefixes| admitted(prefixes, &rows, |row: &String| row.as_str());
        assert_eq!(of("").as_deref(), Some(&rows[..]));
        assert_eq!(of("r.example/team\nother.example").as_deref(), Some(&rows[1..]));
        assert_eq!(of("other.example"), None);
        assert_eq!(of("no prefix at all"), None);
    }
}
