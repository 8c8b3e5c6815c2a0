//! Which parts of a layer are worth asking for.

use std::ops::Range;

use super::{Table, json::Row};
use crate::{
    layer::{header::Kind, path::normalise, wants},
    limits::Limits,
};

/// Bytes of a layer below which one request for the whole is faster than several for parts.
pub const SMALLEST: u64 = 1 << 20;
/// Unwanted bytes between two parts that are rather read than asked around.
const GAP: u64 = 64 << 10;
/// Requests for one layer: each costs a round trip.
const MOST_RANGES: usize = 48;
/// Percent of a layer above which the whole is read, whose digest can then be verified.
const SHARE: u64 = 60;

/// The parts that are to be read, in the blob's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to ask for: apart from each other, first byte and the one after the last.
    pub ranges: Vec<Range<u64>>,
    /// Bytes of these.
    pub bytes: u64,
}

impl Table {
    /// Plans the parts of a blob of `size` bytes, of which `read` were read for the table; `None` when the whole is better read.
    /// `spooled` says whether there is a place for files that are too large for memory.
    #[must_use]
    pub fn plan(&self, size: u64, read: u64, limits: &Limits, spooled: bool) -> Option<Plan> {
        if size < SMALLEST {
            return None;
        }
        let pieces = self.pieces(limits, spooled);
        let mut gap = GAP;
        loop {
            let plan = merged(&pieces, gap);
            let all = plan.bytes.saturating_add(read).saturating_mul(100);
            if all > size.saturating_mul(SHARE) {
                return None;
            }
            if plan.ranges.len() <= MOST_RANGES {
                return Some(plan);
            }
            gap = gap.saturating_mul(2);
        }
    }
}

impl Table {
    /// Where the pieces of all wanted files are, in the blob's order.
    pub(super) fn pieces(&self, limits: &Limits, spooled: bool) -> Vec<Range<u64>> {
        let wanted = self.rows.iter().filter(|row| is_read(row, limits, spooled));
        let mut pieces: Vec<Range<u64>> =
            wanted.flat_map(|row| &row.pieces).map(|piece| piece.stored.clone()).collect();
        pieces.sort_unstable_by_key(|piece| (piece.start, piece.end));
        pieces
    }
}

/// Joins parts that are less than `gap` apart.
pub(super) fn merged(pieces: &[Range<u64>], gap: u64) -> Plan {
    let mut plan = Plan::default();
    for piece in pieces {
        match plan.ranges.last_mut() {
            Some(last) if piece.start <= last.end.saturating_add(gap) => last.end = last.end.max(piece.end),
            _ => plan.ranges.push(piece.clone()),
        }
    }
    plan.bytes = plan.ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
    plan
}

/// Whether the walk over the entries will ask for the content. Where it asks for more, the layer is not read in parts.
fn is_read(row: &Row, limits: &Limits, spooled: bool) -> bool {
    let longest = if spooled { limits.file_bytes.max(limits.spool_bytes) } else { limits.file_bytes };
    if row.kind != Kind::File || row.size == 0 || row.size > longest {
        return false;
    }
    let Ok(path) = normalise(row.name.as_bytes()) else { return false };
    let is_deletion = path.rsplit('/').next().is_some_and(|name| name.starts_with(".wh."));
    !is_deletion && row.name.len() <= limits.path_bytes && wants(&path, row.size, row.executable)
}
