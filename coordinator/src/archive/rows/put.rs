//! Scans and reports as rows: what is written of one, inside a transaction.

use std::collections::BTreeSet;

use prost::Message as _;
use strata_proto::v1::{Event, Scan};

use super::super::dialect::{Adapter, Connection, INSERT_POSTINGS, INSERT_REFERENCES, INSERT_TERMS, list};
use crate::{
    archive::{
        ScanRow, body_digest, failed, idempotency_key, refused, report, scan_of,
        search::{PACKAGE, VULNERABILITY},
        sequence, source_columns, sql, told, waiting,
    },
    ports::{NewReport, PortError},
};

/// One report with its names in one scan.
pub(super) struct Row<'a> {
    pub(super) new: NewReport<'a>,
    pub(super) scan: &'a str,
    pub(super) references: &'a [String],
}

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

pub(super) async fn event(
    action: &'static str,
    connection: &mut Connection,
    event: &Event,
) -> Result<(), PortError> {
    sqlx::query(sql::INSERT_EVENT)
        .bind(&event.scan_id)
        .bind(sequence(action, event)?)
        .bind(event.encode_to_vec())
        .execute(&mut *connection)
        .await
        .map_err(failed(action))?;
    Ok(())
}

/// Stores a report with its references, and returns its number and whether it is new.
pub(super) async fn report(
    action: &'static str,
    connection: &mut Connection,
    row: &Row<'_>,
    packed: &[u8],
) -> Result<(i64, bool), PortError> {
    let Row { new, scan, references } = *row;
    let NewReport { id, report, .. } = new;
    let inserted = sqlx::query(sql::INSERT_REPORT)
        .bind(id)
        .bind(&report.image_digest)
        .bind(new.stored_unix_ms)
        .bind(report::summary(&new).encode_to_vec())
        .bind(packed)
        .bind(new.asked)
        .bind(&report.config_digest)
        .bind(body_digest(packed))
        .execute(&mut *connection)
        .await
        .map_err(failed(action))?;
    let fresh = inserted.rows_affected() > 0;
    let number: i64 = sqlx::query_scalar(sql::REPORT_NUMBER)
        .bind(id)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed(action))?;
    if fresh {
        for (kind, texts) in
            [(VULNERABILITY, &report::vulnerabilities(report)), (PACKAGE, &report::packages(report))]
        {
            index_terms(connection, number, kind, texts).await.map_err(failed(action))?;
        }
    }
    names(connection, number, scan, references).await.map_err(failed(action))?;
    Ok((number, fresh))
}

/// Names a report in a scan.
pub(super) async fn names(
    connection: &mut Connection,
    report: i64,
    scan: &str,
    references: &[String],
) -> Result<(), sqlx::Error> {
    let names = sqlx::query(INSERT_REFERENCES).bind(report).bind(scan).bind(list(references));
    names.execute(connection).await?;
    Ok(())
}

/// The texts come in order, so that two transactions which index the same terms do not wait for each other.
async fn index_terms(
    connection: &mut Connection,
    report: i64,
    kind: i64,
    texts: &BTreeSet<String>,
) -> Result<(), sqlx::Error> {
    let texts = list(texts);
    sqlx::query(INSERT_TERMS).bind(kind).bind(&texts).execute(&mut *connection).await?;
    sqlx::query(INSERT_POSTINGS).bind(kind).bind(&texts).bind(report).execute(connection).await?;
    Ok(())
}

impl Adapter {
    pub(super) async fn put(&self, row: &Row<'_>) -> Result<(), PortError> {
        const ACTION: &str = "store a report";
        let packed = report::pack(row.new.report).map_err(|error| refused(ACTION, error.to_string()))?;
        let waits = waiting::waits(row.new.report);
        {
            let mut writing = self.write_referring(ACTION).await?;
            let (number, _) = report(ACTION, &mut writing, row, &packed).await?;
            if waits {
                let config = &row.new.report.config_digest;
                wait(&mut writing, number, config, "").await.map_err(failed(ACTION))?;
            }
            writing.commit().await?;
        }
        if waits {
            return self.bind_seen(row.new.id, row.new.stored_unix_ms).await;
        }
        self.bind_waiting(row.new.id, row.scan, row.references, row.new.stored_unix_ms).await
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
