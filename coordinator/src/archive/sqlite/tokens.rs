//! Tokens of the public service in SQLite.

use async_trait::async_trait;

use super::{
    super::{failed, sql, token},
    SqliteArchive,
};
use crate::{
    access::token::StoredToken,
    ports::{PortError, Tokens},
};

#[async_trait]
impl Tokens for SqliteArchive {
    async fn add_token(&self, token: &StoredToken) -> Result<(), PortError> {
        const ACTION: &str = "keep a token";
        let _writer = self.writer.lock().await;
        sqlx::query(sql::INSERT_TOKEN)
            .bind(&token.token.id)
            .bind(&token.hash)
            .bind(token.token.created_unix_ms)
            .bind(token::body(token))
            .execute(&self.pool)
            .await
            .map_err(failed(ACTION))?;
        Ok(())
    }

    async fn token(&self, id: &str) -> Result<Option<StoredToken>, PortError> {
        const ACTION: &str = "read a token";
        let row =
            sqlx::query_as(sql::TOKEN).bind(id).fetch_optional(&self.pool).await.map_err(failed(ACTION))?;
        row.map(|row| token::read(ACTION, row)).transpose()
    }

    async fn tokens(&self) -> Result<Vec<StoredToken>, PortError> {
        const ACTION: &str = "list tokens";
        let rows: Vec<token::Row> =
            sqlx::query_as(sql::TOKENS).fetch_all(&self.pool).await.map_err(failed(ACTION))?;
        rows.into_iter().map(|row| token::read(ACTION, row)).collect()
    }

    async fn any_token(&self) -> Result<bool, PortError> {
        sqlx::query_scalar(sql::ANY_TOKEN).fetch_one(&self.pool).await.map_err(failed("look for tokens"))
    }

    async fn revoke_token(&self, id: &str, at_unix_ms: i64) -> Result<Option<StoredToken>, PortError> {
        const ACTION: &str = "revoke a token";
        {
            let _writer = self.writer.lock().await;
            sqlx::query(sql::REVOKE_TOKEN)
                .bind(id)
                .bind(at_unix_ms)
                .execute(&self.pool)
                .await
                .map_err(failed(ACTION))?;
        }
        self.token(id).await
    }
}
