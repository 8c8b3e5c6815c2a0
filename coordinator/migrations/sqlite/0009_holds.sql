-- Who had a report held, when and why: it is kept whatever its age until the hold is released. Rows stay as they are afterwards.
CREATE TABLE holds (
    report INTEGER NOT NULL,
    report_id TEXT NOT NULL,
    held_by TEXT NOT NULL,
    held_unix_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    released_by TEXT NOT NULL DEFAULT '',
    released_unix_ms INTEGER NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX holds_in_force ON holds (report) WHERE released_unix_ms = 0;
