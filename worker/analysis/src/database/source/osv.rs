//! One advisory in OSV's JSON, as a file of its own. The zips of OSV's public export are read by the same parser.

use std::io::{BufRead, Read as _};

use super::{Head, Sink, Source};
use crate::database::osv;

/// The row.
pub(super) const ROW: Source = Source {
    name: "OSV",
    files: "<Ecosystem>/all.zip of OSV's public export, or files of one record each",
    recognises,
    read,
};

fn recognises(head: Head<'_>) -> bool {
    head.name.ends_with(".json") && head.bytes.trim_ascii_start().starts_with(b"{")
}

fn read(input: &mut dyn BufRead, _file: &str, sink: Sink<'_>) -> Result<(), String> {
    let mut json = Vec::new();
    let limit = u64::try_from(osv::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    input.take(limit).read_to_end(&mut json).map_err(|error| format!("it cannot be read: {error}"))?;
    sink("", osv::parse(&json));
    Ok(())
}
