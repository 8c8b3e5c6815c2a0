-- What reports say is kept once, without the database's name and date: reports that say the same refer to it.
CREATE TABLE contents (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB UNIQUE,
    body BLOB NOT NULL,
    asked BLOB,
    body_digest TEXT NOT NULL DEFAULT ''
);
INSERT INTO contents (number, body, asked, body_digest) SELECT number, body, asked, body_digest FROM reports;

-- Sets of terms, of which each report has two: its vulnerabilities and its packages. Postings list these, not reports.
CREATE TABLE lists (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB UNIQUE
);
INSERT INTO lists (number) SELECT number FROM reports;
ALTER TABLE postings RENAME COLUMN report TO list;
DROP INDEX postings_by_report;
CREATE INDEX postings_by_list ON postings (list);

-- `seal` is a digest over the content's and the summary; NULL in reports of earlier versions. The table is made anew because
-- each column that is dropped from one writes all of it.
CREATE TABLE reports_with_contents (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    image_digest TEXT NOT NULL,
    created_unix_ms INTEGER NOT NULL,
    summary BLOB NOT NULL,
    config_digest TEXT NOT NULL DEFAULT '',
    content INTEGER NOT NULL,
    vulnerabilities INTEGER,
    packages INTEGER,
    seal BLOB
);
INSERT INTO reports_with_contents
    SELECT number, id, image_digest, created_unix_ms, summary, config_digest, number, number, number, NULL FROM reports;
-- Numbers are not given twice, those of reports that are gone neither.
DELETE FROM sqlite_sequence WHERE name = 'reports_with_contents';
INSERT INTO sqlite_sequence (name, seq) SELECT 'reports_with_contents', seq FROM sqlite_sequence WHERE name = 'reports';
DROP TABLE reports;
ALTER TABLE reports_with_contents RENAME TO reports;

CREATE INDEX reports_by_image ON reports (image_digest);
CREATE INDEX reports_by_time ON reports (created_unix_ms, number);
CREATE INDEX reports_by_config ON reports (config_digest) WHERE config_digest <> '';
CREATE INDEX reports_by_content ON reports (content);
CREATE INDEX reports_by_vulnerabilities ON reports (vulnerabilities);
CREATE INDEX reports_by_packages ON reports (packages);
