//! Tags find reports, and reports tags: each looks for the other after its own transaction, so that whichever is recorded last
//! finds the one before, and the same again changes nothing.
//!
//! A tag with a digest means the manifest, or all that an index of that digest holds, and every report with the configuration
//! of one of these. What a submitted report claims to be never leads from one image to another.

use super::waiting;

/// Whether there is anything to look for: nearly always nobody tags.
pub(super) const ANY: &str = "SELECT EXISTS (SELECT 1 FROM tags)";
pub(super) const TAG: &str = "INSERT INTO tags (scan, reference, image_digest, image_id, prefixes)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
/// Keeps others from settling the same tag: first of what a transaction does with it.
pub(super) const HOLD: &str = "UPDATE tags SET prefixes = prefixes WHERE scan = $1";
pub(super) const READ: &str = "SELECT reference, image_digest, image_id, prefixes FROM tags WHERE scan = $1";
/// Tags that the report `$1` may be meant by.
pub(super) const OF_REPORT: &str = "WITH
     here AS (SELECT r.number, r.image_digest, r.config_digest FROM reports r WHERE r.id = $1),
     manifests AS (SELECT h.image_digest AS digest FROM here h
         UNION SELECT b.image_digest FROM bindings b JOIN here h ON h.number = b.report
         UNION SELECT c.image_digest FROM reports c JOIN here h ON h.config_digest = c.config_digest
             WHERE c.config_digest <> '' AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.report = c.number)),
     digests AS (SELECT digest FROM manifests
         UNION SELECT m.index_digest FROM index_members m JOIN manifests n ON n.digest = m.image_digest)
     SELECT t.scan FROM tags t JOIN digests d ON d.digest = t.image_digest WHERE t.image_digest <> ''
     UNION SELECT t.scan FROM tags t JOIN here h ON h.config_digest = t.image_id WHERE t.image_id <> ''
     UNION SELECT t.scan FROM here h JOIN report_references f ON f.report = h.number
         JOIN tags t ON t.reference = f.reference WHERE t.image_digest = '' AND t.image_id = ''
     ORDER BY 1 DESC LIMIT 100";
/// Tags that mean the index `$1`.
pub(super) const OF_INDEX: &str =
    "SELECT t.scan FROM tags t WHERE t.image_digest = $1 AND t.image_digest <> '' ORDER BY 1 DESC LIMIT 100";
/// The image that was last seen under the reference `$1`: manifest, configuration, and whether the report is one that waits for
/// its manifest.
pub(super) const LAST_SEEN: &str = "SELECT r.image_digest, r.config_digest, w.report IS NOT NULL
     FROM report_references f JOIN reports r ON r.number = f.report LEFT JOIN waiting w ON w.report = r.number
     WHERE f.reference = $1 AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.scan = f.scan)
     ORDER BY f.scan DESC, w.report IS NOT NULL, r.number DESC LIMIT 1";
/// What a reference alone turned out to mean: once and for all.
pub(super) const RESOLVE: &str = "UPDATE tags SET image_digest = $2, image_id = $3
     WHERE scan = $1 AND image_digest = '' AND image_id = ''";
/// Reports of the manifest or index `$1`, or with the configuration `$2`.
pub(super) const REPORTS: &str = "WITH
     manifests AS (SELECT CAST($1 AS TEXT) AS digest
         UNION SELECT m.image_digest FROM index_members m WHERE m.index_digest = $1),
     configs AS (SELECT CAST($2 AS TEXT) AS config
         UNION SELECT c.config_digest FROM reports c JOIN manifests n ON n.digest = c.image_digest
             WHERE NOT EXISTS (SELECT 1 FROM waiting w WHERE w.report = c.number))
     SELECT r.number FROM reports r JOIN manifests n ON n.digest = r.image_digest WHERE r.image_digest <> ''
     UNION SELECT b.report FROM bindings b JOIN manifests n ON n.digest = b.image_digest WHERE b.image_digest <> ''
     UNION SELECT r.number FROM reports r JOIN configs c ON c.config = r.config_digest WHERE r.config_digest <> ''
     ORDER BY 1 DESC LIMIT 200";
/// What the report `$1` is called by whoever scanned it, and whether that was who told the tag `$2`.
pub(super) const NAMES: &str = "SELECT f.reference, MAX(CASE WHEN s.owner = t.owner THEN 1 ELSE 0 END) = 1
     FROM report_references f JOIN scans t ON t.id = $2 LEFT JOIN scans s ON s.id = f.scan AND s.owner <> ''
     WHERE f.report = $1 AND NOT EXISTS (SELECT 1 FROM tags o WHERE o.scan = f.scan)
     GROUP BY f.reference ORDER BY 1 LIMIT 200";
/// What the report `$1` waits for, and the repositories that it may come to.
pub(super) const WAITS: &str = "SELECT w.config_digest, w.prefixes FROM waiting w WHERE w.report = $1";
/// Whether the manifest `$1` is known to have another configuration than `$2`.
pub(super) const OTHERWISE: &str = "SELECT EXISTS (SELECT 1 FROM reports c WHERE c.image_digest = $1
     AND c.config_digest <> '' AND c.config_digest <> $2
     AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.report = c.number))";
/// Reports that somebody bound to the manifest of the report `$1`, whose configuration is another.
pub(super) const WRONGLY_BOUND: &str =
    "SELECT b.report, b.image_digest FROM reports r JOIN bindings b ON b.image_digest = r.image_digest
     JOIN waiting w ON w.report = b.report WHERE r.id = $1 AND r.config_digest <> ''
     AND w.config_digest <> r.config_digest AND NOT EXISTS (SELECT 1 FROM waiting o WHERE o.report = r.number)
     ORDER BY b.report";
pub(super) const UNBIND: &str = "DELETE FROM bindings WHERE report = $1 AND image_digest = $2";
pub(super) const COUNT: &str = "SELECT COUNT(DISTINCT f.report) FROM report_references f WHERE f.scan = $1";
pub(super) const MEMBER: &str =
    "INSERT INTO index_members (index_digest, image_digest) VALUES ($1, $2) ON CONFLICT DO NOTHING";
pub(super) const IS_MEMBER: &str =
    "SELECT EXISTS (SELECT 1 FROM index_members WHERE index_digest = $1 AND image_digest = $2)";
/// A tag's row: reference, digest of manifest or index, image id, the repositories that its teller may name.
pub(super) type Row = (String, String, String, String);

/// Of a report's names those under which a teller with these repositories may tell something of it: in them, or given by the same
/// teller. `None`: the report is not the teller's to speak of.
pub(super) fn admitted(prefixes: &str, names: Vec<(String, bool)>) -> Option<Vec<String>> {
    let inside = |(name, own): &(String, bool)| {
        *own || waiting::admitted(prefixes, std::slice::from_ref(name), |name: &String| name.as_str())
            .is_some()
    };
    let count = names.len();
    let names: Vec<String> = names.into_iter().filter(inside).map(|(name, _)| name).collect();
    (!names.is_empty() || (prefixes.is_empty() && count == 0)).then_some(names)
}
