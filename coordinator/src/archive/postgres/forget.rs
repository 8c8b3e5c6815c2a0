//! What is old goes, in steps of one transaction each.

use async_trait::async_trait;
use strata_proto::v1::ScanState;

use super::{
    super::{failed, forget, sql, token},
    PostgresArchive,
};
use crate::ports::{Forget, Forgotten, Keep, PortError, Tokens as _};

/// Number of the lock that keeps reports from being stored while others go: a report and its terms are looked for and written
/// in several statements, between which nothing of them may disappear.
pub(super) const LOCK: i64 = 0x5374_7261_7461;

#[async_trait]
impl Forget for PostgresArchive {
    async fn forget_scans(&self, keep: &Keep) -> Result<Forgotten, PortError> {
        const ACTION: &str = "forget old scans";
        let running = i64::from(i32::from(ScanState::Running));
        let mut transaction = self.begin().await.map_err(failed(ACTION))?;
        self.hold(ACTION, &mut transaction).await?;
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK);
        lock.execute(&mut *transaction).await.map_err(failed(ACTION))?;
        let run = |statement: &'static str| sqlx::query(statement);
        let nth: Option<String> = match keep.scans.checked_sub(1) {
            Some(offset) => sqlx::query_scalar(forget::NTH_SCAN)
                .bind(i64::from(offset))
                .fetch_optional(&mut *transaction)
                .await
                .map_err(failed(ACTION))?,
            None => None,
        };
        let choose = run(forget::CHOOSE).bind(running).bind(&keep.scans_from).bind(nth.unwrap_or_default());
        choose.bind(forget::SCANS_AT_ONCE).execute(&mut *transaction).await.map_err(failed(ACTION))?;
        let mut gone = Forgotten::default();
        for statement in [forget::SCANS, forget::REQUESTS] {
            run(statement).execute(&mut *transaction).await.map_err(failed(ACTION))?;
        }
        let mut more = false;
        for (statement, count) in
            [(forget::EVENTS, &mut gone.events), (forget::REFERENCES, &mut gone.references)]
        {
            let deleted = run(statement).bind(forget::ROWS_AT_ONCE).execute(&mut *transaction).await;
            *count = deleted.map_err(failed(ACTION))?.rows_affected();
            more |= i64::try_from(*count).is_ok_and(|count| count >= forget::ROWS_AT_ONCE);
        }
        if !more {
            let done = run(forget::DONE).execute(&mut *transaction).await.map_err(failed(ACTION))?;
            gone.scans = done.rows_affected();
        }
        run(forget::CANCELLATIONS).bind(running).execute(&mut *transaction).await.map_err(failed(ACTION))?;
        transaction.commit().await.map_err(failed(ACTION))?;
        Ok(gone)
    }

    async fn forget_reports(&self, keep: &Keep, after: i64) -> Result<(Forgotten, Option<i64>), PortError> {
        const ACTION: &str = "forget old reports";
        let mut transaction = self.begin().await.map_err(failed(ACTION))?;
        self.hold(ACTION, &mut transaction).await?;
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK);
        lock.execute(&mut *transaction).await.map_err(failed(ACTION))?;
        let end: Option<i64> = sqlx::query_scalar(forget::WINDOW)
            .bind(after)
            .bind(forget::REPORTS_SEEN)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed(ACTION))?;
        let Some(end) = end else { return Ok((Forgotten::default(), None)) };
        let unwanted: Vec<i64> = sqlx::query_scalar(forget::UNWANTED)
            .bind(after)
            .bind(end)
            .bind(keep.latest_from_unix_ms)
            .bind(i64::try_from(forget::REPORTS_AT_ONCE).unwrap_or(i64::MAX))
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed(ACTION))?;
        for number in &unwanted {
            for statement in forget::REPORT {
                let delete = sqlx::query(statement).bind(number);
                delete.execute(&mut *transaction).await.map_err(failed(ACTION))?;
            }
        }
        transaction.commit().await.map_err(failed(ACTION))?;
        let full = unwanted.len() >= forget::REPORTS_AT_ONCE;
        let next = if full { unwanted.last().copied() } else { Some(end) };
        let reports = u64::try_from(unwanted.len()).unwrap_or(u64::MAX);
        Ok((Forgotten { reports, ..Forgotten::default() }, next))
    }

    async fn forget_tokens(&self, keep: &Keep) -> Result<Forgotten, PortError> {
        const ACTION: &str = "forget old tokens";
        let mut gone = Forgotten::default();
        for id in token::ended(&self.tokens().await?, keep.tokens_from_unix_ms) {
            let delete = sqlx::query(sql::FORGET_TOKEN).bind(&id).execute(&self.pool).await;
            gone.tokens += delete.map_err(failed(ACTION))?.rows_affected();
        }
        Ok(gone)
    }
}
