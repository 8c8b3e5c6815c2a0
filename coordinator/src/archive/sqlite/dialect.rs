//! What differs in SQLite: its types, how texts are handed over as one value, and who may write when.

use std::ops::{Deref, DerefMut};

use sqlx::{Sqlite, SqliteConnection, Transaction};
use tokio::sync::MutexGuard;

use super::super::{failed, refused, search::Words};
use crate::ports::PortError;

pub(super) use super::SqliteArchive as Adapter;
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
/// Names the report `$1` in the scan `$2` so: `$3`.
pub(super) const INSERT_REFERENCES: &str = "INSERT INTO report_references (report, scan, reference)
     SELECT $1, $2, value FROM json_each($3) WHERE true ON CONFLICT DO NOTHING";
/// The terms `$2` of the kind `$1`.
pub(super) const INSERT_TERMS: &str =
    "INSERT INTO terms (kind, text) SELECT $1, value FROM json_each($2) WHERE true ON CONFLICT DO NOTHING";
/// Lists the report `$3` under the terms `$2` of the kind `$1`. CROSS keeps the report's texts as the outer loop: the other way
/// round each costs a walk over all terms there are.
pub(super) const INSERT_POSTINGS: &str =
    "INSERT INTO postings (term, report) SELECT t.id, $3 FROM json_each($2) j
     CROSS JOIN terms t ON t.kind = $1 AND t.text = j.value WHERE true ON CONFLICT DO NOTHING";
/// Summaries of the reports `$1`.
pub(super) const SUMMARIES: &str =
    "SELECT r.summary FROM json_each($1) j CROSS JOIN reports r ON r.id = j.value";
/// Summaries of the reports `$1` of which it is known what they asked, and that.
pub(super) const ASKED: &str = "SELECT r.summary, r.asked FROM json_each($1) j
     CROSS JOIN reports r ON r.id = j.value WHERE r.asked IS NOT NULL";

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

    /// As [`Self::write_led`]: nothing is referred to meanwhile, because there is one writer.
    pub(super) async fn write_forgetting(&self, action: &'static str) -> Result<Writing<'_>, PortError> {
        self.write_led(action).await
    }
}
