//! The archive in PostgreSQL, for a cluster.

mod forget;
mod known;
mod lead;
mod outlines;
mod put;
mod submitted;
mod tokens;

use std::{str::FromStr as _, time::Duration};

use async_trait::async_trait;
use prost::Message as _;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgPool, Postgres, Transaction,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use strata_proto::v1::{Event, Report, ReportSummary, Scan, ScanState, SearchReportsRequest};

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

const CONNECT: Duration = Duration::from_secs(5);
const CONNECTIONS: u32 = 16;
static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// An archive in a database.
pub struct PostgresArchive {
    pool: PgPool,
    fence: Fence,
}

impl PostgresArchive {
    /// Connects and brings the tables up to date.
    ///
    /// # Errors
    /// When the URL is malformed, the server cannot be reached or refuses, or a newer version wrote the tables.
    pub async fn connect(url: &str) -> Result<Self, PortError> {
        const ACTION: &str = "connect to the archive";
        let options = PgConnectOptions::from_str(url).map_err(failed(ACTION))?;
        let wrong = |error: &dyn std::fmt::Display| {
            refused(ACTION, format!("PostgreSQL at {}:{}: {error}", options.get_host(), options.get_port()))
        };
        // A pool would report a server that refuses as a pool that is exhausted.
        let first = tokio::time::timeout(CONNECT, options.connect()).await;
        let first = first.map_err(|error| wrong(&error))?.map_err(|error| wrong(&error))?;
        first.close().await.map_err(|error| wrong(&error))?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT)
            .connect_with(options.clone())
            .await
            .map_err(|error| wrong(&error))?;
        MIGRATIONS.run(&pool).await.map_err(|error| wrong(&error))?;
        Ok(Self { pool, fence: Fence::default() })
    }

    /// Closes all connections. Dropping does the same, later.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
        self.pool.begin().await
    }

    /// What is referred to in this transaction must not be forgotten meanwhile.
    async fn share(
        &self,
        action: &'static str,
        transaction: &mut Transaction<'_, Postgres>,
    ) -> Result<(), PortError> {
        let lock = sqlx::query("SELECT pg_advisory_xact_lock_shared($1)").bind(forget::LOCK);
        lock.execute(&mut **transaction).await.map_err(failed(action))?;
        Ok(())
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
        query: sqlx::query::QueryScalar<'_, Postgres, Vec<u8>, sqlx::postgres::PgArguments>,
    ) -> Result<Vec<Vec<u8>>, PortError> {
        query.fetch_all(&self.pool).await.map_err(failed(action))
    }
}

#[async_trait]
impl Archive for PostgresArchive {
    async fn create_scan(&self, scan: &Scan) -> Result<Scan, PortError> {
        const ACTION: &str = "record a scan";
        let mut transaction = self.begin().await.map_err(failed(ACTION))?;
        let recorded = put::scan(ACTION, &mut transaction, scan).await?;
        transaction.commit().await.map_err(failed(ACTION))?;
        Ok(recorded)
    }

    async fn update_scan(&self, scan: &Scan) -> Result<(), PortError> {
        const ACTION: &str = "update a scan";
        let mut transaction = self.begin().await.map_err(failed(ACTION))?;
        self.hold(ACTION, &mut transaction).await?;
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
        let mut transaction = self.begin().await.map_err(failed(ACTION))?;
        self.hold(ACTION, &mut transaction).await?;
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
