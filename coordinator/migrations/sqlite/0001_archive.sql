-- Messages are stored as they are encoded; columns beside them are what is searched or ordered by.
CREATE TABLE scans (
    id TEXT PRIMARY KEY,
    state INTEGER NOT NULL,
    idempotency_key TEXT UNIQUE,
    body BLOB NOT NULL
) WITHOUT ROWID;

CREATE INDEX scans_by_state ON scans (state, id);

CREATE TABLE events (
    scan TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (scan, sequence)
) WITHOUT ROWID;

CREATE TABLE reports (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    image_digest TEXT NOT NULL,
    created_unix_ms INTEGER NOT NULL,
    summary BLOB NOT NULL,
    body BLOB NOT NULL
);

CREATE INDEX reports_by_image ON reports (image_digest);
CREATE INDEX reports_by_time ON reports (created_unix_ms, number);

CREATE TABLE report_references (
    report INTEGER NOT NULL,
    scan TEXT NOT NULL,
    reference TEXT NOT NULL,
    PRIMARY KEY (report, reference, scan)
) WITHOUT ROWID;

-- What reports are searched by: kind 1 is a vulnerability's identifier or alias, kind 2 a package's name.
CREATE TABLE terms (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (kind, text)
);

CREATE TABLE postings (
    term INTEGER NOT NULL,
    report INTEGER NOT NULL,
    PRIMARY KEY (term, report)
) WITHOUT ROWID;
