//! Reads a part, every length checked.

use std::io::Read as _;

use sha2::{Digest as _, Sha256};

use super::Read;
use crate::{
    assess::{FixState, Severity},
    database::{
        DatabaseError, Score,
        compact::{Advisory, Events, Package, Prepared},
        entry::{self, kind},
        read::{Cursor, damaged},
    },
};

/// Bytes of one part, unpacked.
const PART: u64 = 8 << 30;

pub(super) fn decode(heading: &str, bytes: &[u8]) -> Option<Vec<Read>> {
    let (digest, packed) = bytes.split_at_checked(32)?;
    if Sha256::digest(packed).as_slice() != digest {
        return None;
    }
    let mut unpacked = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(packed).ok()?;
    decoder.take(PART).read_to_end(&mut unpacked).ok()?;
    let mut cursor = Cursor::new(&unpacked);
    if cursor.text().ok()? != heading {
        return None;
    }
    let records = list(&mut cursor, |cursor| {
        let name = text(cursor)?;
        let record = match cursor.byte()? {
            0 => Err(text(cursor)?),
            _ => {
                let defects = list(cursor, text)?;
                Ok(Prepared { advisory: advisory(cursor)?, defects })
            }
        };
        Ok((name, record))
    });
    records.ok().filter(|_| cursor.is_empty())
}

type Result<T> = std::result::Result<T, DatabaseError>;

fn list<T>(cursor: &mut Cursor<'_>, mut read: impl FnMut(&mut Cursor<'_>) -> Result<T>) -> Result<Vec<T>> {
    let mut items = Vec::new();
    for _ in 0..cursor.index()? {
        items.push(read(cursor)?);
    }
    Ok(items)
}

fn text(cursor: &mut Cursor<'_>) -> Result<String> {
    cursor.text().map(str::to_owned)
}

fn flag(cursor: &mut Cursor<'_>) -> Result<bool> {
    Ok(cursor.byte()? != 0)
}

fn rating(cursor: &mut Cursor<'_>) -> Result<Option<Severity>> {
    cursor.byte()?.checked_sub(1).map(entry::severity).transpose()
}

fn score(cursor: &mut Cursor<'_>) -> Result<Score> {
    let version = cursor.byte()?;
    let tenths = if version == 0 { 0 } else { cursor.byte()? };
    Ok(Score { version, tenths })
}

fn advisory(cursor: &mut Cursor<'_>) -> Result<Advisory<String>> {
    Ok(Advisory {
        id: text(cursor)?,
        source: text(cursor)?,
        modified: cursor.varint()?,
        content: {
            let bytes = cursor.bytes(16)?.try_into().map_err(|_| damaged("a digest"))?;
            u128::from_le_bytes(bytes)
        },
        withdrawn: flag(cursor)?,
        harmless: flag(cursor)?,
        title: text(cursor)?,
        rating: rating(cursor)?,
        score: score(cursor)?,
        cves: list(cursor, text)?.into(),
        aliases: list(cursor, text)?.into(),
        answers: list(cursor, text)?.into(),
        git_ranges: cursor.varint()?,
        unversioned: cursor.varint()?,
        packages: list(cursor, package)?.into(),
    })
}

fn package(cursor: &mut Cursor<'_>) -> Result<Package<String>> {
    Ok(Package {
        ecosystem: text(cursor)?,
        name: text(cursor)?,
        stream: text(cursor)?,
        arch: text(cursor)?,
        bound: text(cursor)?,
        state: match cursor.byte()? {
            0 => FixState::NotFixed,
            1 => FixState::WillNotFix,
            2 => FixState::Deferred,
            3 => FixState::UnderInvestigation,
            _ => FixState::EndOfLife,
        },
        rating: rating(cursor)?,
        score: score(cursor)?,
        modular: flag(cursor)?,
        sorted: flag(cursor)?,
        ranges: list(cursor, events)?.into(),
        versions: list(cursor, text)?.into(),
    })
}

fn events(cursor: &mut Cursor<'_>) -> Result<Events<String>> {
    let event = |cursor: &mut Cursor<'_>| Ok((kind(usize::from(cursor.byte()?)), text(cursor)?));
    list(cursor, event).map(Vec::into_boxed_slice)
}
