-- Who submitted a scan, and the tokens of the public service: digests of their secrets, never these themselves.
ALTER TABLE scans ADD COLUMN owner TEXT NOT NULL DEFAULT '';

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    created_unix_ms INTEGER NOT NULL,
    revoked_unix_ms INTEGER NOT NULL DEFAULT 0,
    body BLOB NOT NULL
) WITHOUT ROWID;
