//! zstd of what is small and many: contexts are kept for each thread, because making one (and the pages of a window for a size
//! that nobody told) costs more than what it is made for.

use std::{
    cell::RefCell,
    io::{self, Read as _},
};

use zstd::{
    bulk::Compressor,
    stream::read::Decoder,
    zstd_safe::{DCtx, ResetDirective},
};

const LEVEL: i32 = 3;
/// The largest window that a frame may ask for, as a power of two: four times that of the level. A kept context keeps its window's
/// memory, and whoever can write to the cache chooses the frame.
const WINDOW_LOG: u32 = 23;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
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
