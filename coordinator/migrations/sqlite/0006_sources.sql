-- The commit that a scan's images were built from, as the submitter told it: reports are found by it.
ALTER TABLE scans ADD COLUMN source_commit TEXT NOT NULL DEFAULT '';

CREATE INDEX scans_by_commit ON scans (source_commit) WHERE source_commit <> '';
