//! SQLite files (`rpmdb.sqlite`, rpm 4.16 and later): the rows of the table `Packages`, read from its b-tree.
//!
//! No SQL and no library: a database in an image is often in write-ahead mode, which SQLite refuses to open from memory,
//! and it is hostile. Source: the file format that sqlite.org documents.

use std::borrow::Cow;

use crate::bytes::{Order::Big, Seen, slice};

use super::Collector;

/// How the file starts.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";
const INTERIOR: u8 = 0x05;
const LEAF: u8 = 0x0d;
/// A page of the write-ahead log's file starts after its header of 32 bytes and each frame's of 24.
const LOG_HEADER: usize = 32;

/// Shows the blob of every row of `Packages` to the collector.
pub(super) fn scan(bytes: &[u8], collector: &mut Collector<'_>) {
    let Some(database) = Database::open(bytes) else {
        return collector.damage("its SQLite header is malformed".to_owned());
    };
    // The page count in the header counts only if it was written together with the change counter.
    let pages = Big.size(bytes, 28).filter(|_| Big.u32(bytes, 24) == Big.u32(bytes, 92)).unwrap_or(0);
    if pages > database.pages {
        collector.damage(format!("it is truncated: {} of {pages} pages", database.pages));
    }
    let logged = bytes.get(18) == Some(&2);
    let mut seen = Seen::new(database.pages.saturating_add(1));
    let mut root = None;
    database.rows(1, &mut seen, &mut |row, _| root = root.or(packages_root(row)), collector);
    let Some(root) = root else {
        let hint = if logged { ": its content may stand only in its write-ahead log" } else { "" };
        return collector.damage(format!("it has no table of packages{hint}"));
    };
    let mut rows = 0_u64;
    let mut each = |row: &[u8], collector: &mut Collector<'_>| {
        rows += 1;
        match blob(row) {
            Some(blob) => collector.header(blob),
            None => collector.damage("a row of its table of packages is malformed".to_owned()),
        }
    };
    database.rows(root, &mut seen, &mut each, collector);
    if rows == 0 && logged {
        collector.damage(
            "its table of packages is empty: its content may stand only in its write-ahead log".to_owned(),
        );
    }
}

/// Whether a write-ahead log holds a frame that belongs to it.
pub(super) fn log_has_frames(log: &[u8]) -> bool {
    let magic = Big.u32(log, 0);
    let salts = slice(log, 16, 8);
    matches!(magic, Some(0x377f_0682 | 0x377f_0683))
        && salts.is_some()
        && salts == slice(log, LOG_HEADER + 8, 8)
}

/// Is shown every row of a table.
type Each<'f> = &'f mut dyn FnMut(&[u8], &mut Collector<'_>);

struct Database<'a> {
    bytes: &'a [u8],
    page_size: usize,
    /// Bytes of a page that content may use.
    usable: usize,
    pages: usize,
}

