//! Berkeley DB hash files (`Packages`, rpm up to 4.15), both byte orders.
//!
//! Every page is looked at once, in file order, rather than by following buckets: the values are what counts. A page
//! starts with its log number (8 bytes), own, previous and next page number (4 each), number of items (2), offset of
//! the free space (2), level and type (1 each). The items' offsets follow; items fill the page from its end. Keys and
//! values alternate. A value that is too long for a page is a chain of overflow pages.
//! Source: Berkeley DB's `db_page.h`, facts of the on-disk format.

use crate::bytes::{Order, Seen, slice};

use super::Collector;

const MAGIC: u32 = 0x0006_1561;
const HEADER: usize = 26;
const PAGE_HASH_UNSORTED: u8 = 2;
const PAGE_OVERFLOW: u8 = 7;
const PAGE_HASH: u8 = 13;
const ITEM_INLINE: u8 = 1;
const ITEM_OFF_PAGE: u8 = 3;

/// The byte order, where the bytes start like such a file.
pub(super) fn order(bytes: &[u8]) -> Option<Order> {
    [Order::Little, Order::Big].into_iter().find(|order| order.u32(bytes, 12) == Some(MAGIC))
}

/// Shows every value to the collector.
pub(super) fn scan(bytes: &[u8], order: Order, collector: &mut Collector<'_>) {
    let Some(file) = Hash::open(bytes, order) else {
        return collector.damage("its Berkeley DB header is malformed".to_owned());
    };
    if bytes.get(24).is_some_and(|&cipher| cipher != 0) {
        return collector.damage("it is encrypted".to_owned());
    }
    let present = bytes.len() / file.page_size;
    if present <= file.last_page {
        collector.damage(format!("it is truncated: {present} of {} pages", file.last_page.saturating_add(1)));
    }
    let mut seen = Seen::new(present);
    for number in 1..present.min(file.last_page.saturating_add(1)) {
        let kind = file.page(number).and_then(|page| page.get(25).copied());
        if matches!(kind, Some(PAGE_HASH | PAGE_HASH_UNSORTED)) {
            file.values(number, &mut seen, collector);
        }
    }
}

struct Hash<'a> {
    bytes: &'a [u8],
    order: Order,
    page_size: usize,
    last_page: usize,
}

impl<'a> Hash<'a> {
    fn open(bytes: &'a [u8], order: Order) -> Option<Self> {
        let page_size = order.size(bytes, 20)?;
        if !(512..=65_536).contains(&page_size) || !page_size.is_power_of_two() {
            return None;
        }
        Some(Self { bytes, order, page_size, last_page: order.size(bytes, 32)? })
    }

    fn page(&self, number: usize) -> Option<&'a [u8]> {
        slice(self.bytes, number.checked_mul(self.page_size)?, self.page_size)
    }

    /// The values of one hash page: its items with an odd index.
    fn values(&self, number: usize, seen: &mut Seen, collector: &mut Collector<'_>) {
        let Some(page) = self.page(number) else { return };
        let count = usize::from(self.order.u16(page, 20).unwrap_or(0));
        if count % 2 == 1 || count > (self.page_size - HEADER) / 2 {
            return collector.damage(format!("page {number} has an impossible number of items"));
        }
        let mut end = self.page_size;
        for index in 0..count {
            let start = self.order.u16(page, HEADER + 2 * index).map_or(0, usize::from);
            let Some(item) = page.get(start..end).filter(|_| start >= HEADER) else {
                return collector.damage(format!("page {number} has an item outside of itself"));
            };
            // Offsets are 16 bits wide: on a 64 KiB page no item but an empty one could start at its end.
            end = start;
            if index % 2 == 1
                && let Err(reason) = self.value(item, seen, collector)
            {
                collector.damage(format!("page {number}: {reason}"));
            }
        }
    }

    fn value(&self, item: &[u8], seen: &mut Seen, collector: &mut Collector<'_>) -> Result<(), &'static str> {
        let (&kind, rest) = item.split_first().ok_or("an empty item")?;
        match kind {
            // Key 0 holds the highest number given so far, in 4 bytes: not a package.
            ITEM_INLINE if rest.len() <= 4 => {}
            ITEM_INLINE => collector.header(rest),
            ITEM_OFF_PAGE => {
                let first = self.order.size(item, 4).ok_or("a short item")?;
                let length = self.order.size(item, 8).ok_or("a short item")?;
                let value = self.chain(first, length, seen)?;
                collector.header(&value);
            }
            _ => return Err("an item of unknown type"),
        }
        Ok(())
    }

    /// A value on overflow pages. A page belongs to one chain only, so all chains together cost one pass.
    fn chain(&self, first: usize, length: usize, seen: &mut Seen) -> Result<Vec<u8>, &'static str> {
        if length > self.bytes.len() {
            return Err("a value longer than the file");
        }
        let mut value = Vec::new();
        let mut next = first;
        while value.len() < length {
            let page = self.page(next).filter(|_| next != 0).ok_or("a chain of pages leaves the file")?;
            if !seen.insert(next) {
                return Err("a chain of pages meets a page that was read already");
            }
            if page.get(25) != Some(&PAGE_OVERFLOW) {
                return Err("a chain of pages meets a page of another type");
            }
            let used = self.order.u16(page, 22).map_or(0, usize::from);
            value.extend_from_slice(slice(page, HEADER, used).ok_or("an overflow page is overfull")?);
            next = self.order.size(page, 16).ok_or("a short page")?;
        }
        value.truncate(length);
        Ok(value)
    }
}
