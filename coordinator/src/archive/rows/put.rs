//! Scans and reports as rows: what is written of one, inside a transaction.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use prost::Message as _;
use strata_proto::v1::{Event, Scan};

use super::super::dialect::{Adapter, Connection, EventRow, NUMBERS, index_terms, insert_names, list};
use crate::{
    archive::{
        ScanRow, body_digest, failed, idempotency_key, refused, report, scan_of,
        search::{PACKAGE, VULNERABILITY},
        sequence, source_columns, sql, told, waiting,
    },
    ports::{Naming, NewReport, PortError, PutReport},
};

/// Records a scan, and returns the one that is recorded: that of the same idempotency key, where there is one.
pub(super) async fn scan(
    action: &'static str,
    connection: &mut Connection,
    scan: &Scan,
) -> Result<Scan, PortError> {
    let key = idempotency_key(scan);
    let [commit, branch, tag, build, repository] = source_columns(scan);
    sqlx::query(sql::INSERT_SCAN)
        .bind(&scan.id)
        .bind(i64::from(scan.state))
        .bind(key)
        .bind(scan.encode_to_vec())
        .bind(&scan.database_digest)
        .bind(&scan.owner)
        .bind(commit)
        .bind(branch)
        .bind(tag)
        .bind(build)
        .bind(repository)
        .bind(told(scan))
        .execute(&mut *connection)
        .await
        .map_err(failed(action))?;
    let (statement, value) = key.map_or((sql::SCAN, scan.id.as_str()), |key| (sql::SCAN_BY_KEY, key));
    let row: ScanRow =
        sqlx::query_as(statement).bind(value).fetch_one(&mut *connection).await.map_err(failed(action))?;
    scan_of(action, row)
}

/// An event as its row: scan, sequence, body.
pub(super) fn event_row<'a>(action: &'static str, event: &'a Event) -> Result<EventRow<'a>, PortError> {
    Ok((&event.scan_id, sequence(action, event)?, event.encode_to_vec()))
}

/// A report with what is written of it.
struct Packed<'a> {
    put: &'a PutReport<'a>,
    body: Cow<'a, [u8]>,
}

/// Stores reports with their references, each once. Returns their numbers by id, and those ids that are new.
pub(super) async fn reports(
    action: &'static str,
    connection: &mut Connection,
    puts: &[PutReport<'_>],
) -> Result<(BTreeMap<String, i64>, BTreeSet<String>), PortError> {
    let mut fresh: BTreeSet<String> = BTreeSet::new();
    // In order, so that two transactions which store the same reports do not wait for each other.
    let each: BTreeMap<&str, &PutReport<'_>> = puts.iter().map(|put| (put.new.id, put)).collect();
    for put in each.values() {
        let body = match put.packed {
            Some(packed) => Cow::Borrowed(packed),
            None => report::pack(put.new.report)
                .map(Cow::Owned)
                .map_err(|error| refused(action, error.to_string()))?,
        };
        if insert(connection, &Packed { put, body }).await.map_err(failed(action))? {
            fresh.insert(put.new.id.to_owned());
        }
    }
    let ids: BTreeSet<String> = each.keys().map(|id| (*id).to_owned()).collect();
    let numbers = numbers(connection, &ids).await.map_err(failed(action))?;
    let mut terms = Vec::new();
    for (id, put) in &each {
        if let (true, Some(number)) = (fresh.contains(*id), numbers.get(*id)) {
            let of = put.new.report;
            terms.push((*number, VULNERABILITY, report::vulnerabilities(of)));
            terms.push((*number, PACKAGE, report::packages(of)));
        }
    }
    index_terms(connection, &terms).await.map_err(failed(action))?;
    let namings: Vec<Naming<'_>> = puts
        .iter()
        .map(|put| Naming { report: put.new.id, scan: put.scan, references: put.references })
        .collect();
    names(connection, &numbers, &namings).await.map_err(failed(action))?;
    Ok((numbers, fresh))
}

/// Whether it is new.
async fn insert(connection: &mut Connection, packed: &Packed<'_>) -> Result<bool, sqlx::Error> {
    let NewReport { id, report, stored_unix_ms, asked, .. } = packed.put.new;
    let inserted = sqlx::query(sql::INSERT_REPORT)
        .bind(id)
        .bind(&report.image_digest)
        .bind(stored_unix_ms)
        .bind(report::summary(&packed.put.new).encode_to_vec())
        .bind(&*packed.body)
        .bind(asked)
        .bind(&report.config_digest)
        .bind(body_digest(&packed.body))
        .execute(connection)
        .await?;
    Ok(inserted.rows_affected() > 0)
}

/// The numbers of those of these reports that are there, by id.
pub(super) async fn numbers(
    connection: &mut Connection,
    ids: &BTreeSet<String>,
) -> Result<BTreeMap<String, i64>, sqlx::Error> {
    let rows: Vec<(String, i64)> = sqlx::query_as(NUMBERS).bind(list(ids)).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

/// Names reports in scans. Those without a number are not there and get none.
pub(super) async fn names(
    connection: &mut Connection,
    numbers: &BTreeMap<String, i64>,
    namings: &[Naming<'_>],
) -> Result<(), sqlx::Error> {
    let mut rows = Vec::new();
    for naming in namings {
        let Some(number) = numbers.get(naming.report) else { continue };
        rows.extend(naming.references.iter().map(|reference| (*number, naming.scan, reference.as_str())));
    }
    // In order, as everywhere.
    rows.sort_unstable();
    insert_names(connection, &rows).await
}

impl Adapter {
    pub(super) async fn put(&self, puts: &[PutReport<'_>]) -> Result<(), PortError> {
        const ACTION: &str = "store a report";
        if puts.is_empty() {
            return Ok(());
        }
        let (waiting, others): (Vec<PutReport<'_>>, Vec<_>) =
            puts.iter().partition(|put| waiting::waits(put.new.report));
        {
            let mut writing = self.write_referring(ACTION).await?;
            let (numbers, _) = reports(ACTION, &mut writing, puts).await?;
            for put in &waiting {
                let Some(number) = numbers.get(put.new.id) else { continue };
                let config = &put.new.report.config_digest;
                wait(&mut writing, *number, config, "").await.map_err(failed(ACTION))?;
            }
            writing.commit().await?;
        }
        for put in &waiting {
            self.bind_seen(put.new.id, put.new.stored_unix_ms).await?;
        }
        let at = others.iter().map(|put| put.new.stored_unix_ms).max().unwrap_or_default();
        let namings: Vec<Naming<'_>> = others
            .iter()
            .map(|put| Naming { report: put.new.id, scan: put.scan, references: put.references })
            .collect();
        self.bind_waiting(&namings, at).await?;
        let ids: BTreeSet<&str> = puts.iter().map(|put| put.new.id).collect();
        let at = puts.iter().map(|put| put.new.stored_unix_ms).max().unwrap_or_default();
        self.tell_tags(ids, at).await
    }
}

/// Has a report wait for manifests with a configuration.
pub(super) async fn wait(
    connection: &mut Connection,
    report: i64,
    config_digest: &str,
    prefixes: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(waiting::WAIT)
        .bind(report)
        .bind(config_digest)
        .bind(prefixes)
        .execute(&mut *connection)
        .await?;
    Ok(())
}
