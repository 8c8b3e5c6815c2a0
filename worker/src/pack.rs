//! zstd of what is small and many: contexts are kept for each thread, because making one (and the pages of a window for a size
//! that nobody told) costs more than what it is made for.

use std::{
    cell::{Cell, RefCell},
    io::{self, Read as _},
};

use zstd::{
    bulk::Compressor,
    stream::read::Decoder,
    zstd_safe::{DCtx, ResetDirective, get_frame_content_size},
};

const LEVEL: i32 = 3;
/// The largest window that a frame may ask for, as a power of two: four times that of the level. A kept context keeps its window's
/// memory, and whoever can write to the cache chooses the frame.
const WINDOW_LOG: u32 = 23;
/// The longest plain text whose room a thread keeps.
const MOST_KEPT: usize = 256 << 10;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
    static PLAIN: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Compresses bytes at level 3, as one frame that tells its size.
///
/// # Errors
/// When the compressor fails, which it only does for want of memory.
pub fn compress(plain: &[u8]) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let mut compressor = match kept.take() {
            Some(compressor) => compressor,
            None => Compressor::new(LEVEL)?,
        };
        let packed = compressor.compress(plain)?;
        // One that failed is not used again.
        *kept = Some(compressor);
        Ok(packed)
    })
}

/// Reads frames of zstd, up to so many bytes of plain text; what is beyond is left out.
///
/// # Errors
/// When they are not zstd, cut short, or want a larger window than any that [`compress`] wrote.
pub fn decompress(packed: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let mut context = kept.take().unwrap_or_else(DCtx::create);
        let mut plain = Vec::new();
        let mut decoder = Decoder::with_context(packed, &mut context);
        decoder.window_log_max(WINDOW_LOG)?;
        decoder.take(limit).read_to_end(&mut plain)?;
        // What was left out must not come before the next one's.
        if context.reset(ResetDirective::SessionOnly).is_ok() {
            *kept = Some(context);
        }
        Ok(plain)
    })
}

/// As [`decompress`], for a plain text that is only looked at: a small one of a known size needs no memory of its own.
///
/// # Errors
/// As there.
pub fn read<T>(packed: &[u8], limit: u64, reader: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
    let told = get_frame_content_size(packed).ok().flatten().filter(|told| *told <= limit);
    let told = told.and_then(|told| usize::try_from(told).ok()).filter(|told| *told <= MOST_KEPT);
    let mut plain = PLAIN.take();
    plain.clear();
    let whole = told.is_some_and(|told| {
        plain.reserve(told);
        // A text that is longer than it says is of several frames, or damaged: that is found out below.
        at_once(packed, &mut plain) && plain.len() == told
    });
    let answer =
        if whole { Ok(reader(&plain)) } else { decompress(packed, limit).map(|plain| reader(&plain)) };
    PLAIN.set(plain);
    answer
}

/// Decompresses into the room that a vector has.
fn at_once(packed: &[u8], plain: &mut Vec<u8>) -> bool {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let mut context = kept.take().unwrap_or_else(DCtx::create);
        let done = context.decompress(plain, packed).is_ok();
        if done {
            *kept = Some(context);
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn no_frame_makes_a_thread_keep_a_large_window() {
        let mut large = zstd::Encoder::new(Vec::new(), LEVEL).expect("an encoder");
        large.window_log(WINDOW_LOG + 1).expect("a window");
        large.write_all(&[7; 100]).expect("written");
        let large = large.finish().expect("a frame");
        assert_eq!(zstd::decode_all(&large[..]).expect("sound by itself"), [7; 100]);
        assert!(decompress(&large, 1 << 30).is_err());
        let packed = compress(b"abc").expect("packed");
        assert_eq!(decompress(&packed, 1 << 30).expect("a frame"), b"abc");
    }

    #[test]
    fn what_was_packed_before_leaves_nothing_behind() {
        let texts = [&b""[..], b"a", &[7; 3_000_000], b"abcabc"];
        for text in texts.iter().chain(&texts) {
            let packed = compress(text).expect("packed");
            assert_eq!(packed, zstd::bulk::compress(text, LEVEL).expect("packed"), "{}", text.len());
            assert_eq!(decompress(&packed, 1 << 30).expect("a frame"), *text);
            assert!(read(&packed, 1 << 30, |plain| plain == *text).expect("a frame"));
            let twice = [packed.as_slice(), &packed].concat();
            let plain = read(&twice, 1 << 30, <[u8]>::to_vec).expect("frames");
            assert_eq!(plain, [*text, *text].concat());
            assert_eq!(read(&packed, 2, <[u8]>::to_vec).expect("a part"), text.get(..2).unwrap_or(text));
            assert!(read(packed.get(..packed.len() / 2).unwrap_or_default(), 1 << 30, |_| ()).is_err());
            // As released versions wrote it: a stream without a size.
            let streamed = zstd::encode_all(*text, LEVEL).expect("packed");
            assert_eq!(decompress(&streamed, 1 << 30).expect("a frame"), *text);
            // Neither a frame that is left in its middle, nor one that is damaged.
            let part = decompress(&packed, 2).expect("a part");
            assert_eq!(part, text.get(..2).unwrap_or(text));
            assert!(decompress(packed.get(..packed.len() / 2).unwrap_or_default(), 1 << 30).is_err());
            assert!(decompress(b"not zstd at all", 1 << 30).is_err());
        }
    }
}
