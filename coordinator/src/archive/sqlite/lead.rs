//! The lead between the processes that share a file, by this machine's clock.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use strata_proto::v1::ScanState;

use super::{
    super::{failed, fence},
    SqliteArchive,
};
use crate::{
    drive::now_ms,
    ports::{Lead, PortError},
};

const TAKE: &str = "INSERT INTO leads (name, owner, term, until_unix_ms) VALUES ('coordinator', $1, 1, $2)
     ON CONFLICT (name) DO UPDATE SET
         term = CASE WHEN leads.owner = $1 THEN leads.term ELSE leads.term + 1 END,
         owner = $1, until_unix_ms = excluded.until_unix_ms
     WHERE leads.owner = $1 OR leads.until_unix_ms < $3
     RETURNING term";

impl SqliteArchive {
    /// An error when this coordinator led and does no longer. Inside a transaction it holds until its end, because there is one
    /// writer at a time.
    pub(super) async fn hold(
        &self,
        action: &'static str,
        connection: &mut SqliteConnection,
    ) -> Result<(), PortError> {
        let Some(term) = self.fence.term() else { return Ok(()) };
        let held: Option<i64> =
            sqlx::query_scalar("SELECT term FROM leads WHERE name = 'coordinator' AND term = $1")
                .bind(term)
                .fetch_optional(connection)
                .await
                .map_err(failed(action))?;
        held.map(|_| ()).ok_or_else(|| fence::over(action))
    }
}

#[async_trait]
impl Lead for SqliteArchive {
    async fn lead(&self, owner: &str, length: Duration) -> Result<bool, PortError> {
        let now = now_ms();
        let until = now.saturating_add(i64::try_from(length.as_millis()).unwrap_or(i64::MAX));
        let _writer = self.writer.lock().await;
        let term: Option<i64> = sqlx::query_scalar(TAKE)
            .bind(owner)
            .bind(until)
            .bind(now)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("take the lead"))?;
        if term.is_some() {
            self.fence.set(term);
        }
        Ok(term.is_some())
    }

    async fn step_down(&self, owner: &str) -> Result<(), PortError> {
        let _writer = self.writer.lock().await;
        sqlx::query("UPDATE leads SET until_unix_ms = 0 WHERE name = 'coordinator' AND owner = $1")
            .bind(owner)
            .execute(&self.pool)
            .await
            .map_err(failed("give up the lead"))?;
        Ok(())
    }

    async fn ask_to_cancel(&self, scan: &str) -> Result<(), PortError> {
        let _writer = self.writer.lock().await;
        sqlx::query("INSERT INTO cancellations (scan) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(scan)
            .execute(&self.pool)
            .await
            .map_err(failed("ask for a scan to be stopped"))?;
        Ok(())
    }

    async fn asked_to_cancel(&self) -> Result<Vec<String>, PortError> {
        sqlx::query_scalar(
            "SELECT c.scan FROM cancellations c JOIN scans s ON s.id = c.scan WHERE s.state = $1 ORDER BY 1",
        )
        .bind(i64::from(i32::from(ScanState::Running)))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read what is to be stopped"))
    }
}
