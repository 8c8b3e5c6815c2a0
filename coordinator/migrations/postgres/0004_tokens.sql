-- Who submitted a scan, and the tokens of the public service: digests of their secrets, never these themselves.
ALTER TABLE scans ADD COLUMN owner TEXT NOT NULL DEFAULT '';

CREATE TABLE tokens (
    id TEXT COLLATE "C" PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    created_unix_ms BIGINT NOT NULL,
    revoked_unix_ms BIGINT NOT NULL DEFAULT 0,
    body BYTEA NOT NULL
);
