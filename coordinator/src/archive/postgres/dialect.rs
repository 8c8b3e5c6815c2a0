//! What differs in PostgreSQL: its types, how texts are handed over as one value, and which locks a transaction takes.

use std::ops::{Deref, DerefMut};

use sqlx::{PgConnection, Postgres, Transaction};

use super::{
    super::{failed, fence, search::Words, sql},
    many,
};
use crate::ports::PortError;

pub(super) use super::{
    PostgresArchive as Adapter,
    many::{
        EventRow, drop_postings, insert_contents, insert_events, insert_lists, insert_names, insert_postings,
        insert_reports, name_reports,
    },
};
pub(super) use sqlx::{PgConnection as Connection, Postgres as Database, postgres::PgArguments as Arguments};

/// Takes the lock that keeps reports from being stored while others go: a report and its terms are looked for and written
/// in several statements, between which nothing of them may disappear. The first is one message with the transaction's beginning.
const REFER: &str = "BEGIN; SELECT pg_advisory_xact_lock_shared(91759600301153)";
/// As [`REFER`], for what is worth nothing without the event that follows: the log is written in order, so that the event's
/// transaction, which waits for the disk, waits for this one too.
const REFER_FOLLOWED: &str =
    "BEGIN; SET LOCAL synchronous_commit TO off; SELECT pg_advisory_xact_lock_shared(91759600301153)";
/// As [`sql::UPDATE_SCAN`], as long as the term `$4` lasts, and whether it does: until the statement's end nobody takes it over.
const UPDATE_SCAN_OF_TERM: &str = "WITH
     held AS MATERIALIZED (SELECT term FROM leads WHERE name = 'coordinator' AND term = $4 FOR SHARE),
     updated AS (UPDATE scans SET state = $2, body = $3 WHERE id = $1 AND (state = 1 OR $2 <> 1)
                 AND EXISTS (SELECT 1 FROM held))
     SELECT EXISTS (SELECT 1 FROM held)";
const FORGET: &str = "SELECT pg_advisory_xact_lock(91759600301153)";

/// Texts that a statement gathered.
pub(super) type Texts = Vec<String>;

/// What searches say otherwise.
pub(super) const WORDS: Words = Words { contains: "strpos", gathered: |select| format!("ARRAY({select})") };
/// Ids and numbers of the reports `$1`.
pub(super) const NUMBERS: &str = "SELECT id, number FROM reports WHERE id = ANY($1)";
/// Those of the reports `$1` whose image others wait for.
pub(super) const AWAITED: &str = "SELECT r.id FROM reports r WHERE r.id = ANY($1) AND r.config_digest <> ''
     AND EXISTS (SELECT 1 FROM waiting w WHERE w.config_digest = r.config_digest)
     AND NOT EXISTS (SELECT 1 FROM waiting o WHERE o.report = r.number)";
/// Summaries of the reports `$1`.
pub(super) const SUMMARIES: &str = "SELECT summary FROM reports WHERE id = ANY($1)";
/// Of the reports `$1` what a copy takes over.
pub(super) const ORIGINALS: &str =
    "SELECT r.id, r.image_digest, r.config_digest, r.summary, c.key, c.body_digest,
     r.content, r.vulnerabilities, r.packages FROM reports r JOIN contents c ON c.number = r.content
     WHERE r.id = ANY($1) AND c.asked IS NOT NULL";
/// Summaries of the reports `$1` of which it is known what they asked, and that.
pub(super) const ASKED: &str =
    "SELECT r.summary, c.asked FROM reports r JOIN contents c ON c.number = r.content
     WHERE r.id = ANY($1) AND c.asked IS NOT NULL";

/// Scans of the ids `$1`, as [`super::super::ScanRow`]s.
pub(super) const SCANS: &str = "SELECT s.body, q.body FROM scans s
     LEFT JOIN requests q ON q.scan = s.id WHERE s.id = ANY($1)";

/// What was gathered.
#[expect(clippy::unnecessary_wraps, reason = "the other database's may be damaged")]
pub(super) fn texts(_: &'static str, gathered: Texts) -> Result<Vec<String>, PortError> {
    Ok(gathered)
}

/// Texts as one value.
pub(super) fn list<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    texts.into_iter().cloned().collect()
}

/// A transaction that writes. Without [`Writing::commit`] nothing was done.
pub(super) struct Writing<'a> {
    transaction: Transaction<'a, Postgres>,
    action: &'static str,
}

impl Writing<'_> {
    pub(super) async fn commit(self) -> Result<(), PortError> {
        self.transaction.commit().await.map_err(failed(self.action))
    }
}

impl Deref for Writing<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}

impl Adapter {
    pub(super) async fn write(&self, action: &'static str) -> Result<Writing<'_>, PortError> {
        let transaction = self.writers.begin().await.map_err(failed(action))?;
        Ok(Writing { transaction, action })
    }

    /// As [`Self::write`], for a coordinator that leads: an error when it does no longer.
    pub(super) async fn write_led(&self, action: &'static str) -> Result<Writing<'_>, PortError> {
        let mut writing = self.write(action).await?;
        self.hold(action, &mut writing).await?;
        Ok(writing)
    }

    /// As [`Self::write`]: nothing that is referred to is forgotten meanwhile.
    pub(super) async fn write_referring(&self, action: &'static str) -> Result<Writing<'_>, PortError> {
        let transaction = self.writers.begin_with(REFER).await.map_err(failed(action))?;
        Ok(Writing { transaction, action })
    }

    /// As [`Self::write_referring`], where an event follows before anybody relies on what is written.
    pub(super) async fn write_followed(&self, action: &'static str) -> Result<Writing<'_>, PortError> {
        let transaction = self.writers.begin_with(REFER_FOLLOWED).await.map_err(failed(action))?;
        Ok(Writing { transaction, action })
    }

    /// As [`Self::write_led`]: nothing is referred to meanwhile.
    pub(super) async fn write_forgetting(&self, action: &'static str) -> Result<Writing<'_>, PortError> {
        let mut writing = self.write_led(action).await?;
        sqlx::query(FORGET).execute(&mut *writing).await.map_err(failed(action))?;
        Ok(writing)
    }

    /// Updates the row of a scan (id, state, body) for a coordinator that leads, in one statement; an error when it does no longer.
    pub(super) async fn update_led(
        &self,
        action: &'static str,
        (id, state, body): (&str, i64, Vec<u8>),
    ) -> Result<(), PortError> {
        let Some(term) = self.fence.term() else {
            let update = sqlx::query(sql::UPDATE_SCAN).bind(id).bind(state).bind(body);
            return update.execute(&self.writers).await.map(drop).map_err(failed(action));
        };
        let update = sqlx::query_scalar(UPDATE_SCAN_OF_TERM).bind(id).bind(state).bind(body).bind(term);
        let led: bool = update.fetch_one(&self.writers).await.map_err(failed(action))?;
        if led { Ok(()) } else { Err(fence::over(action)) }
    }

    /// Appends the events of a coordinator that leads, in one statement where that is enough; an error when it does no longer.
    pub(super) async fn append_led(
        &self,
        action: &'static str,
        rows: &[EventRow<'_>],
    ) -> Result<(), PortError> {
        if let Some(term) = self.fence.term()
            && rows.len() <= many::ROWS
        {
            let led = many::insert_events_of_term(&self.writers, rows, term).await.map_err(failed(action))?;
            return if led { Ok(()) } else { Err(fence::over(action)) };
        }
        let mut writing = self.write_led(action).await?;
        insert_events(&mut writing, rows).await.map_err(failed(action))?;
        writing.commit().await
    }
}
