-- Under which keys a report asked its database; NULL where that is not known.
ALTER TABLE reports ADD COLUMN asked BLOB;

-- What databases say under each key, so that two of them can be compared when the files themselves are gone.
CREATE TABLE outlines (
    database_digest TEXT PRIMARY KEY,
    modified TEXT NOT NULL,
    scheme INTEGER NOT NULL,
    used_unix_ms INTEGER NOT NULL,
    body BLOB NOT NULL
);
