//! Tokens of the public service.

use async_trait::async_trait;

use super::super::dialect::Adapter;
use crate::{
    access::token::StoredToken,
    archive::{failed, sql, token},
    ports::{PortError, Tokens},
};

#[async_trait]
impl Tokens for Adapter {
    async fn add_token(&self, token: &StoredToken) -> Result<(), PortError> {
        const ACTION: &str = "keep a token";
        let mut writing = self.write(ACTION).await?;
        sqlx::query(sql::INSERT_TOKEN)
            .bind(&token.token.id)
            .bind(&token.hash)
            .bind(token.token.created_unix_ms)
            .bind(token::body(token))
            .execute(&mut *writing)
            .await
            .map_err(failed(ACTION))?;
        writing.commit().await
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
        let mut writing = self.write(ACTION).await?;
        let revoke = sqlx::query(sql::REVOKE_TOKEN).bind(id).bind(at_unix_ms);
        revoke.execute(&mut *writing).await.map_err(failed(ACTION))?;
        writing.commit().await?;
        self.token(id).await
    }
}
