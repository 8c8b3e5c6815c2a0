//! Many rows in one statement: a column is one array, so that a round trip is paid once.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, PgPool};

use super::super::content::{ContentRow, ReportRow};
use crate::ports::Naming;

const EVENTS: &str = "INSERT INTO events (scan, sequence, body)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[]) ON CONFLICT DO NOTHING";
/// As [`EVENTS`], as long as the term `$4` lasts, and whether it does: until the statement's end nobody takes it over.
const EVENTS_OF_TERM: &str = "WITH
     held AS MATERIALIZED (SELECT term FROM leads WHERE name = 'coordinator' AND term = $4 FOR SHARE),
     appended AS (INSERT INTO events (scan, sequence, body)
         SELECT e.scan, e.sequence, e.body FROM unnest($1::text[], $2::bigint[], $3::bytea[]) e (scan, sequence, body)
         WHERE EXISTS (SELECT 1 FROM held) ON CONFLICT DO NOTHING)
     SELECT EXISTS (SELECT 1 FROM held)";
/// Names reports by their ids `$2`, and tells which of the ids `$1` are there.
const NAMED: &str = "WITH
     found AS MATERIALIZED (SELECT id, number FROM reports WHERE id = ANY($1)),
     named AS (INSERT INTO report_references (report, scan, reference)
         SELECT f.number, u.scan, u.reference FROM unnest($2::text[], $3::text[], $4::text[]) u (id, scan, reference)
         JOIN found f ON f.id = u.id ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING)
     SELECT id FROM found";
const NAMES: &str = "INSERT INTO report_references (report, scan, reference)
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING";
const POSTINGS: &str = "INSERT INTO postings (term, list)
     SELECT * FROM unnest($1::bigint[], $2::bigint[])";
const DROP_POSTINGS: &str = "DELETE FROM postings p USING unnest($1::bigint[], $2::bigint[]) u (term, list)
     WHERE p.term = u.term AND p.list = u.list";
const CONTENTS: &str = "SELECT key, number FROM contents WHERE key = ANY($1)";
const NEW_CONTENTS: &str = "INSERT INTO contents (key, body, asked)
     SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) ON CONFLICT DO NOTHING RETURNING key, number";
const LISTS: &str = "SELECT key, number FROM lists WHERE key = ANY($1)";
const NEW_LISTS: &str = "INSERT INTO lists (key, terms) SELECT * FROM unnest($1::bytea[], $2::bytea[])
     ON CONFLICT DO NOTHING RETURNING key, number";
const REPORTS: &str = "INSERT INTO reports (id, image_digest, config_digest, created_unix_ms, summary, seal, content,
         vulnerabilities, packages)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bigint[],
         $8::bigint[], $9::bigint[]) ON CONFLICT DO NOTHING RETURNING id, number";
/// Rows of one statement: what it holds stays far below a message's limit.
pub(super) const ROWS: usize = 10_000;

/// An event: scan, sequence, body.
pub(super) type EventRow<'a> = (&'a str, i64, Vec<u8>);

