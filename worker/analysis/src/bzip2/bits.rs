//! Bits, the most significant one first.

use std::io::{self, BufRead};

use super::damaged;

/// A reader of bits.
pub(super) struct Bits<R> {
    input: R,
    /// The low `count` bits are still to be read.
    held: u64,
    count: u32,
}

impl<R: BufRead> Bits<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, held: 0, count: 0 }
    }

    /// The next bits as a number; at most 56 at a time.
    pub(super) fn take(&mut self, bits: u32) -> io::Result<u64> {
        while self.count < bits {
            let byte = *self.input.fill_buf()?.first().ok_or_else(|| damaged("it is cut off"))?;
            self.input.consume(1);
            self.held = (self.held << 8) | u64::from(byte);
            self.count += 8;
        }
        self.count -= bits;
        Ok((self.held >> self.count) & ((1 << bits) - 1))
    }

    pub(super) fn bit(&mut self) -> io::Result<bool> {
        Ok(self.take(1)? == 1)
    }

    /// Skips to the next whole byte.
    pub(super) fn align(&mut self) {
        self.count -= self.count % 8;
    }

    /// Whether nothing follows.
    pub(super) fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.count == 0 && self.input.fill_buf()?.is_empty())
    }
}
