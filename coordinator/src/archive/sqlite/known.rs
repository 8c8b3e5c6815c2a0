//! Reports that are there already.

use strata_proto::v1::ReportSummary;

use super::{
    super::{decode_all, failed, sql},
    SqliteArchive,
};
use crate::ports::PortError;

/// Texts as one value, for `json_each`.
pub(super) fn list(texts: &[String]) -> String {
    serde_json::Value::from_iter(texts.iter().map(String::as_str)).to_string()
}

impl SqliteArchive {
    pub(super) async fn refer(&self, id: &str, scan: &str, references: &[String]) -> Result<bool, PortError> {
        const ACTION: &str = "name a report's references";
        let _writer = self.writer.lock().await;
        let mut transaction = self.begin().await.map_err(failed(ACTION))?;
        let number: Option<i64> = sqlx::query_scalar(sql::REPORT_NUMBER)
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed(ACTION))?;
        let Some(number) = number else { return Ok(false) };
        sqlx::query(
            "INSERT INTO report_references (report, scan, reference)
             SELECT $1, $2, value FROM json_each($3) WHERE true ON CONFLICT DO NOTHING",
        )
        .bind(number)
        .bind(scan)
        .bind(list(references))
        .execute(&mut *transaction)
        .await
        .map_err(failed(ACTION))?;
        transaction.commit().await.map_err(failed(ACTION))?;
        Ok(true)
    }

    pub(super) async fn known(&self, ids: &[String]) -> Result<Vec<ReportSummary>, PortError> {
        const ACTION: &str = "look for reports";
        let query = sqlx::query_scalar(
            "SELECT r.summary FROM json_each($1) j CROSS JOIN reports r ON r.id = j.value",
        );
        decode_all(ACTION, &self.bodies(ACTION, query.bind(list(ids))).await?)
    }
}
