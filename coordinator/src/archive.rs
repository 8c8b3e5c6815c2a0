//! Adapters of the archive: SQLite and PostgreSQL. One conformance suite holds for both.
//!
//! * [`sqlite`]: a file, for one machine; several processes may use it at once.
//! * [`postgres`]: for a cluster.
//! * `rows`: what both do in the same words, compiled for each with its `dialect`.
//! * [`report`]: how reports are compressed.
//! * [`content`]: what many reports may share.

pub mod content;
pub mod postgres;
pub mod report;
pub mod sqlite;

mod fence;
mod forget;
mod search;
mod tagged;
mod token;
mod waiting;

use prost::Message;
use strata_proto::{
    digest::Digest,
    v1::{Event, ReportOrigin, Scan, SourceContext},
};

use crate::ports::PortError;

/// Statements that both databases understand. Both take `$1`; conflicts mean that the same was written before.
mod sql {
    pub(super) const INSERT_SCAN: &str =
        "INSERT INTO scans (id, state, idempotency_key, body, database_digest, owner, source_commit,
             source_branch, source_tag, source_build, source_repository, told)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING";
    /// The statements that read scans give a [`super::ScanRow`].
    pub(super) const SCAN: &str =
        "SELECT s.body, q.body FROM scans s LEFT JOIN requests q ON q.scan = s.id WHERE s.id = $1";
    pub(super) const SCAN_BY_KEY: &str = "SELECT s.body, q.body FROM scans s LEFT JOIN requests q ON q.scan = s.id WHERE s.idempotency_key = $1";
    /// Before a scan is updated without its request: the row still has it, or it was kept before.
    pub(super) const KEEP_REQUEST: &str = "INSERT INTO requests (scan, body) SELECT id, body FROM scans
         WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM requests q WHERE q.scan = $1) ON CONFLICT DO NOTHING";
    /// A scan that has ended does not run again: what was written of it while it ran may come late. 1: `SCAN_STATE_RUNNING`.
    pub(super) const UPDATE_SCAN: &str =
        "UPDATE scans SET state = $2, body = $3 WHERE id = $1 AND (state = 1 OR $2 <> 1)";
    pub(super) const SCANS: &str = "SELECT s.body, q.body FROM scans s LEFT JOIN requests q ON q.scan = s.id
         WHERE ($1 = '' OR s.id < $1) ORDER BY s.id DESC LIMIT $2";
    pub(super) const SCANS_IN_STATE: &str =
        "SELECT s.body, q.body FROM scans s LEFT JOIN requests q ON q.scan = s.id
         WHERE s.state = $1 ORDER BY s.id";
    pub(super) const PINNED: &str =
        "SELECT DISTINCT database_digest FROM scans WHERE state = $1 AND database_digest <> '' ORDER BY 1";
    pub(super) const INSERT_EVENT: &str =
        "INSERT INTO events (scan, sequence, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    /// Whether there may be anything to bind to reports, or to call them: nearly always there is not.
    pub(super) const AWAITED: &str = "SELECT EXISTS (SELECT 1 FROM waiting) OR EXISTS (SELECT 1 FROM tags)";
    pub(super) const EVENTS: &str =
        "SELECT body FROM events WHERE scan = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
    pub(super) const USE_OUTLINE: &str =
        "UPDATE outlines SET used_unix_ms = $3 WHERE database_digest = $1 AND scheme = $2";
    pub(super) const PUT_OUTLINE: &str =
        "INSERT INTO outlines (database_digest, modified, scheme, used_unix_ms, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (database_digest) DO UPDATE SET modified = excluded.modified, scheme = excluded.scheme,
             used_unix_ms = excluded.used_unix_ms, body = excluded.body";
    pub(super) const DROP_OUTLINES: &str = "DELETE FROM outlines WHERE database_digest NOT IN
         (SELECT o.database_digest FROM outlines o ORDER BY o.used_unix_ms DESC, o.database_digest LIMIT $1)";
    pub(super) const OUTLINES: &str =
        "SELECT database_digest, modified, scheme FROM outlines ORDER BY used_unix_ms DESC, database_digest";
    pub(super) const OUTLINE: &str = "SELECT body FROM outlines WHERE database_digest = $1";
    /// Nothing where a hold is in force already.
    pub(super) const HOLD: &str = "INSERT INTO holds (report, report_id, held_by, held_unix_ms, reason)
         SELECT r.number, r.id, $2, $3, $4 FROM reports r WHERE r.id = $1 ON CONFLICT DO NOTHING";
    pub(super) const HELD: &str =
        "SELECT held_by, held_unix_ms, reason, released_by, released_unix_ms FROM holds
         WHERE report_id = $1 AND released_unix_ms = 0";
    pub(super) const RELEASE: &str = "UPDATE holds SET released_by = $2, released_unix_ms = $3 WHERE report_id = $1 AND released_unix_ms = 0";
    pub(super) const REPORT: &str = "SELECT r.summary, c.body FROM reports r
         JOIN contents c ON c.number = r.content WHERE r.id = $1";
    pub(super) const INSERT_TOKEN: &str =
        "INSERT INTO tokens (id, hash, created_unix_ms, body) VALUES ($1, $2, $3, $4)";
    pub(super) const TOKEN: &str = "SELECT hash, revoked_unix_ms, body FROM tokens WHERE id = $1";
    pub(super) const TOKENS: &str =
        "SELECT hash, revoked_unix_ms, body FROM tokens ORDER BY created_unix_ms, id";
    pub(super) const ANY_TOKEN: &str = "SELECT EXISTS (SELECT 1 FROM tokens)";
    pub(super) const REVOKE_TOKEN: &str =
        "UPDATE tokens SET revoked_unix_ms = $2 WHERE id = $1 AND revoked_unix_ms = 0";
    pub(super) const INSERT_RISK: &str = "INSERT INTO accepted_risks (id, body) VALUES ($1, $2)";
    pub(super) const RISKS: &str = "SELECT body, ended_unix_ms, ended_by FROM accepted_risks ORDER BY id";
    pub(super) const END_RISK: &str =
        "UPDATE accepted_risks SET ended_unix_ms = $2, ended_by = $3 WHERE id = $1 AND ended_unix_ms = 0";
    /// Never the last one.
    pub(super) const FORGET_TOKEN: &str =
        "DELETE FROM tokens WHERE id = $1 AND EXISTS (SELECT 1 FROM tokens o WHERE o.id <> $1)";
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

