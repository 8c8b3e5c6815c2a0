//! Reports that are there already.

use strata_proto::v1::ReportSummary;

use super::{
    super::{decode_all, failed, sql},
    PostgresArchive,
};
use crate::ports::PortError;

impl PostgresArchive {
    pub(super) async fn refer(&self, id: &str, scan: &str, references: &[String]) -> Result<bool, PortError> {
        const ACTION: &str = "name a report's references";
        let mut transaction = self.begin().await.map_err(failed(ACTION))?;
        // What it refers to must not be forgotten meanwhile.
        let lock = sqlx::query("SELECT pg_advisory_xact_lock_shared($1)").bind(super::forget::LOCK);
        lock.execute(&mut *transaction).await.map_err(failed(ACTION))?;
        let number: Option<i64> = sqlx::query_scalar(sql::REPORT_NUMBER)
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed(ACTION))?;
        let Some(number) = number else { return Ok(false) };
        sqlx::query(
            "INSERT INTO report_references (report, scan, reference)
             SELECT $1, $2, unnest($3::text[]) ON CONFLICT DO NOTHING",
        )
        .bind(number)
        .bind(scan)
        .bind(references)
        .execute(&mut *transaction)
        .await
        .map_err(failed(ACTION))?;
        transaction.commit().await.map_err(failed(ACTION))?;
        Ok(true)
    }

    pub(super) async fn known(&self, ids: &[String]) -> Result<Vec<ReportSummary>, PortError> {
        const ACTION: &str = "look for reports";
        let query = sqlx::query_scalar("SELECT summary FROM reports WHERE id = ANY($1)");
        decode_all(ACTION, &self.bodies(ACTION, query.bind(ids.to_vec())).await?)
    }
}
