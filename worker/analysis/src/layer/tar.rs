//! A tar archive, read from chunks as they come: a state machine that never holds more than a header, and to which the
//! body of an entry that nobody wants is a number that it counts down.
//!
//! The archive ends at two blocks of zeros; what follows is not part of it, as for the container runtimes. (Archives
//! joined without such blocks between them are one archive.) An archive that ends at an entry's border without the two
//! blocks is read to its end and says so. Records of a global PAX header are not applied to entries: no runtime does it.

use super::{
    LayerError,
    header::{self, BLOCK, Flag, Header, Kind},
    pax,
    sparse::Sparse,
};

/// Bytes of a long name, or of the PAX records of one entry.
const MAX_SPECIAL: u64 = 1 << 20;

/// One entry, once its headers are complete.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    pub(super) link: &'a [u8],
    pub(super) kind: Kind,
    /// Bytes of the content; of a sparse file, with its holes.
    pub(super) size: u64,
    /// Bytes of it in the archive.
    pub(super) stored: u64,
    pub(super) executable: bool,
    pub(super) sparse: Option<Sparse>,
}

/// Who looks at the entries.
pub(super) trait Visitor {
    /// A new entry; true asks for its content.
    fn entry(&mut self, entry: Entry<'_>) -> Result<bool, LayerError>;
    /// A part of the content that was asked for: as it is stored, without the holes of a sparse file.
    fn content(&mut self, part: &[u8]) -> Result<(), LayerError>;
    /// The content that was asked for is complete.
    fn end(&mut self) -> Result<(), LayerError>;
}

/// How the archive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With its end marker.
    Marked,
    /// At an entry's border, without the marker.
    Unmarked,
}

/// The state between two chunks.
pub(super) struct Tar {
    state: State,
    /// A block that is not complete yet.
    block: [u8; BLOCK],
    filled: usize,
    /// What special headers say of the next entry.
    next: Next,
    /// Headers that were read, special ones included; for messages.
    headers: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A header is next; `zero` after one block of zeros.
    Header { zero: bool },
    /// The body of an entry or of a special header.
    Body { left: u64, padding: u64, what: Body },
    /// What fills a body's last block.
    Padding { left: u64 },
    /// An extension block of an old sparse map.
    SparseBlock,
    /// After the end marker.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Unwanted,
    Wanted,
    Special(Flag),
}

#[derive(Debug, Default)]
struct Next {
    records: pax::Records,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    /// Body of the special header that is being read.
    special: Vec<u8>,
    /// The header that waits for the rest of its sparse map.
    sparse: Option<(Box<[u8; BLOCK]>, Sparse)>,
}

impl Tar {
    pub(super) fn new() -> Self {
        Self {
            state: State::Header { zero: false },
            block: [0; BLOCK],
            filled: 0,
            next: Next::default(),
            headers: 0,
        }
    }

    /// Reads the next chunk of the archive.
    pub(super) fn push(&mut self, mut chunk: &[u8], visitor: &mut dyn Visitor) -> Result<(), LayerError> {
        while !chunk.is_empty() {
            chunk = match self.state {
                State::End => return Ok(()),
                State::Body { left, padding, what } => {
                    let (part, rest) = split(chunk, left);
                    self.state = State::Body { left: left - length(part), padding, what };
                    self.body(part, what, visitor)?;
                    rest
                }
                State::Padding { left } => {
                    let (part, rest) = split(chunk, left);
                    self.pad(left - length(part));
                    rest
                }
                State::Header { .. } | State::SparseBlock => self.block(chunk, visitor)?,
            };
        }
        Ok(())
    }

