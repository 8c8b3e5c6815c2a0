//! Adapters of the archive: SQLite and PostgreSQL. One conformance suite holds for both.
//!
//! * [`sqlite`]: a file, for one machine; several processes may use it at once.
//! * [`postgres`]: for a cluster.
//! * [`report`]: how reports are compressed, summed up and found.

pub mod postgres;
pub mod report;
pub mod sqlite;

mod fence;
mod search;
mod token;

use prost::Message;
use strata_proto::v1::{Event, Scan};

use crate::ports::PortError;

/// Statements that both databases understand. Both take `$1`; conflicts mean that the same was written before.
mod sql {
    pub(super) const INSERT_SCAN: &str =
        "INSERT INTO scans (id, state, idempotency_key, body, database_digest, owner)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    pub(super) const SCAN: &str = "SELECT body FROM scans WHERE id = $1";
    pub(super) const SCAN_BY_KEY: &str = "SELECT body FROM scans WHERE idempotency_key = $1";
    pub(super) const UPDATE_SCAN: &str = "UPDATE scans SET state = $2, body = $3 WHERE id = $1";
    pub(super) const SCANS: &str =
        "SELECT body FROM scans WHERE ($1 = '' OR id < $1) ORDER BY id DESC LIMIT $2";
    pub(super) const SCANS_IN_STATE: &str = "SELECT body FROM scans WHERE state = $1 ORDER BY id";
    pub(super) const PINNED: &str =
        "SELECT DISTINCT database_digest FROM scans WHERE state = $1 AND database_digest <> '' ORDER BY 1";
    pub(super) const INSERT_EVENT: &str =
        "INSERT INTO events (scan, sequence, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    pub(super) const EVENTS: &str =
        "SELECT body FROM events WHERE scan = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
    pub(super) const INSERT_REPORT: &str =
        "INSERT INTO reports (id, image_digest, created_unix_ms, summary, body)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    pub(super) const REPORT_NUMBER: &str = "SELECT number FROM reports WHERE id = $1";
    pub(super) const REPORT: &str = "SELECT body FROM reports WHERE id = $1";
    pub(super) const INSERT_TOKEN: &str =
        "INSERT INTO tokens (id, hash, created_unix_ms, body) VALUES ($1, $2, $3, $4)";
    pub(super) const TOKEN: &str = "SELECT hash, revoked_unix_ms, body FROM tokens WHERE id = $1";
    pub(super) const TOKENS: &str =
        "SELECT hash, revoked_unix_ms, body FROM tokens ORDER BY created_unix_ms, id";
    pub(super) const ANY_TOKEN: &str = "SELECT EXISTS (SELECT 1 FROM tokens)";
    pub(super) const REVOKE_TOKEN: &str =
        "UPDATE tokens SET revoked_unix_ms = $2 WHERE id = $1 AND revoked_unix_ms = 0";
}

/// An error of the database as the port's.
fn failed(action: &'static str) -> impl Fn(sqlx::Error) -> PortError {
    move |error| PortError { action, reason: error.to_string() }
}

fn refused(action: &'static str, reason: impl Into<String>) -> PortError {
    PortError { action, reason: reason.into() }
}

fn decode<M: Message + Default>(action: &'static str, body: &[u8]) -> Result<M, PortError> {
    M::decode(body).map_err(|error| refused(action, format!("a stored message is damaged: {error}")))
}

fn decode_all<M: Message + Default>(action: &'static str, bodies: &[Vec<u8>]) -> Result<Vec<M>, PortError> {
    bodies.iter().map(|body| decode(action, body)).collect()
}

/// The idempotency key's column: empty keys are no keys.
fn idempotency_key(scan: &Scan) -> Option<&str> {
    scan.request.as_ref().map(|request| request.idempotency_key.as_str()).filter(|key| !key.is_empty())
}

fn sequence(action: &'static str, event: &Event) -> Result<i64, PortError> {
    signed(action, event.sequence)
}

/// The databases' integers have a sign.
fn signed(action: &'static str, number: u64) -> Result<i64, PortError> {
    i64::try_from(number).map_err(|_| refused(action, format!("{number} is out of range")))
}
