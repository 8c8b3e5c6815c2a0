//! The archive in PostgreSQL, for a cluster.

mod forget;
mod known;
mod lead;
mod outlines;
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
    ScanRow, commit, decode_all, failed,
    fence::Fence,
    has_large_request, idempotency_key, refused, report, scan_body, scan_of, scans_of,
    search::{MOST_REFERENCES, PACKAGE, Search, VULNERABILITY, references, search},
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

/// The texts come in order, so that two transactions which index the same terms do not wait for each other.
async fn index_terms(
    transaction: &mut Transaction<'_, Postgres>,
    report: i64,
    kind: i64,
    texts: impl IntoIterator<Item = String>,
) -> Result<(), sqlx::Error> {
    let texts: Vec<String> = texts.into_iter().collect();
    sqlx::query("INSERT INTO terms (kind, text) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING")
        .bind(kind)
        .bind(&texts)
        .execute(&mut **transaction)
        .await?;
    sqlx::query(
        "INSERT INTO postings (term, report) SELECT id, $3 FROM terms WHERE kind = $1 AND text = ANY($2)
         ON CONFLICT DO NOTHING",
    )
    .bind(kind)
    .bind(&texts)
    .bind(report)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

#[async_trait]
impl Archive for PostgresArchive {
    async fn create_scan(&self, scan: &Scan) -> Result<Scan, PortError> {
        const ACTION: &str = "record a scan";
        let mut transaction = self.begin().await.map_err(failed(ACTION))?;
        let key = idempotency_key(scan);
        sqlx::query(sql::INSERT_SCAN)
            .bind(&scan.id)
            .bind(i64::from(scan.state))
            .bind(key)
            .bind(scan.encode_to_vec())
            .bind(&scan.database_digest)
            .bind(&scan.owner)
            .bind(commit(scan))
            .execute(&mut *transaction)
            .await
            .map_err(failed(ACTION))?;
        let (statement, value) = key.map_or((sql::SCAN, scan.id.as_str()), |key| (sql::SCAN_BY_KEY, key));
        let row: ScanRow = sqlx::query_as(statement)
            .bind(value)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed(ACTION))?;
        transaction.commit().await.map_err(failed(ACTION))?;
        scan_of(ACTION, row)
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
        const ACTION: &str = "store a report";
        let NewReport { id, report, .. } = new;
        let packed = report::pack(report).map_err(|error| refused(ACTION, error.to_string()))?;
        let summary = report::summary(&new).encode_to_vec();
        let mut transaction = self.begin().await.map_err(failed(ACTION))?;
        // What it refers to must not be forgotten meanwhile.
        let lock = sqlx::query("SELECT pg_advisory_xact_lock_shared($1)").bind(forget::LOCK);
        lock.execute(&mut *transaction).await.map_err(failed(ACTION))?;
        let inserted = sqlx::query(sql::INSERT_REPORT)
            .bind(id)
            .bind(&report.image_digest)
            .bind(new.stored_unix_ms)
            .bind(summary)
            .bind(packed)
            .bind(new.asked)
            .execute(&mut *transaction)
            .await
            .map_err(failed(ACTION))?;
        let number: i64 = sqlx::query_scalar(sql::REPORT_NUMBER)
            .bind(id)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed(ACTION))?;
        if inserted.rows_affected() > 0 {
            for (kind, texts) in
                [(VULNERABILITY, report::vulnerabilities(report)), (PACKAGE, report::packages(report))]
            {
                index_terms(&mut transaction, number, kind, texts).await.map_err(failed(ACTION))?;
            }
        }
        sqlx::query(
            "INSERT INTO report_references (report, scan, reference)
             SELECT $1, $2, unnest($3::text[]) ON CONFLICT DO NOTHING",
        )
        .bind(number)
        .bind(scan)
        .bind(references)
        .execute(&mut *transaction)
        .await
        .map_err(failed(ACTION))?;
        transaction.commit().await.map_err(failed(ACTION))
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
        const ACTION: &str = "search reports";
        let search = search(query, sight, "strpos");
        let mut statement = sqlx::query_scalar(AssertSqlSafe(search.sql));
        for text in search.texts {
            statement = statement.bind(text);
        }
        let bodies = self.bodies(ACTION, statement.bind(search.limit)).await?;
        let mut found: Vec<ReportSummary> = decode_all(ACTION, &bodies)?;
        for summary in &mut found {
            let shown = references(&summary.report_id, sight, MOST_REFERENCES);
            summary.references = self.texts(ACTION, shown).await?;
        }
        Ok(found)
    }
}
