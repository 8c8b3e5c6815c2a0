//! What both adapters do in the same words: one source, compiled for each with its `dialect`. Statements that both databases
//! understand stand here or in [`super::super`]; what differs, in the dialect.

#[path = "rows/check.rs"]
mod check;
#[path = "rows/contents.rs"]
mod contents;
#[path = "rows/copy.rs"]
mod copy;
#[path = "rows/forget.rs"]
mod forget;
#[path = "rows/holds.rs"]
mod holds;
#[path = "rows/known.rs"]
mod known;
#[path = "rows/outlines.rs"]
mod outlines;
#[path = "rows/put.rs"]
mod put;
#[path = "rows/risks.rs"]
mod risks;
#[path = "rows/submitted.rs"]
mod submitted;
#[path = "rows/tagged.rs"]
mod tagged;
#[path = "rows/tokens.rs"]
mod tokens;

use async_trait::async_trait;
use sqlx::AssertSqlSafe;
use strata_proto::v1::{Event, Report, ReportSummary, Scan, ScanState, SearchReportsRequest};

use super::dialect::{Adapter, Arguments, Database};
use crate::{
    access::sight::Sight,
    archive::{
        ScanRow, content, decode, decode_all, failed, has_large_request, refused, report, scan_body, scan_of,
        scans_of, search::reference, sql,
    },
    ports::{Archive, CopyReport, Naming, PortError, PutReport},
};

#[async_trait]
impl Archive for Adapter {
    async fn create_scan(&self, scan: &Scan) -> Result<Scan, PortError> {
        const ACTION: &str = "record a scan";
        let mut writing = self.write(ACTION).await?;
        let recorded = put::scan(ACTION, &mut writing, scan).await?;
        writing.commit().await?;
        Ok(recorded)
    }

    async fn update_scan(&self, scan: &Scan) -> Result<(), PortError> {
        const ACTION: &str = "update a scan";
        let state = i64::from(scan.state);
        if !has_large_request(scan) {
            return self.update_led(ACTION, (&scan.id, state, scan_body(scan, false))).await;
        }
        let mut writing = self.write_led(ACTION).await?;
        let keep = sqlx::query(sql::KEEP_REQUEST).bind(&scan.id);
        keep.execute(&mut *writing).await.map_err(failed(ACTION))?;
        let update = sqlx::query(sql::UPDATE_SCAN).bind(&scan.id).bind(state).bind(scan_body(scan, true));
        update.execute(&mut *writing).await.map_err(failed(ACTION))?;
        writing.commit().await
    }

    async fn scan(&self, id: &str) -> Result<Option<Scan>, PortError> {
        const ACTION: &str = "read a scan";
        let row: Option<ScanRow> =
            sqlx::query_as(sql::SCAN).bind(id).fetch_optional(&self.pool).await.map_err(failed(ACTION))?;
        row.map(|row| scan_of(ACTION, row)).transpose()
    }

    async fn scans(&self, limit: u32, before: &str) -> Result<Vec<Scan>, PortError> {
        const ACTION: &str = "list scans";
        let query = sqlx::query_as(sql::SCANS).bind(before).bind(i64::from(limit));
        scans_of(ACTION, query.fetch_all(&self.pool).await)
    }

    async fn running(&self) -> Result<Vec<Scan>, PortError> {
        const ACTION: &str = "list running scans";
        let query = sqlx::query_as(sql::SCANS_IN_STATE).bind(i64::from(i32::from(ScanState::Running)));
        scans_of(ACTION, query.fetch_all(&self.pool).await)
    }

    async fn pinned(&self) -> Result<Vec<String>, PortError> {
        sqlx::query_scalar(sql::PINNED)
            .bind(i64::from(i32::from(ScanState::Running)))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("list the databases of running scans"))
    }

    async fn append(&self, events: &[Event]) -> Result<(), PortError> {
        const ACTION: &str = "append events";
        let rows = events.iter().map(|event| put::event_row(ACTION, event));
        let rows = rows.collect::<Result<Vec<_>, PortError>>()?;
        self.append_led(ACTION, &rows).await
    }

    async fn events(&self, scan: &str, after: u64, limit: u32) -> Result<Vec<Event>, PortError> {
        const ACTION: &str = "read events";
        let Ok(after) = i64::try_from(after) else { return Ok(Vec::new()) };
        let query = sqlx::query_scalar(sql::EVENTS).bind(scan.to_owned()).bind(after).bind(i64::from(limit));
        decode_all(ACTION, &self.bodies(ACTION, query).await?)
    }

    async fn put_reports(&self, reports: &[PutReport<'_>]) -> Result<(), PortError> {
        self.put(reports).await
    }

    async fn copy_reports(&self, copies: &[CopyReport<'_>]) -> Result<Vec<bool>, PortError> {
        self.copy(copies).await
    }

    async fn name_reports(&self, namings: &[Naming<'_>]) -> Result<Vec<bool>, PortError> {
        self.name(namings).await
    }

    async fn known_reports(&self, ids: &[String]) -> Result<Vec<ReportSummary>, PortError> {
        self.known(ids).await
    }

    async fn report(&self, id: &str) -> Result<Option<Report>, PortError> {
        const ACTION: &str = "read a report";
        let row: Option<(Vec<u8>, Vec<u8>)> =
            sqlx::query_as(sql::REPORT).bind(id).fetch_optional(&self.pool).await.map_err(failed(ACTION))?;
        let Some((summary, body)) = row else { return Ok(None) };
        let mut report = report::unpack(&body).map_err(|error| refused(ACTION, error.to_string()))?;
        content::name_database(&mut report, decode(ACTION, &summary)?);
        Ok(Some(report))
    }

    async fn shows_report(&self, id: &str, sight: &Sight) -> Result<bool, PortError> {
        let search = reference(id, sight);
        let mut statement = sqlx::query_scalar::<_, String>(AssertSqlSafe(search.sql));
        for text in search.texts {
            statement = statement.bind(text);
        }
        let found = statement.fetch_optional(&self.pool).await.map_err(failed("look for a report"))?;
        Ok(found.is_some())
    }

    async fn search(
        &self,
        query: &SearchReportsRequest,
        sight: &Sight,
    ) -> Result<Vec<ReportSummary>, PortError> {
        self.find(query, sight).await
    }
}

impl Adapter {
    async fn bodies(
        &self,
        action: &'static str,
        query: sqlx::query::QueryScalar<'_, Database, Vec<u8>, Arguments>,
    ) -> Result<Vec<Vec<u8>>, PortError> {
        query.fetch_all(&self.pool).await.map_err(failed(action))
    }
}
