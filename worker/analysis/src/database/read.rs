//! Checked reading of the file's content: every offset is looked at before it is used.

use super::DatabaseError;

pub(super) fn damaged(what: &str) -> DatabaseError {
    DatabaseError::Damaged(what.to_owned())
}

/// A place in a section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> Result<u8, DatabaseError> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| damaged("a record is cut off"))?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn varint(&mut self) -> Result<u64, DatabaseError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damaged("a number is too long"))
    }

    pub(super) fn index(&mut self) -> Result<usize, DatabaseError> {
        usize::try_from(self.varint()?).map_err(|_| damaged("a number is too large"))
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], DatabaseError> {
        let (head, rest) =
            self.rest.split_at_checked(length).ok_or_else(|| damaged("a record is cut off"))?;
        self.rest = rest;
        Ok(head)
    }

    /// A text that is only compared.
    pub(super) fn bytes_of_text(&mut self) -> Result<&'a [u8], DatabaseError> {
        let length = self.index()?;
        self.bytes(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, DatabaseError> {
        std::str::from_utf8(self.bytes_of_text()?).map_err(|_| damaged("a text is not UTF-8"))
    }
}

/// Records of varying length: the end of each, and their bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    ends: &'a [u8],
    records: &'a [u8],
}

impl<'a> Table<'a> {
    pub(super) fn new(ends: &'a [u8], records: &'a [u8]) -> Self {
        Self { ends, records }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len() / 4
    }

    fn end(&self, index: usize) -> Option<usize> {
        let at = index.checked_mul(4)?;
        let end = u32::from_le_bytes(self.ends.get(at..at.checked_add(4)?)?.try_into().ok()?);
        usize::try_from(end).ok()
    }

    pub(super) fn get(&self, index: usize) -> Result<&'a [u8], DatabaseError> {
        let start = if index == 0 { Some(0) } else { self.end(index - 1) };
        let record = start.zip(self.end(index)).and_then(|(start, end)| self.records.get(start..end));
        record.ok_or_else(|| damaged("a reference leads nowhere"))
    }

    pub(super) fn text(&self, index: usize) -> Result<&'a str, DatabaseError> {
        std::str::from_utf8(self.get(index)?).map_err(|_| damaged("a text is not UTF-8"))
    }
}
