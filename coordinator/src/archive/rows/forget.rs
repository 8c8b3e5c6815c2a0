//! What is old goes, in steps of one transaction each.

use std::collections::BTreeSet;

use async_trait::async_trait;
use strata_proto::v1::ScanState;

use super::{super::dialect::Adapter, contents};
use crate::{
    archive::{failed, forget, sql, token},
    ports::{Forget, Forgotten, Keep, PortError, Tokens as _},
};

#[async_trait]
impl Forget for Adapter {
    async fn forget_scans(&self, keep: &Keep) -> Result<Forgotten, PortError> {
        const ACTION: &str = "forget old scans";
        let running = i64::from(i32::from(ScanState::Running));
        let mut writing = self.write_forgetting(ACTION).await?;
        let run = |statement: &'static str| sqlx::query(statement);
        let nth: Option<String> = match keep.scans.checked_sub(1) {
            Some(offset) => sqlx::query_scalar(forget::NTH_SCAN)
                .bind(i64::from(offset))
                .fetch_optional(&mut *writing)
                .await
                .map_err(failed(ACTION))?,
            None => None,
        };
        let choose = run(forget::CHOOSE).bind(running).bind(&keep.scans_from).bind(nth.unwrap_or_default());
        choose.bind(forget::SCANS_AT_ONCE).execute(&mut *writing).await.map_err(failed(ACTION))?;
        let mut gone = Forgotten::default();
        for statement in [forget::SCANS, forget::REQUESTS, forget::TAGS] {
            run(statement).execute(&mut *writing).await.map_err(failed(ACTION))?;
        }
        let mut more = false;
        for (statement, count) in
            [(forget::EVENTS, &mut gone.events), (forget::REFERENCES, &mut gone.references)]
        {
            let deleted = run(statement).bind(forget::ROWS_AT_ONCE).execute(&mut *writing).await;
            *count = deleted.map_err(failed(ACTION))?.rows_affected();
            more |= i64::try_from(*count).is_ok_and(|count| count >= forget::ROWS_AT_ONCE);
        }
        if !more {
            let done = run(forget::DONE).execute(&mut *writing).await.map_err(failed(ACTION))?;
            gone.scans = done.rows_affected();
        }
        run(forget::CANCELLATIONS).bind(running).execute(&mut *writing).await.map_err(failed(ACTION))?;
        writing.commit().await?;
        Ok(gone)
    }

    async fn forget_reports(&self, keep: &Keep, after: i64) -> Result<(Forgotten, Option<i64>), PortError> {
        const ACTION: &str = "forget old reports";
        let mut writing = self.write_forgetting(ACTION).await?;
        let end: Option<i64> = sqlx::query_scalar(forget::WINDOW)
            .bind(after)
            .bind(forget::REPORTS_SEEN)
            .fetch_one(&mut *writing)
            .await
            .map_err(failed(ACTION))?;
        let Some(end) = end else { return Ok((Forgotten::default(), None)) };
        let unwanted: Vec<i64> = sqlx::query_scalar(forget::UNWANTED)
            .bind(after)
            .bind(end)
            .bind(keep.latest_from_unix_ms)
            .bind(i64::try_from(forget::REPORTS_AT_ONCE).unwrap_or(i64::MAX))
            .fetch_all(&mut *writing)
            .await
            .map_err(failed(ACTION))?;
        for number in &unwanted {
            let refers: (i64, Option<i64>, Option<i64>) = sqlx::query_as(forget::REFERS_TO)
                .bind(number)
                .fetch_one(&mut *writing)
                .await
                .map_err(failed(ACTION))?;
            for statement in forget::REPORT {
                let delete = sqlx::query(statement).bind(number);
                delete.execute(&mut *writing).await.map_err(failed(ACTION))?;
            }
            let (content, vulnerabilities, packages) = refers;
            let lists: BTreeSet<i64> = [vulnerabilities, packages].into_iter().flatten().collect();
            contents::drop_unsaid(&mut writing, &[content], lists).await.map_err(failed(ACTION))?;
        }
        writing.commit().await?;
        let full = unwanted.len() >= forget::REPORTS_AT_ONCE;
        let next = if full { unwanted.last().copied() } else { Some(end) };
        let reports = u64::try_from(unwanted.len()).unwrap_or(u64::MAX);
        Ok((Forgotten { reports, ..Forgotten::default() }, next))
    }

    async fn forget_tokens(&self, keep: &Keep) -> Result<Forgotten, PortError> {
        const ACTION: &str = "forget old tokens";
        let mut gone = Forgotten::default();
        for id in token::ended(&self.tokens().await?, keep.tokens_from_unix_ms) {
            let mut writing = self.write(ACTION).await?;
            let delete = sqlx::query(sql::FORGET_TOKEN).bind(&id).execute(&mut *writing).await;
            gone.tokens += delete.map_err(failed(ACTION))?.rows_affected();
            writing.commit().await?;
        }
        Ok(gone)
    }
}
