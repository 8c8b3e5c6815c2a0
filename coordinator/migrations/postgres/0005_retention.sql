-- What is kept has an end: scans that are being forgotten, whose events and references go in small parts.
CREATE TABLE forgotten (
    scan TEXT COLLATE "C" PRIMARY KEY
);

-- The record of a scan with a large request, as it was submitted: written once, while the scan's own row changes every second.
CREATE TABLE requests (
    scan TEXT COLLATE "C" PRIMARY KEY,
    body BYTEA NOT NULL
);

CREATE INDEX report_references_by_scan ON report_references (scan);
CREATE INDEX postings_by_report ON postings (report);
