-- Who plans: one coordinator at a time. The term grows whenever the lead changes hands, and fences what a former leader writes.
CREATE TABLE leads (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    term BIGINT NOT NULL,
    until TIMESTAMPTZ NOT NULL
);

-- Scans that a client asked to stop at a coordinator that does not lead.
CREATE TABLE cancellations (
    scan TEXT COLLATE "C" PRIMARY KEY
);