    /// The archive has no more bytes.
    pub(super) fn finish(&self) -> Result<End, LayerError> {
        let cut = |inside: &str| {
            Err(LayerError::Malformed(format!("the archive ends inside {inside} of entry {}", self.headers)))
        };
        match self.state {
            State::End => Ok(End::Marked),
            State::Header { .. } if self.filled > 0 => cut("the header after that"),
            State::Header { zero: true } => Ok(End::Marked),
            State::Header { zero: false } if self.headers == 0 => {
                Err(LayerError::Malformed("the archive is empty".to_owned()))
            }
            State::Header { zero: false } if self.next.is_pending() => cut("the extended header"),
            // Runtimes don't miss the padding of the last entry.
            State::Header { zero: false } | State::Padding { .. } => Ok(End::Unmarked),
            State::Body { .. } => cut("the content"),
            State::SparseBlock => cut("the sparse map"),
        }
    }

    /// Takes a part of a body, and ends the body when it was the last.
    fn body(&mut self, part: &[u8], what: Body, visitor: &mut dyn Visitor) -> Result<(), LayerError> {
        match what {
            Body::Unwanted => {}
            Body::Wanted => visitor.content(part)?,
            Body::Special(_) => self.next.special.extend_from_slice(part),
        }
        let State::Body { left: 0, padding, .. } = self.state else { return Ok(()) };
        self.pad(padding);
        match what {
            Body::Unwanted => {}
            Body::Wanted => visitor.end()?,
            Body::Special(flag) => {
                let bytes = std::mem::take(&mut self.next.special);
                self.next.read(flag, &bytes).map_err(|reason| self.malformed(reason))?;
            }
        }
        Ok(())
    }

    fn pad(&mut self, left: u64) {
        self.state = if left == 0 { State::Header { zero: false } } else { State::Padding { left } };
    }

