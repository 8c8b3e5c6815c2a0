//! The statements that are put together at run time: only their parts are chosen, every value is bound.

use strata_proto::v1::{ReportSummary, SearchReportsRequest};

use crate::access::sight::Sight;

/// References that a summary shows at most.
pub(super) const MOST_REFERENCES: i64 = 1_000;

/// Kind of a term: a vulnerability's identifier or alias, in upper case.
pub(super) const VULNERABILITY: i64 = 1;
/// Kind of a term: a package's name.
pub(super) const PACKAGE: i64 = 2;

/// A statement, and its values in order: first the texts, then the limit where there is one.
pub(super) struct Search {
    pub(super) sql: String,
    pub(super) texts: Vec<String>,
    pub(super) limit: i64,
}

/// Puts a statement together. Only its parts are chosen: every value is bound.
#[derive(Default)]
struct Builder {
    sql: String,
    texts: Vec<String>,
}

impl Builder {
    fn push(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    /// The place of a value.
    fn bind(&mut self, value: &str) -> String {
        self.texts.push(value.to_owned());
        format!("${}", self.texts.len())
    }

    /// What limits references `f` to those that are shown.
    fn sight(&mut self, sight: &Sight) -> String {
        let starts: Vec<String> = sight.starts().iter().map(|start| self.starts(start)).collect();
        let inside =
            if starts.is_empty() { String::new() } else { format!(" AND ({})", starts.join(" OR ")) };
        inside + &self.own(sight)
    }

    /// What limits references `f` to scans that may be told of.
    fn own(&mut self, sight: &Sight) -> String {
        if !sight.own_only {
            return String::new();
        }
        let owner = self.bind(&sight.owner);
        format!(" AND f.scan IN (SELECT s.id FROM scans s WHERE s.owner = {owner})")
    }

    /// Whether a reference `f` starts so.
    fn starts(&mut self, start: &str) -> String {
        let place = self.bind(start);
        format!("substr(f.reference, 1, length({place})) = {place}")
    }

    /// Whether a reference `f` is of a scan with the source that is asked for; `None` where none is.
    fn source(&mut self, query: &SearchReportsRequest) -> Option<String> {
        let mut scans = String::new();
        if !query.commit.is_empty() {
            // `g` comes after every hexadecimal digit: the range is what starts so, and has an index.
            let (from, to) = (self.bind(&query.commit), self.bind(&format!("{}g", query.commit)));
            scans += &format!(
                " AND s.source_commit <> '' AND s.source_commit >= {from} AND s.source_commit < {to}"
            );
        }
        for (column, text) in [("source_branch", &query.branch), ("source_tag", &query.tag)] {
            if !text.is_empty() {
                let place = self.bind(text);
                scans += &format!(" AND s.{column} <> '' AND s.{column} = {place}");
            }
        }
        if !query.build_id.is_empty() {
            // `0` comes after `/`: attempts and jobs of the build.
            let build = self.bind(&query.build_id);
            let (from, to) =
                (self.bind(&format!("{}/", query.build_id)), self.bind(&format!("{}0", query.build_id)));
            scans += &format!(
                " AND s.source_build <> '' AND (s.source_build = {build} \
                 OR (s.source_build >= {from} AND s.source_build < {to}))"
            );
        }
        let mut parts = Vec::new();
        if !scans.is_empty() {
            parts.push(format!("f.scan IN (SELECT s.id FROM scans s WHERE 1 = 1{scans})"));
        }
        if !query.repository.is_empty() {
            let (whole, end) = (self.bind(&query.repository), self.bind(&format!("/{}", query.repository)));
            let images: Vec<String> =
                [":", "@"].iter().map(|after| self.starts(&format!("{}{after}", query.repository))).collect();
            parts.push(format!(
                "({} OR f.scan IN (SELECT s.id FROM scans s WHERE s.source_repository <> '' \
                 AND (s.source_repository = {whole} OR (length(s.source_repository) > length({end}) \
                 AND substr(s.source_repository, length(s.source_repository) - length({end}) + 1) = {end}))))",
                images.join(" OR ")
            ));
        }
        (!parts.is_empty()).then(|| parts.join(" AND "))
    }
}

/// Selects summaries. `contains` is the database's function that finds a text within another: `instr` or `strpos`.
pub(super) fn search(query: &SearchReportsRequest, sight: &Sight, contains: &str) -> Search {
    let mut builder = Builder::default();
    builder.push("SELECT r.summary FROM reports r WHERE 1 = 1");
    reports(&mut builder, query);
    if !query.reference.is_empty() || !sight.is_whole() {
        builder.push(" AND r.number IN (SELECT f.report FROM report_references f WHERE 1 = 1");
        if !query.reference.is_empty() {
            let place = builder.bind(&query.reference);
            builder.push(&format!(" AND {contains}(f.reference, {place}) > 0"));
        }
        let sight = builder.sight(sight);
        builder.push(&format!("{sight})"));
    }
    if let Some(source) = builder.source(query) {
        let of = "r.number IN (SELECT f.report FROM report_references f WHERE";
        let shown = builder.sight(sight);
        let own = builder.own(sight);
        // What is bound to a manifest tells its source to whoever sees the manifest, though the source's own name for it
        // (an archive on a build machine) is in no repository.
        builder.push(&format!(
            " AND ({of} {source}{shown}) OR (r.number IN (SELECT w.report FROM waiting w) \
             AND {of} {source}{own})))"
        ));
    }
    for (kind, text) in
        [(VULNERABILITY, query.vulnerability.to_ascii_uppercase()), (PACKAGE, query.package.clone())]
    {
        if !text.is_empty() {
            let place = builder.bind(&text);
            builder.push(&format!(
                " AND r.number IN (SELECT p.report FROM postings p JOIN terms t ON t.id = p.term \
                 WHERE t.kind = {kind} AND t.text = {place})"
            ));
        }
    }
    builder
        .push(&format!(" ORDER BY r.created_unix_ms DESC, r.number DESC LIMIT ${}", builder.texts.len() + 1));
    Search { sql: builder.sql, texts: builder.texts, limit: i64::from(query.limit.clamp(1, 1_000)) }
}

/// What the reports themselves must be.
fn reports(builder: &mut Builder, query: &SearchReportsRequest) {
    for (column, text) in [("id", &query.report_id), ("config_digest", &query.image_id)] {
        if !text.is_empty() {
            let place = builder.bind(text);
            builder.push(&format!(" AND r.{column} <> '' AND r.{column} = {place}"));
        }
    }
    if !query.image_digest.is_empty() {
        let place = builder.bind(&query.image_digest);
        builder.push(&format!(
            " AND (r.image_digest = {place} \
             OR r.number IN (SELECT b.report FROM bindings b WHERE b.image_digest = {place}))"
        ));
    }
    for (comparison, bound) in [(">=", query.since_unix_ms), ("<", query.until_unix_ms)] {
        if bound > 0 {
            builder.push(&format!(" AND r.created_unix_ms {comparison} {bound}"));
        }
    }
}

/// Selects the scans that a report is of and that tell where it comes from, the newest first.
pub(super) fn origins(of: &ReportSummary, sight: &Sight) -> Search {
    const MOST: i64 = 10;
    let mut builder = Builder::default();
    let report = builder.bind(&of.report_id);
    let shown = if of.submitted_by.is_empty() { builder.sight(sight) } else { builder.own(sight) };
    builder.push(&format!(
        "SELECT s.body, q.body FROM scans s LEFT JOIN requests q ON q.scan = s.id WHERE s.told = 1 \
         AND s.id IN (SELECT f.scan FROM report_references f JOIN reports r ON r.number = f.report \
         WHERE r.id = {report}{shown}) ORDER BY s.id DESC LIMIT ${}",
        builder.texts.len() + 1
    ));
    Search { sql: builder.sql, texts: builder.texts, limit: MOST }
}

/// Selects the references of a report that are shown, in order.
pub(super) fn references(report: &str, sight: &Sight, limit: i64) -> Search {
    let mut builder = Builder::default();
    let report = builder.bind(report);
    let shown = builder.sight(sight);
    builder.push(&format!(
        "SELECT DISTINCT f.reference FROM report_references f JOIN reports r ON r.number = f.report \
         WHERE r.id = {report}{shown} ORDER BY f.reference LIMIT ${}",
        builder.texts.len() + 1
    ));
    Search { sql: builder.sql, texts: builder.texts, limit }
}
