//! NDB files (`Packages.db`, SUSE): a header, pages of slots, blobs. All numbers are little-endian.
//!
//! A slot is 16 bytes: `Slot`, package number, first block and count of blocks, blocks being 16 bytes. The header takes
//! the room of the first two slots. A blob is `BlbS`, package number, generation, length, the content, padding, and
//! a tail of checksum, length and `BlbE`. Source: rpm's `lib/backend/ndb/rpmpkg.c`, facts of the on-disk format.

use crate::bytes::{Order::Little, slice};

use super::Collector;

/// How the file starts.
pub(super) const MAGIC: &[u8] = b"RpmP";
const BLOCK: usize = 16;
const SLOT_PAGE: usize = 4_096;
const BLOB_HEAD: usize = 16;
const BLOB_TAIL: usize = 12;

/// Shows every blob to the collector.
pub(super) fn scan(bytes: &[u8], collector: &mut Collector<'_>) {
    let Some(slots) = slots(bytes) else {
        return collector.damage("its slot pages are malformed or missing".to_owned());
    };
    // Blobs do not overlap in a sound file: together they are no longer than the file.
    let mut left = bytes.len();
    for slot in slots.chunks_exact(BLOCK).skip(2) {
        if slot.get(..4) != Some(b"Slot") {
            return collector.damage("a slot lacks its mark".to_owned());
        }
        let number = Little.u32(slot, 4).unwrap_or(0);
        if number == 0 {
            continue;
        }
        match blob(bytes, slot, number) {
            Some(content) if content.len() <= left => {
                left -= content.len();
                collector.header(content);
            }
            Some(_) => return collector.damage("its packages overlap".to_owned()),
            None => collector.damage(format!("package {number} is malformed or missing")),
        }
    }
}

fn slots(bytes: &[u8]) -> Option<&[u8]> {
    let version = Little.u32(bytes, 4)?;
    let length = Little.size(bytes, 12)?.checked_mul(SLOT_PAGE)?;
    if version != 0 || length == 0 {
        return None;
    }
    bytes.get(..length)
}

fn blob<'a>(bytes: &'a [u8], slot: &[u8], number: u32) -> Option<&'a [u8]> {
    let start = Little.size(slot, 8)?.checked_mul(BLOCK)?;
    let room = Little.size(slot, 12)?.checked_mul(BLOCK)?;
    let blob = slice(bytes, start, room)?;
    let length = Little.size(blob, 12)?;
    let sound = blob.starts_with(b"BlbS")
        && blob.ends_with(b"BlbE")
        && Little.u32(blob, 4) == Some(number)
        && length <= room.checked_sub(BLOB_HEAD + BLOB_TAIL)?;
    if sound { slice(blob, BLOB_HEAD, length) } else { None }
}