    /// Takes a whole block: from the chunk itself where it has one, else by way of the buffer.
    fn block<'c>(&mut self, chunk: &'c [u8], visitor: &mut dyn Visitor) -> Result<&'c [u8], LayerError> {
        if self.filled == 0
            && let Some((block, rest)) = chunk.split_first_chunk::<BLOCK>()
        {
            self.whole_block(block, visitor)?;
            return Ok(rest);
        }
        let room = self.block.get_mut(self.filled..).unwrap_or_default();
        let (part, rest) = chunk.split_at_checked(room.len().min(chunk.len())).unwrap_or((chunk, &[]));
        for (to, from) in room.iter_mut().zip(part) {
            *to = *from;
        }
        self.filled += part.len();
        if self.filled == BLOCK {
            self.filled = 0;
            let block = self.block;
            self.whole_block(&block, visitor)?;
        }
        Ok(rest)
    }

    fn whole_block(&mut self, block: &[u8; BLOCK], visitor: &mut dyn Visitor) -> Result<(), LayerError> {
        if self.state == State::SparseBlock {
            return self.sparse_block(block, visitor);
        }
        let after_zero = self.state == State::Header { zero: true };
        if header::is_zero(block) {
            self.state = if after_zero { State::End } else { State::Header { zero: true } };
            return Ok(());
        }
        self.headers += 1;
        if after_zero {
            return Err(self.malformed("follows a single block of zeros"));
        }
        let header = header::read(block).map_err(|reason| self.malformed(reason))?;
        match header.flag {
            flag @ (Flag::Pax | Flag::PaxGlobal | Flag::LongName | Flag::LongLink) => {
                if header.size > MAX_SPECIAL {
                    return Err(LayerError::Limit(format!("{MAX_SPECIAL} bytes of an extended header")));
                }
                self.start_body(header.size, Body::Special(flag), visitor)
            }
            Flag::Sparse => {
                let (sparse, more) = Sparse::from_header(block).map_err(|reason| self.malformed(reason))?;
                self.next.sparse = Some((Box::new(*block), sparse));
                if more {
                    self.state = State::SparseBlock;
                    return Ok(());
                }
                self.sparse_entry(visitor)
            }
            Flag::OldFile | Flag::Entry(_) => self.entry(&header, None, visitor),
        }
    }

    fn sparse_block(&mut self, block: &[u8; BLOCK], visitor: &mut dyn Visitor) -> Result<(), LayerError> {
        let more = match &mut self.next.sparse {
            Some((_, sparse)) => sparse.extend(block),
            None => Ok(false),
        };
        if more.map_err(|reason| self.malformed(reason))? { Ok(()) } else { self.sparse_entry(visitor) }
    }

    /// The map of an old sparse file is complete: its entry can be shown.
    fn sparse_entry(&mut self, visitor: &mut dyn Visitor) -> Result<(), LayerError> {
        let Some((block, sparse)) = self.next.sparse.take() else { return Ok(()) };
        let header = header::read(&block).map_err(|reason| self.malformed(reason))?;
        self.entry(&header, Some(sparse), visitor)
    }

    /// Shows an entry, with all that special headers said of it.
    fn entry(
        &mut self,
        header: &Header<'_>,
        sparse: Option<Sparse>,
        visitor: &mut dyn Visitor,
    ) -> Result<(), LayerError> {
        let Next { records, long_name, long_link, .. } = std::mem::take(&mut self.next);
        let joined;
        let name = match long_name.as_deref().or(records.path.as_deref()) {
            Some(name) => name,
            None if header.prefix.is_empty() => header.name,
            None => {
                joined = [header.prefix, header.name].join(&b'/');
                &joined
            }
        };
        let link = long_link.as_deref().or(records.link.as_deref()).unwrap_or(header.link);
        let kind = match header.flag {
            Flag::OldFile if name.ends_with(b"/") => Kind::Directory,
            Flag::Entry(kind) => kind,
            _ => Kind::File,
        };
        let stored = if kind == Kind::File { records.size.unwrap_or(header.size) } else { 0 };
        let sparse = sparse.or(records.sparse).filter(|_| kind == Kind::File);
        let size = sparse.as_ref().map_or(stored, |sparse| sparse.size);
        let executable = header.executable;
        let wanted = visitor.entry(Entry { name, link, kind, size, stored, executable, sparse })?;
        self.start_body(stored, if wanted { Body::Wanted } else { Body::Unwanted }, visitor)
    }

    fn start_body(&mut self, size: u64, what: Body, visitor: &mut dyn Visitor) -> Result<(), LayerError> {
        let end = size.checked_next_multiple_of(length(&[0; BLOCK]));
        let Some(end) = end.filter(|end| i64::try_from(*end).is_ok()) else {
            return Err(self.malformed("has a size that no file has"));
        };
        self.state = State::Body { left: size, padding: end - size, what };
        if size == 0 { self.body(&[], what, visitor) } else { Ok(()) }
    }

    fn malformed(&self, reason: &str) -> LayerError {
        LayerError::Malformed(format!("header {} of the archive {reason}", self.headers))
    }
}

impl Next {
    fn is_pending(&self) -> bool {
        let records = &self.records;
        self.long_name.is_some()
            || self.long_link.is_some()
            || records.path.is_some()
            || records.link.is_some()
            || records.size.is_some()
    }

    /// Reads the body of a special header.
    fn read(&mut self, flag: Flag, bytes: &[u8]) -> Result<(), &'static str> {
        match flag {
            Flag::Pax => self.records = pax::read(bytes)?,
            Flag::PaxGlobal => {
                pax::read(bytes)?;
            }
            Flag::LongName => self.long_name = Some(header::text(bytes).to_vec()),
            Flag::LongLink => self.long_link = Some(header::text(bytes).to_vec()),
            Flag::Entry(_) | Flag::OldFile | Flag::Sparse => {}
        }
        Ok(())
    }
}

/// At most `left` bytes of the chunk, and the rest of it.
fn split(chunk: &[u8], left: u64) -> (&[u8], &[u8]) {
    let at = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
    chunk.split_at_checked(at).unwrap_or((chunk, &[]))
}

/// A slice's length is never beyond 64 bits.
fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