/// Appends events.
pub(super) async fn insert_events(
    connection: &mut PgConnection,
    rows: &[EventRow<'_>],
) -> Result<(), sqlx::Error> {
    for rows in rows.chunks(ROWS) {
        let (scans, sequences, bodies) = columns(rows);
        sqlx::query(EVENTS).bind(scans).bind(sequences).bind(bodies).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Appends at most [`ROWS`] events, if the term lasts.
pub(super) async fn insert_events_of_term(
    pool: &PgPool,
    rows: &[EventRow<'_>],
    term: i64,
) -> Result<bool, sqlx::Error> {
    let (scans, sequences, bodies) = columns(rows);
    let statement = sqlx::query_scalar(EVENTS_OF_TERM).bind(scans).bind(sequences).bind(bodies);
    statement.bind(term).fetch_one(pool).await
}

fn columns<'a>(rows: &'a [EventRow<'a>]) -> (Vec<&'a str>, Vec<i64>, Vec<&'a [u8]>) {
    let scans = rows.iter().map(|row| row.0).collect();
    let sequences = rows.iter().map(|row| row.1).collect();
    (scans, sequences, rows.iter().map(|row| row.2.as_slice()).collect())
}

/// Gives references to those of the reports that are there, and tells which these are.
pub(super) async fn name_reports(
    connection: &mut PgConnection,
    namings: &[Naming<'_>],
) -> Result<BTreeSet<String>, sqlx::Error> {
    let ids: BTreeSet<&str> = namings.iter().map(|naming| naming.report).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let (mut reports, mut scans, mut references) = (Vec::new(), Vec::new(), Vec::new());
    for naming in namings {
        for reference in naming.references {
            reports.push(naming.report);
            scans.push(naming.scan);
            references.push(reference.as_str());
        }
    }
    let named = sqlx::query_scalar(NAMED).bind(ids).bind(reports).bind(scans).bind(references);
    Ok(named.fetch_all(connection).await?.into_iter().collect())
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

/// Puts lists that are new under their terms: pairs of term and list, each once.
pub(super) async fn insert_postings(
    connection: &mut PgConnection,
    postings: &[(i64, i64)],
) -> Result<(), sqlx::Error> {
    run_on(connection, POSTINGS, postings).await
}

/// The opposite of [`insert_postings`].
pub(super) async fn drop_postings(
    connection: &mut PgConnection,
    postings: &[(i64, i64)],
) -> Result<(), sqlx::Error> {
    run_on(connection, DROP_POSTINGS, postings).await
}

async fn run_on(
    connection: &mut PgConnection,
    statement: &'static str,
    postings: &[(i64, i64)],
) -> Result<(), sqlx::Error> {
    for rows in postings.chunks(ROWS) {
        let (terms, lists): (Vec<i64>, Vec<i64>) = rows.iter().copied().unzip();
        sqlx::query(statement).bind(terms).bind(lists).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Numbers by key.
type Numbers = BTreeMap<Vec<u8>, i64>;

async fn numbers(
    connection: &mut PgConnection,
    statement: &'static str,
    keys: &[&[u8]],
) -> Result<Numbers, sqlx::Error> {
    let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(statement).bind(keys).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

/// In the order of the keys, with whether they are new. Another transaction may have written some between the two statements.
fn in_order(keys: &[&[u8]], known: &Numbers, new: &Numbers) -> Result<Vec<(i64, bool)>, sqlx::Error> {
    let of = |key: &&[u8]| {
        let new = new.get(*key).map(|number| (*number, true));
        new.or_else(|| known.get(*key).map(|number| (*number, false))).ok_or(sqlx::Error::RowNotFound)
    };
    keys.iter().map(of).collect()
}

/// The numbers of contents, and whether they are new.
pub(super) async fn insert_contents(
    connection: &mut PgConnection,
    rows: &[ContentRow<'_>],
) -> Result<Vec<(i64, bool)>, sqlx::Error> {
    let keys: Vec<&[u8]> = rows.iter().map(|row| row.key).collect();
    // Nearly always all are new: what an earlier report says is not made again.
    let inserted: Vec<(Vec<u8>, i64)> = sqlx::query_as(NEW_CONTENTS)
        .bind(&keys)
        .bind(rows.iter().map(|row| row.body).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.asked).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
    let new: Numbers = inserted.into_iter().collect();
    let old: Vec<&[u8]> = keys.iter().copied().filter(|key| !new.contains_key(*key)).collect();
    let known = if old.is_empty() { Numbers::new() } else { numbers(connection, CONTENTS, &old).await? };
    in_order(&keys, &known, &new)
}

/// The numbers of lists, which are key and terms, and whether they are new.
pub(super) async fn insert_lists(
    connection: &mut PgConnection,
    rows: &[(&[u8], &[u8])],
) -> Result<Vec<(i64, bool)>, sqlx::Error> {
    let keys: Vec<&[u8]> = rows.iter().map(|(key, _)| *key).collect();
    let mut known = numbers(connection, LISTS, &keys).await?;
    let missing = rows.iter().filter(|(key, _)| !known.contains_key(*key)).copied();
    let (missing, terms): (Vec<&[u8]>, Vec<&[u8]>) = missing.unzip();
    let mut new = Numbers::new();
    if !missing.is_empty() {
        let inserted: Vec<(Vec<u8>, i64)> =
            sqlx::query_as(NEW_LISTS).bind(&missing).bind(terms).fetch_all(&mut *connection).await?;
        new = inserted.into_iter().collect();
        if new.len() < missing.len() {
            known = numbers(connection, LISTS, &keys).await?;
        }
    }
    in_order(&keys, &known, &new)
}

/// Stores reports. Ids and numbers of those that are new.
pub(super) async fn insert_reports(
    connection: &mut PgConnection,
    rows: &[ReportRow<'_>],
) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let mut inserted = Vec::with_capacity(rows.len());
    for rows in rows.chunks(ROWS) {
        let new: Vec<(String, i64)> = sqlx::query_as(REPORTS)
            .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.image_digest.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.config_digest.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.created_unix_ms).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.summary.as_slice()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.seal.as_slice()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.content).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.vulnerabilities).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.packages).collect::<Vec<_>>())
            .fetch_all(&mut *connection)
            .await?;
        inserted.extend(new);
    }
    Ok(inserted)
}
