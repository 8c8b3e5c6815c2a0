-- The advisory database that a scan is pinned to: one that a running scan needs is kept.
ALTER TABLE scans ADD COLUMN database_digest TEXT NOT NULL DEFAULT '';
