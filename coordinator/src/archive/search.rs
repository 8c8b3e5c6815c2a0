//! The statements that are put together at run time: only their parts are chosen, every text is bound.

use strata_proto::{
    content::{self, Kind},
    v1::SearchReportsRequest,
};

use crate::{access::sight::Sight, ports::MOST_BOUND};

/// References that a summary shows at most.
const MOST_REFERENCES: i64 = 1_000;

/// Scans that a summary tells of at most.
const MOST_ORIGINS: i64 = 10;

/// A statement, and its values in order.
pub(super) struct Search {
    pub(super) sql: String,
    pub(super) texts: Vec<String>,
}

/// A row of a search: the report's number, its summary; its references, manifests, indexes, and scans as in [`search`]; who
/// holds it, since when and why.
pub(super) type Row<T> = (i64, Vec<u8>, T, T, T, T, T, Option<String>, Option<i64>, Option<String>);

/// A row of [`newest`]: the report's number, its summary, what it asked, its references.
pub(super) type Newest<T> = (i64, Vec<u8>, Option<Vec<u8>>, T);

/// How a database says what the other says otherwise.
pub(super) struct Words {
    /// The function that finds a text within another.
    pub(super) contains: &'static str,
    /// The rows of a statement with one column, `value`, as one value.
    pub(super) gathered: fn(&str) -> String,
}

/// Puts a statement together. Only its parts are chosen: every text is bound.
#[derive(Default)]
struct Builder {
    sql: String,
    texts: Vec<String>,
}

