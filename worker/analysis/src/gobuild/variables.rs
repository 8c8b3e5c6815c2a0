//! The text that string variables of a Go program start with.
//!
//! A string is two words, the address of its bytes and their count, and the variables of one package that start with a
//! value stand beside each other in the data section, in the order of the source. So a version that its package keeps in
//! a variable can be told from all others by its neighbours. The texts themselves are parted by nothing in the file.

use crate::executable::Executable;

/// Bytes of the data section that are looked at: those of the largest servers have less than one million.
const DATA_BYTES: usize = 16 << 20;
/// Bytes of the longest text that counts.
const TEXT_BYTES: usize = 100;

/// The data section of a program, and what its words can point at.
pub(crate) struct Variables<'a> {
    file: Executable<'a>,
    data: &'a [u8],
    parts: Vec<(u64, &'a [u8])>,
}

impl<'a> Variables<'a> {
    /// The variables of a program; `None` when it has no data section.
    pub(crate) fn of(file: &Executable<'a>) -> Option<Self> {
        let data = file.section(".data").or_else(|| file.section("__data"))?;
        let data = data.get(..DATA_BYTES).unwrap_or(data);
        Some(Self { file: *file, data, parts: file.loaded() })
    }

    /// Every variable whose text is wanted: its place and the text.
    pub(crate) fn texts(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (usize, &'a str)> {
        let words = self.data.len() / self.file.pointer;
        (0..words)
            .filter_map(move |place| self.text(place).filter(|text| wanted(text)).map(|text| (place, text)))
    }

    /// The text of the variable so many before or after the one at a place. Empty where the variable is.
    pub(crate) fn beside(&self, place: usize, distance: isize) -> Option<&'a str> {
        self.text(place.checked_add_signed(distance.checked_mul(2)?)?)
    }

    fn text(&self, place: usize) -> Option<&'a str> {
        let address = self.word(place)?;
        let length = usize::try_from(self.word(place.checked_add(1)?)?).ok()?;
        if address == 0 || length > TEXT_BYTES {
            return None;
        }
        let holds = |(start, bytes): &&(u64, &'a [u8])| {
            let into = address.checked_sub(*start).and_then(|into| usize::try_from(into).ok());
            into.and_then(|into| into.checked_add(length)).is_some_and(|end| end <= bytes.len())
        };
        let (start, bytes) = self.parts.iter().find(holds)?;
        let from = usize::try_from(address.checked_sub(*start)?).ok()?;
        str::from_utf8(bytes.get(from..from.checked_add(length)?)?).ok()
    }

    fn word(&self, place: usize) -> Option<u64> {
        let at = place.checked_mul(self.file.pointer)?;
        if self.file.pointer == 8 {
            self.file.order.u64(self.data, at)
        } else {
            self.file.order.u32(self.data, at).map(u64::from)
        }
    }
}
