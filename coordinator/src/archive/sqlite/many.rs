//! Many rows: statement by statement within one transaction, because the database is in this process.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::SqliteConnection;

use super::{
    super::{
        content::{ContentRow, ReportRow},
        sql,
    },
    dialect::{NUMBERS, list},
};
use crate::ports::Naming;

const NAMES: &str = "INSERT INTO report_references (report, scan, reference)
     SELECT $1, $2, value FROM json_each($3) WHERE true ON CONFLICT DO NOTHING";
/// Postings `$1`: pairs of term and list.
const POSTINGS: &str =
    "INSERT INTO postings (term, list) SELECT value ->> 0, value ->> 1 FROM json_each($1) WHERE true
     ON CONFLICT DO NOTHING";
const DROP_POSTINGS: &str = "DELETE FROM postings WHERE (term, list) IN
     (SELECT value ->> 0, value ->> 1 FROM json_each($1))";
const REPORT: &str =
    "INSERT INTO reports (id, image_digest, config_digest, created_unix_ms, summary, seal, content,
         vulnerabilities, packages)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING number";

/// An event: scan, sequence, body.
pub(super) type EventRow<'a> = (&'a str, i64, Vec<u8>);
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

/// Gives references to those of the reports that are there, and tells which these are.
pub(super) async fn name_reports(
    connection: &mut SqliteConnection,
    namings: &[Naming<'_>],
) -> Result<BTreeSet<String>, sqlx::Error> {
    let ids: BTreeSet<String> = namings.iter().map(|naming| naming.report.to_owned()).collect();
    let there = sqlx::query_as::<_, (String, i64)>(NUMBERS).bind(list(&ids));
    let numbers: BTreeMap<String, i64> = there.fetch_all(&mut *connection).await?.into_iter().collect();
    let mut rows = Vec::new();
    for naming in namings {
        let Some(number) = numbers.get(naming.report) else { continue };
        rows.extend(naming.references.iter().map(|reference| (*number, naming.scan, reference.as_str())));
    }
    rows.sort_unstable();
    insert_names(connection, &rows).await?;
    Ok(numbers.into_keys().collect())
}

/// Puts lists under terms: pairs of term and list.
pub(super) async fn insert_postings(
    connection: &mut SqliteConnection,
    postings: &[(i64, i64)],
) -> Result<(), sqlx::Error> {
    sqlx::query(POSTINGS).bind(pairs(postings)).execute(connection).await?;
    Ok(())
}

/// The opposite of [`insert_postings`].
pub(super) async fn drop_postings(
    connection: &mut SqliteConnection,
    postings: &[(i64, i64)],
) -> Result<(), sqlx::Error> {
    sqlx::query(DROP_POSTINGS).bind(pairs(postings)).execute(connection).await?;
    Ok(())
}

fn pairs(postings: &[(i64, i64)]) -> String {
    let pairs = postings.iter().map(|(term, list)| serde_json::Value::from_iter([*term, *list]));
    serde_json::Value::from_iter(pairs).to_string()
}

/// The numbers of contents, and whether they are new. There is one writer: what is not there is written here.
pub(super) async fn insert_contents(
    connection: &mut SqliteConnection,
    rows: &[ContentRow<'_>],
) -> Result<Vec<(i64, bool)>, sqlx::Error> {
    let mut numbers = Vec::with_capacity(rows.len());
    for row in rows {
        let known: Option<i64> = sqlx::query_scalar("SELECT number FROM contents WHERE key = $1")
            .bind(row.key)
            .fetch_optional(&mut *connection)
            .await?;
        numbers.push(match known {
            Some(number) => (number, false),
            None => {
                let insert = sqlx::query_scalar(
                    "INSERT INTO contents (key, body, asked) VALUES ($1, $2, $3) RETURNING number",
                );
                let insert = insert.bind(row.key).bind(row.body).bind(row.asked);
                (insert.fetch_one(&mut *connection).await?, true)
            }
        });
    }
    Ok(numbers)
}

/// The numbers of lists, which are key and terms, and whether they are new.
pub(super) async fn insert_lists(
    connection: &mut SqliteConnection,
    rows: &[(&[u8], &[u8])],
) -> Result<Vec<(i64, bool)>, sqlx::Error> {
    let mut numbers = Vec::with_capacity(rows.len());
    for (key, terms) in rows {
        let known: Option<i64> = sqlx::query_scalar("SELECT number FROM lists WHERE key = $1")
            .bind(*key)
            .fetch_optional(&mut *connection)
            .await?;
        numbers.push(match known {
            Some(number) => (number, false),
            None => {
                let insert =
                    sqlx::query_scalar("INSERT INTO lists (key, terms) VALUES ($1, $2) RETURNING number");
                (insert.bind(*key).bind(*terms).fetch_one(&mut *connection).await?, true)
            }
        });
    }
    Ok(numbers)
}

/// Stores reports. Ids and numbers of those that are new.
pub(super) async fn insert_reports(
    connection: &mut SqliteConnection,
    rows: &[ReportRow<'_>],
) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let mut inserted = Vec::with_capacity(rows.len());
    for row in rows {
        let number: Option<i64> = sqlx::query_scalar(REPORT)
            .bind(row.id)
            .bind(&row.image_digest)
            .bind(&row.config_digest)
            .bind(row.created_unix_ms)
            .bind(&row.summary)
            .bind(&row.seal)
            .bind(row.content)
            .bind(row.vulnerabilities)
            .bind(row.packages)
            .fetch_optional(&mut *connection)
            .await?;
        inserted.extend(number.map(|number| (row.id.to_owned(), number)));
    }
    Ok(inserted)
}
