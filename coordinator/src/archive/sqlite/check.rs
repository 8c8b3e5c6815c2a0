//! Whether what is stored is still what was stored.

use super::{
    super::{body_digest, failed, report},
    SqliteArchive,
};
use crate::ports::PortError;

/// Reports that are looked at in one step.
const AT_ONCE: i64 = 20;

/// What a look at one stored report came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The report.
    pub report_id: String,
    /// Whether a digest was kept with it: reports of earlier versions have none, and can only be read.
    pub known: bool,
    /// What is wrong with it.
    pub wrong: Option<String>,
}

impl SqliteArchive {
    /// Recomputes the digests of some stored reports after a number (0 at first), with the number to go on after; `None`
    /// behind the last.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub async fn check(&self, after: i64) -> Result<(Vec<Checked>, Option<i64>), PortError> {
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
