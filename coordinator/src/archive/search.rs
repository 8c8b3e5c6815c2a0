//! The statements that are put together at run time: only their parts are chosen, every value is bound.

use strata_proto::v1::SearchReportsRequest;

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

    /// Limits references `f` to what is shown.
    fn sight(&mut self, sight: &Sight) {
        let starts: Vec<String> = sight
            .starts()
            .iter()
            .map(|start| {
                let place = self.bind(start);
                format!("substr(f.reference, 1, length({place})) = {place}")
            })
            .collect();
        if !starts.is_empty() {
            self.push(&format!(" AND ({})", starts.join(" OR ")));
        }
        if sight.own_only {
            let owner = self.bind(&sight.owner);
            self.push(&format!(" AND f.scan IN (SELECT s.id FROM scans s WHERE s.owner = {owner})"));
        }
    }
}

/// Selects summaries. `contains` is the database's function that finds a text within another: `instr` or `strpos`.
pub(super) fn search(query: &SearchReportsRequest, sight: &Sight, contains: &str) -> Search {
    let mut builder = Builder::default();
    builder.push("SELECT r.summary FROM reports r WHERE 1 = 1");
    if !query.image_digest.is_empty() {
        let place = builder.bind(&query.image_digest);
        builder.push(&format!(" AND r.image_digest = {place}"));
    }
    if !query.reference.is_empty() || !query.commit.is_empty() || !sight.is_whole() {
        builder.push(" AND r.number IN (SELECT f.report FROM report_references f WHERE 1 = 1");
        if !query.reference.is_empty() {
            let place = builder.bind(&query.reference);
            builder.push(&format!(" AND {contains}(f.reference, {place}) > 0"));
        }
        if !query.commit.is_empty() {
            // `g` comes after every hexadecimal digit: the range is what starts so, and has an index.
            let (from, to) = (builder.bind(&query.commit), builder.bind(&format!("{}g", query.commit)));
            builder.push(&format!(
                " AND f.scan IN (SELECT s.id FROM scans s WHERE s.source_commit <> '' \
                 AND s.source_commit >= {from} AND s.source_commit < {to})"
            ));
        }
        builder.sight(sight);
        builder.push(")");
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

/// Selects the references of a report that are shown, in order.
pub(super) fn references(report: &str, sight: &Sight, limit: i64) -> Search {
    let mut builder = Builder::default();
    let report = builder.bind(report);
    builder
        .push("SELECT DISTINCT f.reference FROM report_references f JOIN reports r ON r.number = f.report");
    builder.push(&format!(" WHERE r.id = {report}"));
    builder.sight(sight);
    builder.push(&format!(" ORDER BY f.reference LIMIT ${}", builder.texts.len() + 1));
    Search { sql: builder.sql, texts: builder.texts, limit }
}
