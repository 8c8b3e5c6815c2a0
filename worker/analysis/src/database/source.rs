//! The sources of advisories: one reader file and one row each. A reader turns what its source publishes into the records of
//! [`osv`](super::osv), one at a time; all that follows is the same for every source. A record that cannot be read is handed on
//! as a reason with a name: it is counted, never dropped.

mod amazon;
mod openers;
mod oracle_oval;
mod oracle_updateinfo;
mod osv;
mod photon;
mod updateinfo;

use std::io::{self, BufRead};

pub use openers::open;

use super::osv::Record;

/// Where a reader puts what it reads: the name of the record within its file, and the record or why there is none.
type Sink<'a> = &'a mut dyn FnMut(&str, Result<Record, String>);

/// The beginning of a file, by which its source is recognised.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The file's name, without directories.
    pub name: &'a str,
    /// The first bytes of its content, decompressed.
    pub bytes: &'a [u8],
}

impl Head<'_> {
    fn contains(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// One source.
pub struct Source {
    /// Name in `db status`.
    pub name: &'static str,
    /// Its public files, for people.
    pub files: &'static str,
    recognises: fn(Head<'_>) -> bool,
    read: fn(&mut dyn BufRead, &str, Sink<'_>) -> Result<(), String>,
}

/// Every source. The first that recognises a file reads it.
pub static TABLE: &[&Source] =
    &[&amazon::ROW, &oracle_oval::ROW, &oracle_updateinfo::ROW, &photon::ROW, &osv::ROW];

/// The name of the source that most advisories come from.
pub(super) const OSV: &str = osv::ROW.name;

/// The source of a file.
#[must_use]
pub fn find(head: Head<'_>) -> Option<&'static Source> {
    TABLE.iter().copied().find(|row| (row.recognises)(head))
}

/// Bytes that [`find`] should be given where there are as many.
pub const HEAD: usize = 16 << 10;

/// Fills a head: as much of it as the input has.
///
/// # Errors
/// When the input cannot be read.
pub fn head(input: &mut dyn io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(input, u64::try_from(HEAD).unwrap_or(0)), &mut bytes)?;
    Ok(bytes)
}

impl Source {
    /// Reads a whole file.
    ///
    /// # Errors
    /// A phrase that says why the rest of it cannot be read; what came before has been handed on.
    pub(super) fn read(&self, input: &mut dyn BufRead, file: &str, sink: Sink<'_>) -> Result<(), String> {
        (self.read)(input, file, sink)
    }
}

#[cfg(test)]
mod tests;
