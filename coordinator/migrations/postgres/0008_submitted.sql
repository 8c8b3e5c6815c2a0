-- What more a scan tells of its source, and whether it tells anything: reports are found by it.
ALTER TABLE scans ADD COLUMN source_branch TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE scans ADD COLUMN source_tag TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE scans ADD COLUMN source_build TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE scans ADD COLUMN source_repository TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE scans ADD COLUMN told BIGINT NOT NULL DEFAULT 0;
UPDATE scans SET told = 1 WHERE source_commit <> '';

CREATE INDEX scans_by_branch ON scans (source_branch) WHERE source_branch <> '';
CREATE INDEX scans_by_tag ON scans (source_tag) WHERE source_tag <> '';
CREATE INDEX scans_by_build ON scans (source_build) WHERE source_build <> '';
CREATE INDEX scans_by_repository ON scans (source_repository) WHERE source_repository <> '';

-- The digest of the image's configuration, and that of the stored body; empty in reports of earlier versions.
ALTER TABLE reports ADD COLUMN config_digest TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE reports ADD COLUMN body_digest TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE INDEX reports_by_config ON reports (config_digest) WHERE config_digest <> '';

-- Reports of images that were not read from a registry: they are bound to manifests with the same configuration. `prefixes`
-- are the repositories, one a line, that their submitter may name; none is all.
CREATE TABLE waiting (
    report BIGINT PRIMARY KEY,
    config_digest TEXT COLLATE "C" NOT NULL,
    prefixes TEXT COLLATE "C" NOT NULL
);

CREATE INDEX waiting_by_config ON waiting (config_digest);

CREATE TABLE bindings (
    report BIGINT NOT NULL,
    image_digest TEXT COLLATE "C" NOT NULL,
    seen_unix_ms BIGINT NOT NULL,
    PRIMARY KEY (report, image_digest)
);

CREATE INDEX bindings_by_image ON bindings (image_digest);