/// Encoded size from which a scan's request is written once and not again with every change of its state. Smaller ones stay
/// in the scan's row, where coordinators of earlier versions look for them too.
const LARGE_REQUEST: usize = 16 << 10;

/// A scan's row, and the record that has its request where the row has none.
type ScanRow = (Vec<u8>, Option<Vec<u8>>);

fn has_large_request(scan: &Scan) -> bool {
    scan.request.as_ref().is_some_and(|request| request.encoded_len() > LARGE_REQUEST)
}

/// What a scan's row is to hold.
fn scan_body(scan: &Scan, without_request: bool) -> Vec<u8> {
    if without_request {
        let mut scan = scan.clone();
        scan.request = None;
        return scan.encode_to_vec();
    }
    scan.encode_to_vec()
}

fn scan_of(action: &'static str, (body, submitted): ScanRow) -> Result<Scan, PortError> {
    let mut scan: Scan = decode(action, &body)?;
    if let (None, Some(submitted)) = (&scan.request, submitted) {
        scan.request = decode::<Scan>(action, &submitted)?.request;
    }
    Ok(scan)
}

fn scans_of(action: &'static str, rows: Result<Vec<ScanRow>, sqlx::Error>) -> Result<Vec<Scan>, PortError> {
    rows.map_err(failed(action))?.into_iter().map(|row| scan_of(action, row)).collect()
}

/// The idempotency key's column: empty keys are no keys.
fn idempotency_key(scan: &Scan) -> Option<&str> {
    scan.request.as_ref().map(|request| request.idempotency_key.as_str()).filter(|key| !key.is_empty())
}

/// The columns of a scan's source, empty where the submitter told nothing: commit, branch, tag, build, repository.
fn source_columns(scan: &Scan) -> [&str; 5] {
    let source = scan.request.as_ref().and_then(|request| request.source.as_ref());
    source.map_or([""; 5], |source| {
        [&source.commit, &source.branch, &source.tag, &source.build_id, &source.repository]
            .map(String::as_str)
    })
}

/// Whether a scan says where its reports come from.
fn told(scan: &Scan) -> i64 {
    let source = scan.request.as_ref().and_then(|request| request.source.as_ref());
    i64::from(scan.verdict.is_some() || source.is_some_and(|source| *source != SourceContext::default()))
}

/// What a report's summary says of a scan that it is of.
fn origin(scan: Scan) -> ReportOrigin {
    ReportOrigin {
        source: scan.request.and_then(|request| request.source),
        scan_id: scan.id,
        created_unix_ms: scan.created_unix_ms,
        verdict: scan.verdict,
        declared: scan.tagged.is_some(),
    }
}

/// The digest of a body as earlier versions kept it, by which damage is found.
fn body_digest(body: &[u8]) -> String {
    Digest::of(body).to_string()
}

fn sequence(action: &'static str, event: &Event) -> Result<i64, PortError> {
    signed(action, event.sequence)
}

/// The databases' integers have a sign.
fn signed(action: &'static str, number: u64) -> Result<i64, PortError> {
    i64::try_from(number).map_err(|_| refused(action, format!("{number} is out of range")))
}
