//! Sparse files as GNU tar stores them: the archive holds only the pieces, and a map says where they belong.

use super::{
    header::{BLOCK, field, number},
    pax::decimal,
};

/// More pieces than this are no file that Strata reads.
const MAX_PIECES: usize = 65_536;

/// Offset and length of each piece.
pub(super) type Map = Vec<(u64, u64)>;

/// How the stored bytes of a sparse file become its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sparse {
    /// Bytes of the content.
    pub(super) size: u64,
    /// Offset and length of each piece; `None` when the map stands before the pieces (PAX format 1.0).
    pub(super) map: Option<Map>,
}

impl Sparse {
    /// Starts the map of the old GNU format from the entry's own header; true when an extension block follows.
    pub(super) fn from_header(block: &[u8; BLOCK]) -> Result<(Self, bool), &'static str> {
        let size = number(field(block, 483, 12)).ok_or("has a sparse size that is no number")?;
        let mut sparse = Self { size, map: Some(Vec::new()) };
        sparse.read_pieces(field(block, 386, 4 * 24))?;
        Ok((sparse, field(block, 482, 1) != [0]))
    }

    /// Adds an extension block; true when another one follows.
    pub(super) fn extend(&mut self, block: &[u8; BLOCK]) -> Result<bool, &'static str> {
        self.read_pieces(field(block, 0, 21 * 24))?;
        Ok(field(block, 504, 1) != [0])
    }

    fn read_pieces(&mut self, table: &[u8]) -> Result<(), &'static str> {
        let map = self.map.get_or_insert_default();
        for row in table.chunks_exact(24) {
            if row.first() == Some(&0) {
                return Ok(());
            }
            let offset = number(field(row, 0, 12)).ok_or("has a sparse map that is malformed")?;
            let length = number(field(row, 12, 12)).ok_or("has a sparse map that is malformed")?;
            if map.len() == MAX_PIECES {
                return Err("has a sparse map of too many pieces");
            }
            map.push((offset, length));
        }
        Ok(())
    }

    /// Puts the pieces where they belong. `None` when the map does not fit the stored bytes or the size, or when the
    /// content would be longer than `limit`.
    pub(super) fn expand(&self, stored: &[u8], limit: u64) -> Option<Vec<u8>> {
        if self.size > limit {
            return None;
        }
        let (map, mut stored) = match &self.map {
            Some(map) => (map.clone(), stored),
            None => read_map(stored)?,
        };
        let mut content = Vec::new();
        for (offset, length) in map {
            let offset = usize::try_from(offset).ok()?;
            let (piece, rest) = stored.split_at_checked(usize::try_from(length).ok()?)?;
            let end = u64::try_from(offset.checked_add(piece.len())?).ok()?;
            if offset < content.len() || end > self.size {
                return None;
            }
            content.resize(offset, 0);
            content.extend_from_slice(piece);
            stored = rest;
        }
        content.resize(usize::try_from(self.size).ok()?, 0);
        Some(content)
    }
}

/// PAX format 1.0: the number of pieces, then offset and length of each, a line each, filled up to a whole block.
fn read_map(stored: &[u8]) -> Option<(Map, &[u8])> {
    let mut at = 0;
    let mut line = || {
        let rest = stored.get(at..)?;
        let length = rest.iter().take(21).position(|byte| *byte == b'\n')?;
        at += length + 1;
        decimal(rest.get(..length)?)
    };
    let count = usize::try_from(line()?).ok().filter(|count| *count <= MAX_PIECES)?;
    let mut map = Vec::new();
    for _ in 0..count {
        map.push((line()?, line()?));
    }
    let start = at.checked_next_multiple_of(BLOCK)?;
    Some((map, stored.get(start..)?))
}

#[cfg(test)]
mod tests {
    use super::Sparse;

    #[test]
    fn pieces_go_where_the_map_says() {
        let sparse = |size, map: &[(u64, u64)]| Sparse { size, map: Some(map.to_vec()) };
        assert_eq!(sparse(6, &[(1, 2), (4, 1)]).expand(b"abc", 99).as_deref(), Some(&b"\0ab\0c\0"[..]));
        assert_eq!(sparse(3, &[]).expand(b"", 99).as_deref(), Some(&b"\0\0\0"[..]));
        for (bad, stored) in [
            (sparse(100, &[]), &b""[..]),
            (sparse(2, &[(1, 2)]), b"ab"),
            (sparse(9, &[(0, 5)]), b"ab"),
            (sparse(9, &[(4, 1), (1, 1)]), b"ab"),
            (sparse(9, &[(u64::MAX, 1)]), b"ab"),
        ] {
            assert_eq!(bad.expand(stored, 99), None, "{bad:?}");
        }
    }

    #[test]
    fn a_map_before_the_pieces_fills_whole_blocks() {
        let mut stored = b"1\n2\n3\n".to_vec();
        stored.resize(512, 0);
        stored.extend_from_slice(b"xyz");
        let sparse = Sparse { size: 6, map: None };
        assert_eq!(sparse.expand(&stored, 99).as_deref(), Some(&b"\0\0xyz\0"[..]));
        assert_eq!(sparse.expand(b"1\n2\n", 99), None);
    }
}