impl<'a> Database<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let page_size = match usize::from(Big.u16(bytes, 16)?) {
            1 => 65_536,
            size => size,
        };
        if !(512..=65_536).contains(&page_size) || !page_size.is_power_of_two() {
            return None;
        }
        let usable = page_size - usize::from(*bytes.get(20)?);
        (usable >= 480).then_some(Self { bytes, page_size, usable, pages: bytes.len() / page_size })
    }

    /// Pages count from 1.
    fn page(&self, number: usize) -> Option<&'a [u8]> {
        slice(self.bytes, number.checked_sub(1)?.checked_mul(self.page_size)?, self.page_size)
    }

    /// Every row of the table whose b-tree starts at page `root`, in order of the row number. A page is read once only,
    /// whatever the tree says, so a cycle ends and shared pages cost nothing.
    fn rows(&self, root: usize, seen: &mut Seen, each: Each<'_>, collector: &mut Collector<'_>) {
        let mut open = vec![root];
        while let Some(number) = open.pop() {
            let page = self.page(number);
            let (Some(page), true) = (page, seen.insert(number)) else {
                collector.damage(format!("page {number} is missing or stands twice in a table"));
                continue;
            };
            let start = if number == 1 { 100 } else { 0 };
            let read = match page.get(start) {
                Some(&LEAF) => self.leaf(page, start, seen, each, collector),
                Some(&INTERIOR) => children(page, start, &mut open),
                _ => None,
            };
            if read.is_none() {
                collector.damage(format!("page {number} of a table is malformed"));
            }
        }
    }

    /// The rows of a leaf. `None` when one of them is malformed; the others have been shown.
    fn leaf(
        &self,
        page: &[u8],
        start: usize,
        seen: &mut Seen,
        each: Each<'_>,
        collector: &mut Collector<'_>,
    ) -> Option<()> {
        let count = usize::from(Big.u16(page, start + 3)?);
        let mut sound = Some(());
        // A cell takes at least 4 bytes: more of them than fit would be rows read twice.
        if count > page.len() / 4 {
            return None;
        }
        let mut left = page.len();
        for index in 0..count {
            let at = usize::from(Big.u16(page, start + 8 + 2 * index)?);
            match self.payload(page, at, seen, &mut left) {
                Some(payload) => each(&payload, collector),
                None => sound = None,
            }
        }
        sound
    }

    /// The content of the cell at `at`. `left` bounds what the cells of one page may hold in it altogether.
    fn payload<'p>(
        &self,
        page: &'p [u8],
        at: usize,
        seen: &mut Seen,
        left: &mut usize,
    ) -> Option<Cow<'p, [u8]>> {
        let cell = page.get(at..)?;
        let (length, rest) = varint(cell)?;
        let (_row, rest) = varint(rest)?;
        let length = usize::try_from(length).ok().filter(|&length| length <= self.bytes.len())?;
        let local = self.local(length);
        *left = left.checked_sub(local)?;
        let (inline, rest) = rest.split_at_checked(local)?;
        if local == length {
            return Some(Cow::Borrowed(inline));
        }
        let mut content = inline.to_vec();
        let mut next = Big.size(rest, 0)?;
        while content.len() < length {
            let page = self.page(next)?;
            if !seen.insert(next) {
                return None;
            }
            let part = page.get(4..self.usable)?;
            let wanted = part.len().min(length - content.len());
            content.extend_from_slice(part.get(..wanted)?);
            next = Big.size(page, 0)?;
        }
        Some(Cow::Owned(content))
    }

    /// How much of a payload stands in the leaf itself.
    fn local(&self, length: usize) -> usize {
        if length <= self.usable - 35 {
            return length;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let local = least + (length - least) % (self.usable - 4);
        if local <= self.usable - 35 { local } else { least }
    }
}

/// The children of an interior page go on top of the stack, the first one uppermost.
fn children(page: &[u8], start: usize, open: &mut Vec<usize>) -> Option<()> {
    let count = usize::from(Big.u16(page, start + 3)?);
    let mut found = vec![Big.size(page, start + 8)?];
    for index in (0..count).rev() {
        let at = usize::from(Big.u16(page, start + 12 + 2 * index)?);
        found.push(Big.size(page, at)?);
    }
    open.append(&mut found);
    Some(())
}

/// The root page of `Packages`, when a row of the schema table is about it: type, name, table, root page, SQL.
fn packages_root(row: &[u8]) -> Option<usize> {
    let columns = columns::<4>(row)?;
    let [kind, name, _table, root] = columns;
    if kind != b"table" || name != b"Packages" {
        return None;
    }
    root.iter().try_fold(0_usize, |number, &byte| number.checked_mul(256)?.checked_add(usize::from(byte)))
}

/// The second column of a row of `Packages`: number, blob.
fn blob(row: &[u8]) -> Option<&[u8]> {
    let [_number, blob] = columns::<2>(row)?;
    Some(blob)
}

/// The raw bytes of a record's first columns.
fn columns<const N: usize>(record: &[u8]) -> Option<[&[u8]; N]> {
    let (header, _) = varint(record)?;
    let header_length = usize::try_from(header).ok()?;
    let skipped = record.len() - varint(record)?.1.len();
    let mut types = record.get(skipped..header_length)?;
    let mut body = record.get(header_length..)?;
    let mut columns = [&[][..]; N];
    for column in &mut columns {
        let (kind, rest) = varint(types)?;
        types = rest;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => (kind - 12) / 2,
        };
        let (value, rest) = body.split_at_checked(usize::try_from(length).ok()?)?;
        *column = value;
        body = rest;
    }
    Some(columns)
}

/// SQLite's number of variable length: seven bits a byte, most significant first, at most nine bytes.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for index in 0..8 {
        let byte = *bytes.get(index)?;
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    Some((value << 8 | u64::from(*bytes.get(8)?), bytes.get(9..)?))
}
