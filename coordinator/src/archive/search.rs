//! The one statement that is put together at run time: only its parts are chosen, every value is bound.

use strata_proto::v1::SearchReportsRequest;

/// Kind of a term: a vulnerability's identifier or alias, in upper case.
pub(super) const VULNERABILITY: i64 = 1;
/// Kind of a term: a package's name.
pub(super) const PACKAGE: i64 = 2;

/// A statement that selects summaries, and its values in order: first the texts, then the limit.
pub(super) struct Search {
    pub(super) sql: String,
    pub(super) texts: Vec<String>,
    pub(super) limit: i64,
}

/// `contains` is the database's function that finds a text within another: `instr` or `strpos`.
pub(super) fn search(query: &SearchReportsRequest, contains: &str) -> Search {
    let mut sql = String::from("SELECT r.summary FROM reports r WHERE 1 = 1");
    let mut texts = Vec::new();
    let mut part = |value: &str, condition: &dyn Fn(usize) -> String| {
        if !value.is_empty() {
            texts.push(value.to_owned());
            sql.push_str(" AND ");
            sql.push_str(&condition(texts.len()));
        }
    };
    let term = |kind: i64| {
        move |n: usize| {
            format!(
                "r.number IN (SELECT p.report FROM postings p JOIN terms t ON t.id = p.term \
                 WHERE t.kind = {kind} AND t.text = ${n})"
            )
        }
    };
    part(&query.image_digest, &|n| format!("r.image_digest = ${n}"));
    part(&query.reference, &|n| {
        format!(
            "r.number IN (SELECT f.report FROM report_references f WHERE {contains}(f.reference, ${n}) > 0)"
        )
    });
    part(&query.vulnerability.to_ascii_uppercase(), &term(VULNERABILITY));
    part(&query.package, &term(PACKAGE));
    sql.push_str(&format!(" ORDER BY r.created_unix_ms DESC, r.number DESC LIMIT ${}", texts.len() + 1));
    Search { sql, texts, limit: i64::from(query.limit.clamp(1, 1_000)) }
}
