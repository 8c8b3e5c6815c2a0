//! Outlines of databases, and what reports asked.

use async_trait::async_trait;
use sqlx::AssertSqlSafe;
use strata_proto::v1::ReportSummary;

use super::super::dialect::{ASKED, Adapter, Texts, WORDS, list, texts};
use crate::{
    access::sight::Sight,
    archive::{decode, failed, refused, search, sql},
    ports::{AskedReport, NewestReport, OUTLINES_KEPT, Outlined, Outlines, PortError},
};

#[async_trait]
impl Outlines for Adapter {
    async fn use_outline(&self, digest: &str, scheme: u32, at_unix_ms: i64) -> Result<bool, PortError> {
        const ACTION: &str = "note that a database is in use";
        let mut writing = self.write(ACTION).await?;
        let update = sqlx::query(sql::USE_OUTLINE).bind(digest).bind(i64::from(scheme)).bind(at_unix_ms);
        let done = update.execute(&mut *writing).await.map_err(failed(ACTION))?;
        writing.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn put_outline(&self, of: &Outlined, outline: &[u8], at_unix_ms: i64) -> Result<(), PortError> {
        const ACTION: &str = "keep the outline of a database";
        let mut writing = self.write(ACTION).await?;
        sqlx::query(sql::PUT_OUTLINE)
            .bind(&of.digest)
            .bind(&of.modified)
            .bind(i64::from(of.scheme))
            .bind(at_unix_ms)
            .bind(outline)
            .execute(&mut *writing)
            .await
            .map_err(failed(ACTION))?;
        let drop = sqlx::query(sql::DROP_OUTLINES).bind(i64::from(OUTLINES_KEPT));
        drop.execute(&mut *writing).await.map_err(failed(ACTION))?;
        writing.commit().await
    }

    async fn outlines(&self) -> Result<Vec<Outlined>, PortError> {
        const ACTION: &str = "list the outlines of databases";
        let rows: Vec<(String, String, i64)> =
            sqlx::query_as(sql::OUTLINES).fetch_all(&self.pool).await.map_err(failed(ACTION))?;
        let read = |(digest, modified, scheme): (String, String, i64)| {
            let scheme = u32::try_from(scheme).map_err(|error| refused(ACTION, error.to_string()))?;
            Ok(Outlined { digest, modified, scheme })
        };
        rows.into_iter().map(read).collect()
    }

    async fn outline(&self, digest: &str) -> Result<Option<Vec<u8>>, PortError> {
        let query = sqlx::query_scalar(sql::OUTLINE).bind(digest).fetch_optional(&self.pool);
        query.await.map_err(failed("read the outline of a database"))
    }

    async fn asked_reports(&self, ids: &[String]) -> Result<Vec<AskedReport>, PortError> {
        const ACTION: &str = "look for reports and what they asked";
        let query = sqlx::query_as(ASKED).bind(list(ids));
        let rows: Vec<(Vec<u8>, Vec<u8>)> = query.fetch_all(&self.pool).await.map_err(failed(ACTION))?;
        let read = |(summary, asked): (Vec<u8>, Vec<u8>)| {
            Ok(AskedReport { summary: decode(ACTION, &summary)?, asked })
        };
        rows.into_iter().map(read).collect()
    }

    async fn newest_reports(
        &self,
        before: u64,
        limit: u32,
        sight: &Sight,
    ) -> Result<Vec<NewestReport>, PortError> {
        const ACTION: &str = "look for the last report of each image";
        let search = search::newest(i64::try_from(before).unwrap_or(i64::MAX), limit, sight, &WORDS);
        let mut statement = sqlx::query_as(AssertSqlSafe(search.sql));
        for text in search.texts {
            statement = statement.bind(text);
        }
        let rows: Vec<search::Newest<Texts>> =
            statement.fetch_all(&self.pool).await.map_err(failed(ACTION))?;
        let read = |(number, summary, asked, references): search::Newest<Texts>| {
            let mut summary: ReportSummary = decode(ACTION, &summary)?;
            summary.number = u64::try_from(number).unwrap_or_default();
            summary.references = texts(ACTION, references)?;
            Ok(NewestReport { summary, asked })
        };
        rows.into_iter().map(read).collect()
    }
}
