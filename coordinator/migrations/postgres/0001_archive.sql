-- Messages are stored as they are encoded; columns beside them are what is searched or ordered by.
-- Ids sort by time only when they are compared byte by byte, hence the collation.
CREATE TABLE scans (
    id TEXT COLLATE "C" PRIMARY KEY,
    state BIGINT NOT NULL,
    idempotency_key TEXT UNIQUE,
    body BYTEA NOT NULL
);

CREATE INDEX scans_by_state ON scans (state, id);

CREATE TABLE events (
    scan TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (scan, sequence)
);

CREATE TABLE reports (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    image_digest TEXT NOT NULL,
    created_unix_ms BIGINT NOT NULL,
    summary BYTEA NOT NULL,
    body BYTEA NOT NULL
);

CREATE INDEX reports_by_image ON reports (image_digest);
CREATE INDEX reports_by_time ON reports (created_unix_ms, number);

CREATE TABLE report_references (
    report BIGINT NOT NULL,
    scan TEXT NOT NULL,
    reference TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (report, reference, scan)
);

-- What reports are searched by: kind 1 is a vulnerability's identifier or alias, kind 2 a package's name.
CREATE TABLE terms (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind BIGINT NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    UNIQUE (kind, text)
);

CREATE TABLE postings (
    term BIGINT NOT NULL,
    report BIGINT NOT NULL,
    PRIMARY KEY (term, report)
);
