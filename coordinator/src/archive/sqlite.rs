//! The archive in a SQLite file: write-ahead log, several processes at once, one writer at a time.

mod check;
mod forget;
mod known;
mod lead;
mod outlines;
mod put;
mod submitted;
mod tokens;

use std::{path::Path, time::Duration};

pub use self::check::Checked;
use async_trait::async_trait;
use prost::Message as _;
use sqlx::{
    AssertSqlSafe, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use strata_proto::v1::{Event, Report, ReportSummary, Scan, ScanState, SearchReportsRequest};
use tokio::sync::Mutex;

use super::{
    ScanRow, decode_all, failed,
    fence::Fence,
    has_large_request, refused, report, scan_body, scan_of, scans_of,
    search::{Search, references},
    sequence, sql,
};
use crate::{
    access::sight::Sight,
    ports::{Archive, NewReport, PortError},
};

/// How long a statement waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(20);
const MIGRATIONS: [&str; 8] = [
    include_str!("../../migrations/sqlite/0001_archive.sql"),
    include_str!("../../migrations/sqlite/0002_databases.sql"),
    include_str!("../../migrations/sqlite/0003_lead.sql"),
    include_str!("../../migrations/sqlite/0004_tokens.sql"),
    include_str!("../../migrations/sqlite/0005_retention.sql"),
    include_str!("../../migrations/sqlite/0006_sources.sql"),
    include_str!("../../migrations/sqlite/0007_outlines.sql"),
    include_str!("../../migrations/sqlite/0008_submitted.sql"),
];

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
        switch_to_wal(&options).await.map_err(wrong)?;
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(BUSY)
            .connect_with(options)
            .await
            .map_err(wrong)?;
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
            sqlx::raw_sql(*migration).execute(&mut *transaction).await.map_err(text)?;
            let pragma = format!("PRAGMA user_version = {}", number + 1);
            sqlx::raw_sql(AssertSqlSafe(pragma)).execute(&mut *transaction).await.map_err(text)?;
        }
        transaction.commit().await.map_err(text)
    }

    async fn begin(&self) -> Result<Transaction<'_, Sqlite>, sqlx::Error> {
        self.pool.begin_with("BEGIN IMMEDIATE").await
    }

    async fn texts(&self, action: &'static str, search: Search) -> Result<Vec<String>, PortError> {
        let mut statement = sqlx::query_scalar(AssertSqlSafe(search.sql));
        for text in search.texts {
            statement = statement.bind(text);
        }
        statement.bind(search.limit).fetch_all(&self.pool).await.map_err(failed(action))
    }

    async fn bodies(
        &self,
        action: &'static str,
        query: sqlx::query::QueryScalar<'_, Sqlite, Vec<u8>, sqlx::sqlite::SqliteArguments>,
    ) -> Result<Vec<Vec<u8>>, PortError> {
        query.fetch_all(&self.pool).await.map_err(failed(action))
    }
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

#[async_trait]
impl Archive for SqliteArchive {
    async fn create_scan(&self, scan: &Scan) -> Result<Scan, PortError> {
        const ACTION: &str = "record a scan";
        let _writer = self.writer.lock().await;
        let mut transaction = self.begin().await.map_err(failed(ACTION))?;
        let recorded = put::scan(ACTION, &mut transaction, scan).await?;
        transaction.commit().await.map_err(failed(ACTION))?;
        Ok(recorded)
    }

    async fn update_scan(&self, scan: &Scan) -> Result<(), PortError> {
        const ACTION: &str = "update a scan";
        let _writer = self.writer.lock().await;
        let mut transaction = self.begin().await.map_err(failed(ACTION))?;
        self.hold(ACTION, &mut *transaction).await?;
        let large = has_large_request(scan);
        if large {
            let keep = sqlx::query(sql::KEEP_REQUEST).bind(&scan.id);
            keep.execute(&mut *transaction).await.map_err(failed(ACTION))?;
        }
        sqlx::query(sql::UPDATE_SCAN)
            .bind(&scan.id)
            .bind(i64::from(scan.state))
            .bind(scan_body(scan, large))
            .execute(&mut *transaction)
            .await
            .map_err(failed(ACTION))?;
        transaction.commit().await.map_err(failed(ACTION))
    }

