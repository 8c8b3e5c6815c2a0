//! Many rows in one statement: a column is one array, so that a round trip is paid once.

use std::collections::BTreeSet;

use sqlx::PgConnection;

const EVENTS: &str = "INSERT INTO events (scan, sequence, body)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[]) ON CONFLICT DO NOTHING";
const NAMES: &str = "INSERT INTO report_references (report, scan, reference)
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING";
/// Only what is missing: a conflict would use up a number each time.
const TERMS: &str = "INSERT INTO terms (kind, text)
     SELECT u.kind, u.text FROM unnest($1::bigint[], $2::text[]) u (kind, text)
     WHERE NOT EXISTS (SELECT 1 FROM terms t WHERE t.kind = u.kind AND t.text = u.text)
     ON CONFLICT DO NOTHING";
const POSTINGS: &str = "INSERT INTO postings (term, report)
     SELECT t.id, u.report FROM unnest($1::bigint[], $2::text[], $3::bigint[]) u (kind, text, report)
     JOIN terms t ON t.kind = u.kind AND t.text = u.text ON CONFLICT DO NOTHING";
/// Rows of one statement: what it holds stays far below a message's limit.
const ROWS: usize = 10_000;

/// An event: scan, sequence, body.
pub(super) type EventRow<'a> = (&'a str, i64, Vec<u8>);
/// A report's number, the kind of its terms, and these.
pub(super) type Terms = (i64, i64, BTreeSet<String>);

/// Appends events.
pub(super) async fn insert_events(
    connection: &mut PgConnection,
    rows: &[EventRow<'_>],
) -> Result<(), sqlx::Error> {
    for rows in rows.chunks(ROWS) {
        let scans: Vec<&str> = rows.iter().map(|row| row.0).collect();
        let sequences: Vec<i64> = rows.iter().map(|row| row.1).collect();
        let bodies: Vec<&[u8]> = rows.iter().map(|row| row.2.as_slice()).collect();
        sqlx::query(EVENTS).bind(scans).bind(sequences).bind(bodies).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Names reports by their numbers in scans.
pub(super) async fn insert_names(
    connection: &mut PgConnection,
    rows: &[(i64, &str, &str)],
) -> Result<(), sqlx::Error> {
    for rows in rows.chunks(ROWS) {
        let reports: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let scans: Vec<&str> = rows.iter().map(|row| row.1).collect();
        let references: Vec<&str> = rows.iter().map(|row| row.2).collect();
        sqlx::query(NAMES).bind(reports).bind(scans).bind(references).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Lists reports under their terms. Terms are added in order, so that two transactions which add the same do not wait for each
/// other.
pub(super) async fn index_terms(connection: &mut PgConnection, terms: &[Terms]) -> Result<(), sqlx::Error> {
    let all: BTreeSet<(i64, &str)> =
        terms.iter().flat_map(|(_, kind, texts)| texts.iter().map(|text| (*kind, text.as_str()))).collect();
    let all: Vec<(i64, &str)> = all.into_iter().collect();
    for rows in all.chunks(ROWS) {
        let (kinds, texts): (Vec<i64>, Vec<&str>) = rows.iter().copied().unzip();
        sqlx::query(TERMS).bind(kinds).bind(texts).execute(&mut *connection).await?;
    }
    let postings: Vec<(i64, &str, i64)> = terms
        .iter()
        .flat_map(|(report, kind, texts)| texts.iter().map(|text| (*kind, text.as_str(), *report)))
        .collect();
    for rows in postings.chunks(ROWS) {
        let kinds: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let texts: Vec<&str> = rows.iter().map(|row| row.1).collect();
        let reports: Vec<i64> = rows.iter().map(|row| row.2).collect();
        sqlx::query(POSTINGS).bind(kinds).bind(texts).bind(reports).execute(&mut *connection).await?;
    }
    Ok(())
}
