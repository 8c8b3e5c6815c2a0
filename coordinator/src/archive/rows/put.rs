//! Scans and reports as rows: what is written of one, inside a transaction.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use strata_proto::v1::{Event, ReportSummary, Scan};

use super::{
    super::dialect::{Adapter, Connection, EventRow, NUMBERS, insert_names, insert_reports, list},
    contents::{self, Refers},
};
use crate::{
    archive::{
        ScanRow,
        content::{self, Content, ReportRow},
        failed, idempotency_key, scan_of, sequence, source_columns, sql, told, waiting,
    },
    ports::{Naming, PortError, PutReport},
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

/// Stores reports with their references, each once. Returns their numbers by id, and those ids that are new.
pub(super) async fn reports(
    action: &'static str,
    connection: &mut Connection,
    puts: &[PutReport<'_>],
) -> Result<(BTreeMap<String, i64>, BTreeSet<String>), PortError> {
    // In order, so that two transactions which store the same reports do not wait for each other.
    let each: BTreeMap<&str, &PutReport<'_>> = puts.iter().map(|put| (put.id, put)).collect();
    let contents: Vec<&Content> = each.values().map(|put| put.content).collect();
    let kept = contents::keep(connection, &contents).await.map_err(failed(action))?;
    let rows: Vec<ReportRow<'_>> =
        each.values().zip(kept.refers).map(|(put, refers)| row(put, refers)).collect();
    let inserted = insert_reports(connection, &rows).await.map_err(failed(action))?;
    let fresh: BTreeSet<String> = inserted.iter().map(|(id, _)| id.clone()).collect();
    let mut all: BTreeMap<String, i64> = inserted.into_iter().collect();
    if all.len() < rows.len() {
        // Nearly always all are new. One that is there stays as it is; this one says it perhaps in other words.
        let drop = contents::drop_unsaid(connection, &kept.fresh_contents, kept.fresh_lists);
        drop.await.map_err(failed(action))?;
        let ids: BTreeSet<String> = each.keys().map(|id| (*id).to_owned()).collect();
        all = numbers(connection, &ids).await.map_err(failed(action))?;
    }
    let namings: Vec<Naming<'_>> = puts.iter().map(|put| Stored::of(put).naming()).collect();
    names(connection, &all, &namings).await.map_err(failed(action))?;
    Ok((all, fresh))
}

fn row<'a>(put: &PutReport<'a>, refers: Refers) -> ReportRow<'a> {
    let summary = ReportSummary {
        report_id: put.id.to_owned(),
        created_unix_ms: put.stored_unix_ms,
        assessed_unix_ms: put.assessed_unix_ms,
        ..put.content.summary.clone()
    };
    let encoded = summary.encode_to_vec();
    ReportRow {
        id: put.id,
        created_unix_ms: put.stored_unix_ms,
        seal: content::seal(&refers.key, &encoded),
        summary: encoded,
        content: refers.content,
        vulnerabilities: refers.vulnerabilities,
        packages: refers.packages,
        image_digest: summary.image_digest,
        config_digest: summary.config_digest,
    }
}

/// A report in a scan, as it was stored: what names, manifests and tags are looked for with.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) id: &'a str,
    pub(super) image_digest: &'a str,
    pub(super) config_digest: &'a str,
    pub(super) stored_unix_ms: i64,
    pub(super) scan: &'a str,
    pub(super) references: &'a [String],
}

impl<'a> Stored<'a> {
    fn of(put: &PutReport<'a>) -> Self {
        let summary = &put.content.summary;
        Self {
            id: put.id,
            image_digest: &summary.image_digest,
            config_digest: &summary.config_digest,
            stored_unix_ms: put.stored_unix_ms,
            scan: put.scan,
            references: put.references,
        }
    }

    pub(super) fn naming(&self) -> Naming<'a> {
        Naming { report: self.id, scan: self.scan, references: self.references }
    }

    fn waits(&self) -> bool {
        waiting::waits(self.image_digest, self.config_digest)
    }
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
        let stored: Vec<Stored<'_>> = puts.iter().map(Stored::of).collect();
        {
            let mut writing = self.write_followed(ACTION).await?;
            let (numbers, _) = reports(ACTION, &mut writing, puts).await?;
            wait_all(ACTION, &mut writing, &numbers, &stored).await?;
            writing.commit().await?;
        }
        self.find_others(&stored).await
    }

    /// Looks for what was stored before and has to do with these reports.
    pub(super) async fn find_others(&self, stored: &[Stored<'_>]) -> Result<(), PortError> {
        let latest = |stored: &[Stored<'_>]| stored.iter().map(|one| one.stored_unix_ms).max();
        let (waiting, others): (Vec<Stored<'_>>, Vec<_>) = stored.iter().partition(|one| one.waits());
        for one in &waiting {
            self.bind_seen(one.id, one.stored_unix_ms).await?;
        }
        if waiting.is_empty() && !self.awaits().await? {
            return Ok(());
        }
        let namings: Vec<Naming<'_>> = others.iter().map(Stored::naming).collect();
        self.bind_waiting(&namings, latest(&others).unwrap_or_default()).await?;
        let ids: BTreeSet<&str> = stored.iter().map(|one| one.id).collect();
        self.tell_tags(ids, latest(stored).unwrap_or_default()).await
    }

    /// Whether anything may have to do with a report that was stored or named. To be asked after that transaction: whoever began
    /// to wait before it ended is seen, and whoever does later sees what it wrote.
    pub(super) async fn awaits(&self) -> Result<bool, PortError> {
        let asked = sqlx::query_scalar(sql::AWAITED).fetch_one(&self.pool).await;
        asked.map_err(failed("look for what waits for a report"))
    }
}

/// Has those reports wait that are of no manifest.
pub(super) async fn wait_all(
    action: &'static str,
    connection: &mut Connection,
    numbers: &BTreeMap<String, i64>,
    stored: &[Stored<'_>],
) -> Result<(), PortError> {
    for one in stored.iter().filter(|one| one.waits()) {
        let Some(number) = numbers.get(one.id) else { continue };
        wait(connection, *number, one.config_digest, "").await.map_err(failed(action))?;
    }
    Ok(())
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
