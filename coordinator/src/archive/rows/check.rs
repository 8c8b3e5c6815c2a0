//! Whether what is stored is still what was stored.

use async_trait::async_trait;

use super::super::dialect::Adapter;
use crate::{
    archive::{body_digest, failed, report},
    ports::{Check, Checked, PortError},
};

/// Reports that are looked at in one step.
const AT_ONCE: i64 = 20;

#[async_trait]
impl Check for Adapter {
    async fn check(&self, after: i64) -> Result<(Vec<Checked>, Option<i64>), PortError> {
        let rows: Vec<(i64, String, String, Vec<u8>)> = sqlx::query_as(
            "SELECT number, id, body_digest, body FROM reports WHERE number > $1 ORDER BY number LIMIT $2",
        )
        .bind(after)
        .bind(AT_ONCE)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("check the stored reports"))?;
        let next = rows.last().map(|(number, ..)| *number);
        let checked = rows.into_iter().map(|(_, report_id, digest, body)| {
            let wrong = if !digest.is_empty() && digest != body_digest(&body) {
                Some("its bytes are not those that were stored".to_owned())
            } else {
                report::unpack(&body).err().map(|error| format!("failed to {error}"))
            };
            Checked { report_id, known: !digest.is_empty(), wrong }
        });
        Ok((checked.collect(), next))
    }
}