impl Builder {
    fn push(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    fn done(self) -> Search {
        Search { sql: self.sql, texts: self.texts }
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

    /// What limits references `f` to scans that may be told of. To tell where an image comes from is not to have scanned it.
    fn own(&mut self, sight: &Sight) -> String {
        if !sight.own_only {
            return String::new();
        }
        let owner = self.bind(&sight.owner);
        format!(
            " AND f.scan IN (SELECT s.id FROM scans s WHERE s.owner = {owner} \
             AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.scan = s.id))"
        )
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

/// The terms that a query asks for, with their kinds.
fn terms(query: &SearchReportsRequest) -> Vec<(Kind, i64)> {
    let terms = [(Kind::Vulnerability, &query.vulnerability), (Kind::Package, &query.package)];
    let asked = terms.into_iter().filter(|(_, text)| !text.is_empty());
    asked.map(|(kind, text)| (kind, content::term(kind, text))).collect()
}

/// The column of a report's list of a kind.
const fn list_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Vulnerability => "vulnerabilities",
        Kind::Package => "packages",
    }
}

/// Lists under a term from which it is common.
const COMMON: i64 = 1_000;

/// For each term of a query that has more than one way to its reports, the statement that counts the lists under it, which stops
/// at what is common.
pub(super) fn counts(query: &SearchReportsRequest) -> Vec<String> {
    if is_narrow(query) {
        return Vec::new();
    }
    let count = |(_, term): (Kind, i64)| {
        format!("SELECT COUNT(*) FROM (SELECT p.list FROM postings p WHERE p.term = {term} LIMIT {COMMON}) c")
    };
    terms(query).into_iter().map(count).collect()
}

/// Selects summaries, the last archived first, each as a [`Row`]: with its references, the manifests that it is
/// bound to, and the scans that it is of: by the references that are shown, and by any in a scan that is shown. `counted` is what
/// [`counts`] found.
///
/// The order is that of archiving, which no clock disturbs: a page ends with a number, and the next one goes on below it. Terms
/// have lists, and lists the reports that refer to them. Of a rare term all reports are gathered; of a common one the reports are
/// walked over from the last until the page is full, which is soon: either costs at most the root of what the other would.
pub(super) fn search(query: &SearchReportsRequest, counted: &[i64], sight: &Sight, words: &Words) -> Search {
    let mut builder = Builder::default();
    let mut terms = terms(query);
    let rarest =
        counted.iter().enumerate().filter(|(_, count)| **count < COMMON).min_by_key(|(_, count)| **count);
    let rarest = rarest.map(|(at, _)| at).filter(|at| *at < terms.len()).map(|at| terms.remove(at));
    builder.push("WITH ");
    if let Some((kind, term)) = rarest {
        let list = list_of(kind);
        // CROSS has SQLite begin with the postings; PostgreSQL chooses itself.
        builder.push(&format!(
            "hits AS MATERIALIZED (SELECT d.* FROM postings p CROSS JOIN reports d \
             WHERE p.term = {term} AND d.{list} = p.list), "
        ));
    }
    builder.push("page AS MATERIALIZED (SELECT r.number, r.summary FROM ");
    builder.push(match rarest {
        // As they were gathered: PostgreSQL would walk over all reports to meet them again.
        Some(_) => "hits r WHERE 1 = 1",
        None => "reports r WHERE 1 = 1",
    });
    for (kind, term) in terms {
        let list = list_of(kind);
        // Asked of each report on the way: as EXISTS PostgreSQL would gather first.
        builder.push(&format!(
            " AND (SELECT p.list FROM postings p WHERE p.term = {term} AND p.list = r.{list}) IS NOT NULL"
        ));
    }
    let number = "r.number";
    reports(&mut builder, query, number);
    named(&mut builder, query, sight, number, words);
    let limit = query.limit.clamp(1, 1_000);
    builder.push(&format!(" ORDER BY {number} DESC LIMIT {limit}) SELECT r.number, r.summary"));
    details(&mut builder, sight, words);
    builder.push(", h.held_by, h.held_unix_ms, h.reason FROM page r");
    builder
        .push(" LEFT JOIN holds h ON h.report = r.number AND h.released_unix_ms = 0 ORDER BY r.number DESC");
    builder.done()
}

/// Whether few reports can match for a field that has an index of its own.
fn is_narrow(query: &SearchReportsRequest) -> bool {
    let SearchReportsRequest { report_id, image_id, image_digest, commit, branch, tag, build_id, .. } = query;
    [report_id, image_id, image_digest, commit, branch, tag, build_id].iter().any(|text| !text.is_empty())
}

/// What the reports themselves must be.
fn reports(builder: &mut Builder, query: &SearchReportsRequest, number: &str) {
    for (column, text) in [("id", &query.report_id), ("config_digest", &query.image_id)] {
        if !text.is_empty() {
            let place = builder.bind(text);
            builder.push(&format!(" AND r.{column} <> '' AND r.{column} = {place}"));
        }
    }
    if !query.image_digest.is_empty() {
        let place = builder.bind(&query.image_digest);
        // In place of OR, for which PostgreSQL reads all reports.
        builder.push(&format!(
            " AND {number} IN (SELECT d.number FROM reports d WHERE d.image_digest = {place} \
             UNION SELECT b.report FROM bindings b WHERE b.image_digest = {place} \
             UNION SELECT d.number FROM reports d JOIN index_members m ON m.image_digest = d.image_digest \
             WHERE m.index_digest = {place} UNION SELECT b.report FROM bindings b JOIN index_members m \
             ON m.image_digest = b.image_digest WHERE m.index_digest = {place})"
        ));
    }
    // The bound of the numbers says nothing more: it ends the walk over reports that are out of the time.
    for (comparison, bound, end, outer) in
        [(">=", query.since_unix_ms, "MIN", ">="), ("<", query.until_unix_ms, "MAX", "<=")]
    {
        if bound > 0 {
            builder.push(&format!(
                " AND r.created_unix_ms {comparison} {bound} AND {number} {outer} \
                 (SELECT {end}(n.number) FROM reports n WHERE n.created_unix_ms {comparison} {bound})"
            ));
        }
    }
    if query.before > 0 {
        builder.push(&format!(" AND {number} < {}", i64::try_from(query.before).unwrap_or(i64::MAX)));
    }
}

/// What the reports must be called, and where they must come from.
fn named(builder: &mut Builder, query: &SearchReportsRequest, sight: &Sight, number: &str, words: &Words) {
    if !query.reference.is_empty() || !sight.is_whole() {
        builder.push(&format!(" AND {number} IN (SELECT f.report FROM report_references f WHERE 1 = 1"));
        if !query.reference.is_empty() {
            let place = builder.bind(&query.reference);
            builder.push(&format!(" AND {}(f.reference, {place}) > 0", words.contains));
        }
        let sight = builder.sight(sight);
        builder.push(&format!("{sight})"));
    }
    if let Some(source) = builder.source(query) {
        let of = "SELECT f.report FROM report_references f WHERE";
        let shown = builder.sight(sight);
        builder.push(&format!(" AND {number} IN ({of} {source}{shown}"));
        // What is bound to a manifest tells its source to whoever sees the manifest, though the source's own name for it
        // (an archive on a build machine) is in no repository.
        if !sight.is_whole() {
            let own = builder.own(sight);
            builder
                .push(&format!(" UNION {of} {source}{own} AND f.report IN (SELECT w.report FROM waiting w)"));
        }
        builder.push(")");
    }
}

/// What a summary `r` is shown with.
fn details(builder: &mut Builder, sight: &Sight, words: &Words) {
    let shown = builder.sight(sight);
    let own = builder.own(sight);
    let scans = |which: &str| {
        format!(
            "SELECT s.id AS value FROM scans s WHERE s.told = 1 AND s.id IN (SELECT f.scan \
             FROM report_references f WHERE f.report = r.number{which}) ORDER BY s.id DESC LIMIT {MOST_ORIGINS}"
        )
    };
    let columns = [
        format!(
            "SELECT DISTINCT f.reference AS value FROM report_references f WHERE f.report = r.number{shown} \
             ORDER BY f.reference LIMIT {MOST_REFERENCES}"
        ),
        format!(
            "SELECT b.image_digest AS value FROM bindings b WHERE b.report = r.number \
             ORDER BY b.seen_unix_ms, b.image_digest LIMIT {MOST_BOUND}"
        ),
        format!(
            "SELECT m.index_digest AS value FROM reports d JOIN index_members m \
             ON m.image_digest = d.image_digest WHERE d.number = r.number UNION SELECT m.index_digest AS value FROM bindings b JOIN index_members m \
             ON m.image_digest = b.image_digest WHERE b.report = r.number ORDER BY value LIMIT {MOST_BOUND}"
        ),
        scans(&shown),
        scans(&own),
    ];
    for column in columns {
        builder.push(", ");
        builder.push(&(words.gathered)(&column));
    }
}

/// Selects one of the references of a report that are shown.
pub(super) fn reference(report: &str, sight: &Sight) -> Search {
    let mut builder = Builder::default();
    let report = builder.bind(report);
    let shown = builder.sight(sight);
    builder.push(&format!(
        "SELECT f.reference FROM report_references f JOIN reports r ON r.number = f.report \
         WHERE r.id = {report}{shown} LIMIT 1"
    ));
    builder.done()
}

/// Selects of each image the report that was archived last, each as a [`Newest`]: those below a number, the last first. A report
/// that is not shown does not stand before one that is.
pub(super) fn newest(before: i64, limit: u32, sight: &Sight, words: &Words) -> Search {
    let mut builder = Builder::default();
    builder.push(&format!(
        "WITH page AS MATERIALIZED (SELECT r.number, r.summary, \
         (SELECT c.asked FROM contents c WHERE c.number = r.content) AS asked FROM reports r \
         WHERE r.number < {before}"
    ));
    if !sight.is_whole() {
        let shown = builder.sight(sight);
        builder.push(&format!(
            " AND EXISTS (SELECT 1 FROM report_references f WHERE f.report = r.number{shown})"
        ));
    }
    for same in [
        "r.image_digest <> '' AND o.image_digest = r.image_digest",
        "r.image_digest = '' AND o.image_digest = '' AND o.config_digest <> '' AND o.config_digest = r.config_digest",
    ] {
        builder
            .push(&format!(" AND NOT EXISTS (SELECT 1 FROM reports o WHERE {same} AND o.number > r.number"));
        if !sight.is_whole() {
            let shown = builder.sight(sight);
            builder.push(&format!(
                " AND EXISTS (SELECT 1 FROM report_references f WHERE f.report = o.number{shown})"
            ));
        }
        builder.push(")");
    }
    builder.push(&format!(
        " ORDER BY r.number DESC LIMIT {}) SELECT r.number, r.summary, r.asked, ",
        limit.clamp(1, 1_000)
    ));
    let shown = builder.sight(sight);
    builder.push(&(words.gathered)(&format!(
        "SELECT DISTINCT f.reference AS value FROM report_references f WHERE f.report = r.number{shown} \
         ORDER BY f.reference LIMIT {MOST_REFERENCES}"
    )));
    builder.push(" FROM page r ORDER BY r.number DESC");
    builder.done()
}
