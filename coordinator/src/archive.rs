//! Adapters of the archive: SQLite and PostgreSQL. One conformance suite holds for both.