    async fn scan(&self, id: &str) -> Result<Option<Scan>, PortError> {
        const ACTION: &str = "read a scan";
        let row: Option<ScanRow> =
            sqlx::query_as(sql::SCAN).bind(id).fetch_optional(&self.pool).await.map_err(failed(ACTION))?;
        row.map(|row| scan_of(ACTION, row)).transpose()
    }

    async fn scans(&self, limit: u32, before: &str) -> Result<Vec<Scan>, PortError> {
        const ACTION: &str = "list scans";
        let query = sqlx::query_as(sql::SCANS).bind(before).bind(i64::from(limit));
        scans_of(ACTION, query.fetch_all(&self.pool).await)
    }

    async fn running(&self) -> Result<Vec<Scan>, PortError> {
        const ACTION: &str = "list running scans";
        let query = sqlx::query_as(sql::SCANS_IN_STATE).bind(i64::from(i32::from(ScanState::Running)));
        scans_of(ACTION, query.fetch_all(&self.pool).await)
    }

    async fn pinned(&self) -> Result<Vec<String>, PortError> {
        sqlx::query_scalar(sql::PINNED)
            .bind(i64::from(i32::from(ScanState::Running)))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("list the databases of running scans"))
    }

    async fn append(&self, events: &[Event]) -> Result<(), PortError> {
        const ACTION: &str = "append events";
        let _writer = self.writer.lock().await;
        let mut transaction = self.begin().await.map_err(failed(ACTION))?;
        self.hold(ACTION, &mut *transaction).await?;
        for event in events {
            sqlx::query(sql::INSERT_EVENT)
                .bind(&event.scan_id)
                .bind(sequence(ACTION, event)?)
                .bind(event.encode_to_vec())
                .execute(&mut *transaction)
                .await
                .map_err(failed(ACTION))?;
        }
        transaction.commit().await.map_err(failed(ACTION))
    }

    async fn events(&self, scan: &str, after: u64, limit: u32) -> Result<Vec<Event>, PortError> {
        const ACTION: &str = "read events";
        let Ok(after) = i64::try_from(after) else { return Ok(Vec::new()) };
        let query = sqlx::query_scalar(sql::EVENTS).bind(scan.to_owned()).bind(after).bind(i64::from(limit));
        decode_all(ACTION, &self.bodies(ACTION, query).await?)
    }

    async fn put_report(
        &self,
        new: NewReport<'_>,
        scan: &str,
        references: &[String],
    ) -> Result<(), PortError> {
        self.put(&put::Row { new, scan, references }).await
    }

    async fn add_references(&self, id: &str, scan: &str, references: &[String]) -> Result<bool, PortError> {
        self.refer(id, scan, references).await
    }

    async fn known_reports(&self, ids: &[String]) -> Result<Vec<ReportSummary>, PortError> {
        self.known(ids).await
    }

    async fn report(&self, id: &str) -> Result<Option<Report>, PortError> {
        const ACTION: &str = "read a report";
        let body: Option<Vec<u8>> = sqlx::query_scalar(sql::REPORT)
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed(ACTION))?;
        let unpack =
            |body: Vec<u8>| report::unpack(&body).map_err(|error| refused(ACTION, error.to_string()));
        body.map(unpack).transpose()
    }

    async fn shows_report(&self, id: &str, sight: &Sight) -> Result<bool, PortError> {
        Ok(!self.texts("look for a report", references(id, sight, 1)).await?.is_empty())
    }

    async fn search(
        &self,
        query: &SearchReportsRequest,
        sight: &Sight,
    ) -> Result<Vec<ReportSummary>, PortError> {
        self.find(query, sight).await
    }
}
