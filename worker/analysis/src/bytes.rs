//! Checked reads of numbers from hostile bytes: out of range is `None`, never a panic.

/// Byte order of a format that knows both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Order {
    /// Two bytes at that offset.
    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = array(bytes, at)?;
        Some(match self {
            Self::Little => u16::from_le_bytes(raw),
            Self::Big => u16::from_be_bytes(raw),
        })
    }

    /// Four bytes at that offset.
    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = array(bytes, at)?;
        Some(match self {
            Self::Little => u32::from_le_bytes(raw),
            Self::Big => u32::from_be_bytes(raw),
        })
    }

    /// Eight bytes at that offset.
    pub(crate) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let raw = array(bytes, at)?;
        Some(match self {
            Self::Little => u64::from_le_bytes(raw),
            Self::Big => u64::from_be_bytes(raw),
        })
    }

    /// Four bytes at that offset, as an offset or a length on this machine.
    pub(crate) fn size(self, bytes: &[u8], at: usize) -> Option<usize> {
        usize::try_from(self.u32(bytes, at)?).ok()
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    slice(bytes, at, N)?.try_into().ok()
}

/// `length` bytes from `at` on.
pub(crate) fn slice(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(length)?)
}

/// The bytes from `at` up to the next NUL, which must be there.
pub(crate) fn terminated(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    rest.get(..rest.iter().position(|&byte| byte == 0)?)
}

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Where `needle` first stands in `bytes`, at or after `from`. The place of its first byte and that of its last one are compared
/// for a block of places at once, which compilers do with the processor's wide registers: programs have 100 MB and more.
pub(crate) fn find(bytes: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let (&first, rest) = needle.split_first()?;
    let last = *needle.last()?;
    let heads = bytes.get(from..)?;
    let tails = heads.get(rest.len()..)?;
    let within = |at: usize, places: usize| {
        let candidates = heads.get(at..)?.iter().zip(tails.get(at..)?).take(places).enumerate();
        let mut ends = candidates.filter(|(_, (head, tail))| **head == first && **tail == last);
        let found = |index: usize| heads.get(at + index..).is_some_and(|text| text.starts_with(needle));
        ends.find(|(index, _)| found(*index)).map(|(index, _)| from + at + index)
    };
    let (blocks, _) = tails.as_chunks::<BLOCK>();
    for (index, (heads, tails)) in heads.as_chunks::<BLOCK>().0.iter().zip(blocks).enumerate() {
        let matches = |(head, tail): (&u8, &u8)| (*head == first) & (*tail == last);
        if heads.iter().zip(tails).map(matches).fold(false, |any, one| any | one)
            && let Some(found) = within(index * BLOCK, BLOCK)
        {
            return Some(found);
        }
    }
    within(blocks.len() * BLOCK, BLOCK)
}

/// A set of small numbers: which pages of a file have been read. It makes every walk over linked pages end.
#[derive(Debug)]
pub(crate) struct Seen {
    words: Vec<u64>,
}

impl Seen {
    /// Room for the numbers below `count`.
    pub(crate) fn new(count: usize) -> Self {
        Self { words: vec![0; count.div_ceil(64)] }
    }

    /// Adds a number; false when it is there already or there is no room for it.
    pub(crate) fn insert(&mut self, number: usize) -> bool {
        let Some(word) = self.words.get_mut(number / 64) else { return false };
        let bit = 1_u64 << (number % 64);
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_the_end_are_none() {
        let bytes = [1, 2, 3, 4, 5];
        assert_eq!(Order::Little.u16(&bytes, 0), Some(0x0201));
        assert_eq!(Order::Big.u32(&bytes, 1), Some(0x0203_0405));
        assert_eq!(Order::Big.u32(&bytes, 2), None);
        assert_eq!(Order::Big.u64(&bytes, 0), None);
        assert_eq!(slice(&bytes, usize::MAX, 2), None);
    }

    #[test]
    fn finds_a_needle_also_at_the_end_and_after_false_starts() {
        assert_eq!(find(b"aaab", b"aab", 0), Some(1));
        assert_eq!(find(b"aaab", b"aab", 2), None);
        assert_eq!(find(b"xyz", b"z", 0), Some(2));
        assert_eq!(find(b"xyz", b"", 0), None);
        assert_eq!(find(b"", b"z", 9), None);
        // Around the borders of blocks, with candidates that are none.
        for place in 0..3 * BLOCK {
            for needle in [&b"z"[..], b"xz", b"xyyz", &[b'q'; 70]] {
                let mut bytes = vec![b'x'; 4 * BLOCK + 9];
                bytes[place..place + needle.len()].copy_from_slice(needle);
                let expected = bytes.windows(needle.len()).position(|window| window == needle);
                assert_eq!(find(&bytes, needle, 0), expected, "{place} {needle:?}");
                assert_eq!(find(&bytes, needle, place), Some(place.max(expected.unwrap())), "{place}");
                assert_eq!(find(&bytes, needle, place + 1), None, "{place}");
            }
        }
    }

    #[test]
    fn a_number_is_new_once() {
        let mut seen = Seen::new(65);
        assert!(seen.insert(64));
        assert!(!seen.insert(64));
        assert!(!seen.insert(1_000));
    }
}
