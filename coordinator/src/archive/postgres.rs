//! The archive in PostgreSQL, for a cluster.

mod dialect;
mod lead;
mod many;
#[expect(clippy::duplicate_mod, reason = "one source for both databases, each with its dialect")]
#[path = "rows.rs"]
mod rows;

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{failed, fence::Fence, refused};
use crate::ports::PortError;

const CONNECT: Duration = Duration::from_secs(5);
const CONNECTIONS: u32 = 10;
/// A pool takes its connections in turn, and each has its own plans and its own view of the server's memory to warm up: what is
/// written all the time keeps to few.
const WRITERS: u32 = 6;
/// A connection that nobody used for so long is tried before it is used. One that broke within this fails what it is used for, and
/// is not used again.
const IDLE: Duration = Duration::from_secs(1);
static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// An archive in a database.
pub struct PostgresArchive {
    pool: PgPool,
    writers: PgPool,
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
        let pool = pool(CONNECTIONS).connect_with(options.clone()).await.map_err(|error| wrong(&error))?;
        MIGRATIONS.run(&pool).await.map_err(|error| wrong(&error))?;
        let writers = self::pool(WRITERS).connect_lazy_with(options.clone());
        Ok(Self { pool, writers, fence: Fence::default() })
    }

    /// Closes all connections. Dropping does the same, later.
    pub async fn close(&self) {
        self.pool.close().await;
        self.writers.close().await;
    }
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT)
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for >= IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}
