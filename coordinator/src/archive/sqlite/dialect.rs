//! What differs in SQLite: its types, how texts are handed over as one value, and who may write when.

use std::ops::{Deref, DerefMut};

use sqlx::{Sqlite, SqliteConnection, Transaction};
use tokio::sync::MutexGuard;

use super::super::{failed, refused, search::Words, sql};
use crate::ports::PortError;

pub(super) use super::{
    SqliteArchive as Adapter,
    many::{
        EventRow, drop_postings, insert_contents, insert_events, insert_lists, insert_names, insert_postings,
        insert_reports, name_reports,
    },
};
pub(super) use sqlx::{
    Sqlite as Database, SqliteConnection as Connection, sqlite::SqliteArguments as Arguments,
};

/// Texts that a statement gathered: in JSON.
pub(super) type Texts = String;

/// What searches say otherwise.
pub(super) const WORDS: Words = Words {
    contains: "instr",
    gathered: |select| format!("(SELECT json_group_array(value) FROM ({select}))"),
};
/// Ids and numbers of the reports `$1`.
pub(super) const NUMBERS: &str =
    "SELECT r.id, r.number FROM json_each($1) j CROSS JOIN reports r ON r.id = j.value";
/// Those of the reports `$1` whose image others wait for.
pub(super) const AWAITED: &str = "SELECT r.id FROM json_each($1) j CROSS JOIN reports r ON r.id = j.value
     WHERE r.config_digest <> '' AND EXISTS (SELECT 1 FROM waiting w WHERE w.config_digest = r.config_digest)
     AND NOT EXISTS (SELECT 1 FROM waiting o WHERE o.report = r.number)";
/// Summaries of the reports `$1`.
pub(super) const SUMMARIES: &str =
    "SELECT r.summary FROM json_each($1) j CROSS JOIN reports r ON r.id = j.value";
/// Of the reports `$1` what a copy takes over.
pub(super) const ORIGINALS: &str =
    "SELECT r.id, r.image_digest, r.config_digest, r.summary, c.key, c.body_digest,
     r.content, r.vulnerabilities, r.packages FROM json_each($1) j CROSS JOIN reports r ON r.id = j.value
     CROSS JOIN contents c ON c.number = r.content WHERE c.asked IS NOT NULL";
/// Summaries of the reports `$1` of which it is known what they asked, and that.
pub(super) const ASKED: &str = "SELECT r.summary, c.asked FROM json_each($1) j
     CROSS JOIN reports r ON r.id = j.value CROSS JOIN contents c ON c.number = r.content WHERE c.asked IS NOT NULL";

/// Scans of the ids `$1`, as [`super::super::ScanRow`]s.
pub(super) const SCANS: &str =
    "SELECT s.body, q.body FROM json_each($1) j CROSS JOIN scans s ON s.id = j.value
     LEFT JOIN requests q ON q.scan = s.id";

/// What was gathered.
pub(super) fn texts(action: &'static str, gathered: Texts) -> Result<Vec<String>, PortError> {
    serde_json::from_str(&gathered).map_err(|error| refused(action, error.to_string()))
}

/// Texts as one value.
pub(super) fn list<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    serde_json::Value::from_iter(texts.into_iter().map(String::as_str)).to_string()
}

/// A transaction that writes, and the place in this process's queue of writers. Without [`Writing::commit`] nothing was done.
pub(super) struct Writing<'a> {
    transaction: Transaction<'a, Sqlite>,
    _writer: MutexGuard<'a, ()>,
    action: &'static str,
}

impl Writing<'_> {
    pub(super) async fn commit(self) -> Result<(), PortError> {
        self.transaction.commit().await.map_err(failed(self.action))
    }
}

impl Deref for Writing<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.transaction
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

impl Adapter {
    pub(super) async fn write(&self, action: &'static str) -> Result<Writing<'_>, PortError> {
        let writer = self.writer.lock().await;
        let transaction = self.begin().await.map_err(failed(action))?;
        Ok(Writing { transaction, _writer: writer, action })
    }

    /// As [`Self::write`], for a coordinator that leads: an error when it does no longer.
    pub(super) async fn write_led(&self, action: &'static str) -> Result<Writing<'_>, PortError> {
        let mut writing = self.write(action).await?;
        self.hold(action, &mut writing).await?;
        Ok(writing)
    }

    /// As [`Self::write`]: nothing that is referred to is forgotten meanwhile, because there is one writer.
    pub(super) async fn write_referring(&self, action: &'static str) -> Result<Writing<'_>, PortError> {
        self.write(action).await
    }

    /// As [`Self::write_referring`]: one log has all that is written, in order.
    pub(super) async fn write_followed(&self, action: &'static str) -> Result<Writing<'_>, PortError> {
        self.write(action).await
    }

    /// As [`Self::write_led`]: nothing is referred to meanwhile, because there is one writer.
    pub(super) async fn write_forgetting(&self, action: &'static str) -> Result<Writing<'_>, PortError> {
        self.write_led(action).await
    }

    /// Updates the row of a scan (id, state, body) for a coordinator that leads; an error when it does no longer.
    pub(super) async fn update_led(
        &self,
        action: &'static str,
        (id, state, body): (&str, i64, Vec<u8>),
    ) -> Result<(), PortError> {
        let mut writing = self.write_led(action).await?;
        let update = sqlx::query(sql::UPDATE_SCAN).bind(id).bind(state).bind(body);
        update.execute(&mut *writing).await.map_err(failed(action))?;
        writing.commit().await
    }

    /// Appends the events of a coordinator that leads; an error when it does no longer.
    pub(super) async fn append_led(
        &self,
        action: &'static str,
        rows: &[EventRow<'_>],
    ) -> Result<(), PortError> {
        let mut writing = self.write_led(action).await?;
        insert_events(&mut writing, rows).await.map_err(failed(action))?;
        writing.commit().await
    }
}
