//! Whether what is stored is still what was stored.

use async_trait::async_trait;
use prost::Message as _;
use strata_proto::v1::ReportSummary;

use super::super::dialect::Adapter;
use crate::{
    archive::{body_digest, content, failed, report},
    ports::{Check, Checked, PortError},
};

/// Reports that are looked at in one step.
const AT_ONCE: i64 = 20;

const ROW_IS_WRONG: &str = "its summary, its database or what it refers to is not what was stored";

/// Number, id, summary and seal of a report; key, body, questions and earlier digest of its content, where that is there.
type Row = (
    i64,
    String,
    Vec<u8>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<String>,
);

#[async_trait]
impl Check for Adapter {
    async fn check(&self, after: i64) -> Result<(Vec<Checked>, Option<i64>), PortError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT r.number, r.id, r.summary, r.seal, c.key, c.body, c.asked, c.body_digest FROM reports r
             LEFT JOIN contents c ON c.number = r.content WHERE r.number > $1 ORDER BY r.number LIMIT $2",
        )
        .bind(after)
        .bind(AT_ONCE)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("check the stored reports"))?;
        let next = rows.last().map(|(number, ..)| *number);
        let checked = rows.into_iter().map(|(_, report_id, summary, seal, key, body, asked, digest)| {
            let digest = digest.unwrap_or_default();
            let known = key.is_some() || !digest.is_empty();
            let wrong = body.map_or_else(
                || Some("what it says is gone".to_owned()),
                |body| content_is_wrong(key.as_deref(), &digest, &body, asked.as_deref()),
            );
            let content = key.as_deref().unwrap_or(digest.as_bytes());
            let wrong = wrong.or_else(|| {
                row_is_wrong(&report_id, &summary, seal.as_deref(), content).then(|| ROW_IS_WRONG.to_owned())
            });
            Checked { report_id, known, wrong }
        });
        Ok((checked.collect(), next))
    }
}

/// Whether the bytes of a content are other ones than were stored.
fn content_is_wrong(key: Option<&[u8]>, digest: &str, body: &[u8], asked: Option<&[u8]>) -> Option<String> {
    let changed = match key {
        Some(key) => key != strata_proto::content::key(body, asked.unwrap_or_default()),
        // As earlier versions kept it.
        None => !digest.is_empty() && digest != body_digest(body),
    };
    if changed {
        return Some("its bytes are not those that were stored".to_owned());
    }
    report::unpack(body).err().map(|error| format!("failed to {error}"))
}

/// Whether a report's row is another one than was stored, or refers to another content.
fn row_is_wrong(id: &str, summary: &[u8], seal: Option<&[u8]>, content: &[u8]) -> bool {
    let named = ReportSummary::decode(summary).is_ok_and(|summary| summary.report_id == id);
    !named || seal.is_some_and(|seal| seal != content::seal(content, summary))
}
