//! Reports that are held.

use async_trait::async_trait;
use strata_proto::v1::ReportHold;

use super::super::dialect::{Adapter, Connection};
use crate::{
    archive::{failed, sql},
    ports::{Holds, PortError},
};

/// Who held, when, why; who released, when.
type Row = (String, i64, String, String, i64);

#[async_trait]
impl Holds for Adapter {
    async fn hold_report(&self, hold: &ReportHold) -> Result<Option<ReportHold>, PortError> {
        const ACTION: &str = "hold a report";
        let mut writing = self.write_referring(ACTION).await?;
        sqlx::query(sql::HOLD)
            .bind(&hold.report_id)
            .bind(&hold.held_by)
            .bind(hold.held_unix_ms)
            .bind(&hold.reason)
            .execute(&mut *writing)
            .await
            .map_err(failed(ACTION))?;
        let held = in_force(&mut writing, &hold.report_id).await.map_err(failed(ACTION))?;
        writing.commit().await?;
        Ok(held)
    }

    async fn release_report(
        &self,
        report_id: &str,
        released_by: &str,
        at_unix_ms: i64,
    ) -> Result<Option<ReportHold>, PortError> {
        const ACTION: &str = "release a report";
        let mut writing = self.write(ACTION).await?;
        let held = in_force(&mut writing, report_id).await.map_err(failed(ACTION))?;
        let release = sqlx::query(sql::RELEASE).bind(report_id).bind(released_by).bind(at_unix_ms);
        let released = release.execute(&mut *writing).await.map_err(failed(ACTION))?;
        writing.commit().await?;
        // Another may have released it between the two statements.
        let held = held.filter(|_| released.rows_affected() > 0);
        Ok(held.map(|held| ReportHold {
            released_by: released_by.to_owned(),
            released_unix_ms: at_unix_ms,
            ..held
        }))
    }
}

async fn in_force(connection: &mut Connection, report_id: &str) -> Result<Option<ReportHold>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(sql::HELD).bind(report_id).fetch_optional(connection).await?;
    Ok(row.map(|(held_by, held_unix_ms, reason, released_by, released_unix_ms)| ReportHold {
        report_id: report_id.to_owned(),
        held_by,
        held_unix_ms,
        reason,
        released_by,
        released_unix_ms,
    }))
}
