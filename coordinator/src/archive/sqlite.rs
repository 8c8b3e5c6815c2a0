//! The archive in a SQLite file: write-ahead log, several processes at once, one writer at a time.

mod dialect;
mod lead;
mod many;
#[expect(clippy::duplicate_mod, reason = "one source for both databases, each with its dialect")]
#[path = "rows.rs"]
mod rows;

use std::{path::Path, time::Duration};

use sqlx::{
    AssertSqlSafe, Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use strata_proto::content::{self, Kind};
use tokio::sync::Mutex;

use super::{fence::Fence, refused};
use crate::ports::PortError;

/// How long a statement waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(20);
const MIGRATIONS: [&str; 12] = [
    include_str!("../../migrations/sqlite/0001_archive.sql"),
    include_str!("../../migrations/sqlite/0002_databases.sql"),
    include_str!("../../migrations/sqlite/0003_lead.sql"),
    include_str!("../../migrations/sqlite/0004_tokens.sql"),
    include_str!("../../migrations/sqlite/0005_retention.sql"),
    include_str!("../../migrations/sqlite/0006_sources.sql"),
    include_str!("../../migrations/sqlite/0007_outlines.sql"),
    include_str!("../../migrations/sqlite/0008_submitted.sql"),
    include_str!("../../migrations/sqlite/0009_holds.sql"),
    include_str!("../../migrations/sqlite/0010_tags.sql"),
    include_str!("../../migrations/sqlite/0011_contents.sql"),
    include_str!("../../migrations/sqlite/0012_terms.sql"),
];
/// The migration that needs [`number_terms`]: SQLite makes no digests.
const NUMBERS_TERMS: usize = 11;

/// An archive in a file.
pub struct SqliteArchive {
    pool: SqlitePool,
    /// Writers of this process queue here rather than in SQLite, whose waiting is not fair.
    writer: Mutex<()>,
    fence: Fence,
}

impl SqliteArchive {
    /// Opens or makes the file and brings its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, is no archive, or was written by a newer version.
    pub async fn open(file: &Path) -> Result<Self, PortError> {
        const ACTION: &str = "open the archive";
        let wrong = |error: sqlx::Error| refused(ACTION, format!("{}: {error}", file.display()));
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .busy_timeout(BUSY)
            .synchronous(SqliteSynchronous::Normal);
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(BUSY)
            .connect_with(options.clone())
            .await
            .map_err(wrong)?;
        if !is_in_wal(&pool).await {
            switch_to_wal(&options).await.map_err(wrong)?;
        }
        let archive = Self { pool, writer: Mutex::new(()), fence: Fence::default() };
        archive.migrate().await.map_err(|reason| refused(ACTION, format!("{}: {reason}", file.display())))?;
        Ok(archive)
    }

    /// Closes the file. Dropping does the same, later.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Inside one transaction, so that of several processes which start at once one does the work.
    async fn migrate(&self) -> Result<(), String> {
        let text = |error: sqlx::Error| error.to_string();
        let mut transaction = self.begin().await.map_err(text)?;
        let version: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(text)?;
        let version = usize::try_from(version).unwrap_or(usize::MAX);
        if version > MIGRATIONS.len() {
            return Err(format!("a newer version of Strata wrote it (tables {version})"));
        }
        for (number, migration) in MIGRATIONS.iter().enumerate().skip(version) {
            if number == NUMBERS_TERMS {
                number_terms(&mut transaction).await.map_err(text)?;
            }
            sqlx::raw_sql(*migration).execute(&mut *transaction).await.map_err(text)?;
            let pragma = format!("PRAGMA user_version = {}", number + 1);
            sqlx::raw_sql(AssertSqlSafe(pragma)).execute(&mut *transaction).await.map_err(text)?;
        }
        transaction.commit().await.map_err(text)
    }

    async fn begin(&self) -> Result<Transaction<'_, Sqlite>, sqlx::Error> {
        self.pool.begin_with("BEGIN IMMEDIATE").await
    }
}

/// Gives every text that reports are found by its number, in a table of its own.
async fn number_terms(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    const AT_ONCE: i64 = 10_000;
    sqlx::raw_sql("CREATE TABLE term_numbers (id INTEGER PRIMARY KEY, term INTEGER NOT NULL)")
        .execute(&mut *connection)
        .await?;
    let mut after = i64::MIN;
    loop {
        let terms: Vec<(i64, i64, String)> =
            sqlx::query_as("SELECT id, kind, text FROM terms WHERE id > $1 ORDER BY id LIMIT $2")
                .bind(after)
                .bind(AT_ONCE)
                .fetch_all(&mut *connection)
                .await?;
        let Some((last, ..)) = terms.last() else { return Ok(()) };
        after = *last;
        for (id, kind, text) in &terms {
            let kind = if *kind == 1 { Kind::Vulnerability } else { Kind::Package };
            sqlx::query("INSERT INTO term_numbers (id, term) VALUES ($1, $2)")
                .bind(id)
                .bind(content::term(kind, text))
                .execute(&mut *connection)
                .await?;
        }
    }
}

/// A file stays in that mode: only the first one to open it has to switch.
async fn is_in_wal(pool: &SqlitePool) -> bool {
    let mode = sqlx::query_scalar::<_, String>("PRAGMA journal_mode").fetch_one(pool).await;
    mode.is_ok_and(|mode| mode.eq_ignore_ascii_case("wal"))
}

/// Another process may be switching at the same time, for which SQLite does not wait.
async fn switch_to_wal(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    use sqlx::{ConnectOptions as _, Connection as _};
    const TRIES: u32 = 50;
    let options = options.clone().journal_mode(SqliteJournalMode::Wal);
    let mut tried = 0;
    loop {
        match options.connect().await {
            Ok(connection) => return connection.close().await,
            Err(error) if tried < TRIES && is_busy(&error) => tried += 1,
            Err(error) => return Err(error),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    // SQLITE_BUSY and its extended codes (sqlite.org, result codes).
    let code =
        error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}
