//! Reports that are there already.

use sqlx::AssertSqlSafe;
use strata_proto::v1::{ReportOrigin, ReportSummary, SearchReportsRequest};

use super::{
    super::dialect::{Adapter, CONTAINS, SUMMARIES, list},
    put,
};
use crate::{
    access::sight::Sight,
    archive::{decode_all, failed, origin, scans_of, search, sql},
    drive::now_ms,
    ports::PortError,
};

impl Adapter {
    pub(super) async fn refer(&self, id: &str, scan: &str, references: &[String]) -> Result<bool, PortError> {
        const ACTION: &str = "name a report's references";
        let mut writing = self.write_referring(ACTION).await?;
        let number: Option<i64> = sqlx::query_scalar(sql::REPORT_NUMBER)
            .bind(id)
            .fetch_optional(&mut *writing)
            .await
            .map_err(failed(ACTION))?;
        let Some(number) = number else { return Ok(false) };
        put::names(&mut writing, number, scan, references).await.map_err(failed(ACTION))?;
        writing.commit().await?;
        self.bind_waiting(id, scan, references, now_ms()).await?;
        Ok(true)
    }

    pub(super) async fn known(&self, ids: &[String]) -> Result<Vec<ReportSummary>, PortError> {
        const ACTION: &str = "look for reports";
        decode_all(ACTION, &self.bodies(ACTION, sqlx::query_scalar(SUMMARIES).bind(list(ids))).await?)
    }

    pub(super) async fn find(
        &self,
        query: &SearchReportsRequest,
        sight: &Sight,
    ) -> Result<Vec<ReportSummary>, PortError> {
        const ACTION: &str = "search reports";
        let search = search::search(query, sight, CONTAINS);
        let mut statement = sqlx::query_scalar(AssertSqlSafe(search.sql));
        for text in search.texts {
            statement = statement.bind(text);
        }
        let bodies = self.bodies(ACTION, statement.bind(search.limit)).await?;
        let mut found: Vec<ReportSummary> = decode_all(ACTION, &bodies)?;
        for summary in &mut found {
            let shown = search::references(&summary.report_id, sight, search::MOST_REFERENCES);
            summary.references = self.texts(ACTION, shown).await?;
            summary.bound_digests = self.bound(&summary.report_id).await?;
            summary.origins = self.origins(summary, sight).await?;
        }
        Ok(found)
    }

    async fn origins(&self, of: &ReportSummary, sight: &Sight) -> Result<Vec<ReportOrigin>, PortError> {
        const ACTION: &str = "look for a report's sources";
        let search = search::origins(of, sight);
        let mut statement = sqlx::query_as(AssertSqlSafe(search.sql));
        for text in search.texts {
            statement = statement.bind(text);
        }
        let rows = statement.bind(search.limit).fetch_all(&self.pool).await;
        Ok(scans_of(ACTION, rows)?.into_iter().map(origin).collect())
    }
}
