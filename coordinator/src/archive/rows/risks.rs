//! Accepted risks.

use async_trait::async_trait;
use prost::Message as _;
use strata_proto::v1::AcceptedRisk;

use super::super::dialect::Adapter;
use crate::{
    archive::{decode, failed, sql},
    ports::{PortError, Risks},
};

#[async_trait]
impl Risks for Adapter {
    async fn accept_risk(&self, risk: &AcceptedRisk) -> Result<(), PortError> {
        const ACTION: &str = "keep an accepted risk";
        let mut writing = self.write(ACTION).await?;
        let insert = sqlx::query(sql::INSERT_RISK).bind(&risk.id).bind(risk.encode_to_vec());
        insert.execute(&mut *writing).await.map_err(failed(ACTION))?;
        writing.commit().await
    }

    async fn accepted_risks(&self) -> Result<Vec<AcceptedRisk>, PortError> {
        const ACTION: &str = "list the accepted risks";
        let rows: Vec<(Vec<u8>, i64, String)> =
            sqlx::query_as(sql::RISKS).fetch_all(&self.pool).await.map_err(failed(ACTION))?;
        let risk = |(body, ended_unix_ms, ended_by): (Vec<u8>, i64, String)| {
            Ok(AcceptedRisk { ended_unix_ms, ended_by, ..decode(ACTION, &body)? })
        };
        rows.into_iter().map(risk).collect()
    }

    async fn end_risk(&self, id: &str, by: &str, at_unix_ms: i64) -> Result<Option<AcceptedRisk>, PortError> {
        const ACTION: &str = "end an accepted risk";
        let mut writing = self.write(ACTION).await?;
        let end = sqlx::query(sql::END_RISK).bind(id).bind(at_unix_ms).bind(by);
        end.execute(&mut *writing).await.map_err(failed(ACTION))?;
        writing.commit().await?;
        Ok(self.accepted_risks().await?.into_iter().find(|risk| risk.id == id))
    }
}
