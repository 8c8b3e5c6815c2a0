//! Many rows: statement by statement within one transaction, because the database is in this process.

use std::collections::BTreeSet;

use sqlx::SqliteConnection;

use super::{super::sql, dialect::list};

const NAMES: &str = "INSERT INTO report_references (report, scan, reference)
     SELECT $1, $2, value FROM json_each($3) WHERE true ON CONFLICT DO NOTHING";
/// The terms `$2` of the kind `$1`.
const TERMS: &str =
    "INSERT INTO terms (kind, text) SELECT $1, value FROM json_each($2) WHERE true ON CONFLICT DO NOTHING";
/// Lists the report `$3` under the terms `$2` of the kind `$1`. CROSS keeps the report's texts as the outer loop: the other way
/// round each costs a walk over all terms there are.
const POSTINGS: &str = "INSERT INTO postings (term, report) SELECT t.id, $3 FROM json_each($2) j
     CROSS JOIN terms t ON t.kind = $1 AND t.text = j.value WHERE true ON CONFLICT DO NOTHING";

/// An event: scan, sequence, body.
pub(super) type EventRow<'a> = (&'a str, i64, Vec<u8>);
/// A report's number, the kind of its terms, and these.
pub(super) type Terms = (i64, i64, BTreeSet<String>);

/// Appends events.
pub(super) async fn insert_events(
    connection: &mut SqliteConnection,
    rows: &[EventRow<'_>],
) -> Result<(), sqlx::Error> {
    for (scan, sequence, body) in rows {
        let row = sqlx::query(sql::INSERT_EVENT).bind(*scan).bind(*sequence).bind(body.as_slice());
        row.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Names reports by their numbers in scans. Rows of one report and scan that follow each other are one statement.
pub(super) async fn insert_names(
    connection: &mut SqliteConnection,
    rows: &[(i64, &str, &str)],
) -> Result<(), sqlx::Error> {
    for rows in rows.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let Some((report, scan, _)) = rows.first() else { continue };
        let references: Vec<String> = rows.iter().map(|row| row.2.to_owned()).collect();
        let names = sqlx::query(NAMES).bind(*report).bind(*scan).bind(list(&references));
        names.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Lists reports under their terms.
pub(super) async fn index_terms(
    connection: &mut SqliteConnection,
    terms: &[Terms],
) -> Result<(), sqlx::Error> {
    for (report, kind, texts) in terms {
        let texts = list(texts);
        sqlx::query(TERMS).bind(*kind).bind(&texts).execute(&mut *connection).await?;
        sqlx::query(POSTINGS).bind(*kind).bind(&texts).bind(*report).execute(&mut *connection).await?;
    }
    Ok(())
}
