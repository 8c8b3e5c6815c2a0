//! How archives forget: statements that both databases understand. One step is one small transaction, so that nobody
//! waits for long; a scan that goes disappears first, and what hangs on it follows.

/// Scans that go in one step.
pub(super) const SCANS_AT_ONCE: i64 = 50;
/// Events, and references, that go in one step.
pub(super) const ROWS_AT_ONCE: i64 = 2_000;
/// Reports that one step looks at, and that go in it.
pub(super) const REPORTS_SEEN: i64 = 500;
pub(super) const REPORTS_AT_ONCE: usize = 50;

/// The id of the n-th newest scan: `$1` is n - 1.
pub(super) const NTH_SCAN: &str = "SELECT id FROM scans ORDER BY id DESC LIMIT 1 OFFSET $1";
/// Chooses ended scans (`$1`: the state of running ones) that are older than either bound, when none are being forgotten. Not
/// those that name a report which is held.
pub(super) const CHOOSE: &str = "INSERT INTO forgotten (scan)
     SELECT id FROM scans WHERE state <> $1 AND (id < $2 OR id < $3)
     AND id NOT IN (SELECT f.scan FROM holds h JOIN report_references f ON f.report = h.report
         WHERE h.released_unix_ms = 0)
     AND NOT EXISTS (SELECT 1 FROM forgotten) ORDER BY id LIMIT $4";
pub(super) const SCANS: &str = "DELETE FROM scans WHERE id IN (SELECT scan FROM forgotten)";
pub(super) const REQUESTS: &str = "DELETE FROM requests WHERE scan IN (SELECT scan FROM forgotten)";
pub(super) const TAGS: &str = "DELETE FROM tags WHERE scan IN (SELECT scan FROM forgotten)";
pub(super) const EVENTS: &str = "DELETE FROM events WHERE (scan, sequence) IN
     (SELECT e.scan, e.sequence FROM events e WHERE e.scan IN (SELECT scan FROM forgotten) LIMIT $1)";
pub(super) const REFERENCES: &str = "DELETE FROM report_references WHERE (report, reference, scan) IN
     (SELECT f.report, f.reference, f.scan FROM report_references f
      WHERE f.scan IN (SELECT scan FROM forgotten) LIMIT $1)";
pub(super) const DONE: &str = "DELETE FROM forgotten";
/// Wishes to stop scans that do not run any more.
pub(super) const CANCELLATIONS: &str = "DELETE FROM cancellations WHERE NOT EXISTS
     (SELECT 1 FROM scans s WHERE s.id = cancellations.scan AND s.state = $1)";

/// Where a step over the reports ends that begins after `$1`.
pub(super) const WINDOW: &str =
    "SELECT MAX(w.number) FROM (SELECT number FROM reports WHERE number > $1 ORDER BY number LIMIT $2) w";
/// Reports of the window `$1`, `$2` that no scan refers to and nobody holds, and that have a newer one of the same image (not
/// one that somebody submitted) or are older than `$3`.
pub(super) const UNWANTED: &str = "SELECT r.number FROM reports r WHERE r.number > $1 AND r.number <= $2
     AND NOT EXISTS (SELECT 1 FROM report_references f WHERE f.report = r.number)
     AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.report = r.number AND h.released_unix_ms = 0)
     AND (r.created_unix_ms < $3 OR EXISTS
         (SELECT 1 FROM reports n WHERE n.image_digest = r.image_digest AND n.number > r.number
          AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.report = n.number)))
     ORDER BY r.number LIMIT $4";
/// What goes with one report, in this order: what it waits for, in which indexes its manifest was seen, itself.
pub(super) const REPORT: [&str; 4] = [
    "DELETE FROM waiting WHERE report = $1",
    "DELETE FROM bindings WHERE report = $1",
    "DELETE FROM index_members WHERE image_digest IN (SELECT r.image_digest FROM reports r WHERE r.number = $1)
     AND NOT EXISTS (SELECT 1 FROM reports o WHERE o.image_digest = index_members.image_digest AND o.number <> $1)",
    "DELETE FROM reports WHERE number = $1",
];
/// What the report `$1` refers to: its content, its lists.
pub(super) const REFERS_TO: &str = "SELECT content, vulnerabilities, packages FROM reports WHERE number = $1";
/// The content `$1`, when no report says it.
pub(super) const CONTENT: &str = "DELETE FROM contents WHERE number = $1
     AND NOT EXISTS (SELECT 1 FROM reports r WHERE r.content = $1)";
/// Whether some report has the list `$1`.
pub(super) const HAS_LIST: &str = "SELECT EXISTS (SELECT 1 FROM reports r WHERE r.vulnerabilities = $1)
     OR EXISTS (SELECT 1 FROM reports r WHERE r.packages = $1)";
/// Drops the list `$1`, and tells its terms.
pub(super) const LIST: &str = "DELETE FROM lists WHERE number = $1 RETURNING terms";
