//! What an assessment asked of a database, and what a database says under each key: how the two travel and are kept. With both
//! of two databases and the questions of a report it is known whether the report would say the same with the other database.
//! Keys and hashes are made by the analysis; here they are only numbers.

/// Longest encoded questions of one report, in bytes: more is as good as not knowing them.
pub const MOST_ASKED_BYTES: usize = 512 << 10;
/// Longest encoded outline, in bytes: some six million keys.
pub const MOST_OUTLINE_BYTES: usize = 64 << 20;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadOutline {
    /// Cut off, or not in order.
    #[error("it is damaged")]
    Damaged,
    /// More than anybody writes.
    #[error("it is too long")]
    TooLong,
}

/// The keys under which an assessment asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// How keys and hashes are made: only what is made alike is compared.
    pub scheme: u32,
    /// Which *assess* asked.
    pub assessor: u64,
    /// In ascending order, each once.
    pub keys: Vec<u32>,
}

/// What a database says under its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// As [`Asked::scheme`].
    pub scheme: u32,
    /// Keys in ascending order, each once, and hashes over what is said under them.
    pub entries: Vec<(u32, u64)>,
}

impl Asked {
    /// As it is kept: scheme, assessor, and the steps from key to key as LEB128.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.scheme.to_le_bytes().to_vec();
        out.extend_from_slice(&self.assessor.to_le_bytes());
        let mut before = 0;
        for key in &self.keys {
            put_step(&mut out, key.wrapping_sub(before));
            before = *key;
        }
        out
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadOutline> {
        if bytes.len() > MOST_ASKED_BYTES {
            return Err(BadOutline::TooLong);
        }
        let (scheme, rest) = bytes.split_first_chunk::<4>().ok_or(BadOutline::Damaged)?;
        let (assessor, mut rest) = rest.split_first_chunk::<8>().ok_or(BadOutline::Damaged)?;
        let mut keys = Vec::new();
        while !rest.is_empty() {
            keys.push(take_key(&mut rest, keys.last().copied())?);
        }
        Ok(Self { scheme: u32::from_le_bytes(*scheme), assessor: u64::from_le_bytes(*assessor), keys })
    }

    /// Whether any of the keys is among these, which are in ascending order.
    #[must_use]
    pub fn touches(&self, changed: &[u32]) -> bool {
        self.keys.iter().any(|key| changed.binary_search(key).is_ok())
    }
}

impl Outline {
    /// As it is kept: scheme, and for each key the step from the one before as LEB128 and the hash.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.scheme.to_le_bytes().to_vec();
        let mut before = 0;
        for (key, hash) in &self.entries {
            put_step(&mut out, key.wrapping_sub(before));
            out.extend_from_slice(&hash.to_le_bytes());
            before = *key;
        }
        out
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadOutline> {
        if bytes.len() > MOST_OUTLINE_BYTES {
            return Err(BadOutline::TooLong);
        }
        let (scheme, mut rest) = bytes.split_first_chunk::<4>().ok_or(BadOutline::Damaged)?;
        let mut entries: Vec<(u32, u64)> = Vec::new();
        while !rest.is_empty() {
            let key = take_key(&mut rest, entries.last().map(|entry| entry.0))?;
            let (hash, next) = rest.split_first_chunk::<8>().ok_or(BadOutline::Damaged)?;
            entries.push((key, u64::from_le_bytes(*hash)));
            rest = next;
        }
        Ok(Self { scheme: u32::from_le_bytes(*scheme), entries })
    }

    /// The keys under which another outline says something else, in ascending order; `None` when the two cannot be compared.
    #[must_use]
    pub fn changes(&self, other: &Self) -> Option<Vec<u32>> {
        if self.scheme != other.scheme {
            return None;
        }
        let mut changed = Vec::new();
        let (mut left, mut right) = (self.entries.iter().peekable(), other.entries.iter().peekable());
        loop {
            let key = match (left.peek(), right.peek()) {
                (None, None) => return Some(changed),
                (Some(one), None) | (None, Some(one)) => one.0,
                (Some(one), Some(other)) => one.0.min(other.0),
            };
            if left.next_if(|entry| entry.0 == key) != right.next_if(|entry| entry.0 == key) {
                changed.push(key);
            }
        }
    }
}

fn put_step(out: &mut Vec<u8>, mut step: u32) {
    loop {
        let [low, ..] = (step & 0x7f).to_le_bytes();
        step >>= 7;
        if step == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// The next key; greater than the one before it.
fn take_key(rest: &mut &[u8], before: Option<u32>) -> Result<u32, BadOutline> {
    let mut step = 0_u64;
    for shift in (0..35).step_by(7) {
        let (byte, next) = rest.split_first().ok_or(BadOutline::Damaged)?;
        *rest = next;
        step |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 != 0 {
            continue;
        }
        if before.is_some() && step == 0 {
            return Err(BadOutline::Damaged);
        }
        let key = u64::from(before.unwrap_or(0)) + step;
        return u32::try_from(key).map_err(|_| BadOutline::Damaged);
    }
    Err(BadOutline::Damaged)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            scheme in any::<u32>(),
            assessor in any::<u64>(),
            entries in prop::collection::btree_map(any::<u32>(), any::<u64>(), 0..50),
        ) {
            let keys = entries.keys().copied().collect();
            let asked = Asked { scheme, assessor, keys };
            prop_assert_eq!(Asked::decode(&asked.encode()), Ok(asked));
            let outline = Outline { scheme, entries: entries.into_iter().collect() };
            prop_assert_eq!(Outline::decode(&outline.encode()), Ok(outline));
        }

        #[test]
        fn any_bytes_are_refused_or_read_in_order(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(asked) = Asked::decode(&bytes) {
                prop_assert!(asked.keys.is_sorted_by(|a, b| a < b));
            }
            if let Ok(outline) = Outline::decode(&bytes) {
                prop_assert!(outline.entries.is_sorted_by(|a, b| a.0 < b.0));
            }
        }

        #[test]
        fn changes_are_what_differs(
            old in prop::collection::btree_map(0..20_u32, 0..3_u64, 0..20),
            new in prop::collection::btree_map(0..20_u32, 0..3_u64, 0..20),
            asked in prop::collection::btree_set(0..20_u32, 0..4),
        ) {
            let outline = |of: &BTreeMap<u32, u64>| Outline {
                scheme: 1,
                entries: of.iter().map(|(key, hash)| (*key, *hash)).collect(),
            };
            let changed = outline(&old).changes(&outline(&new)).expect("of one scheme");
            let differs = |key: &u32| old.get(key) != new.get(key);
            let expected: Vec<u32> = (0..20).filter(differs).collect();
            prop_assert_eq!(&changed, &expected);
            let touches = asked.iter().any(differs);
            let asked = Asked { scheme: 1, assessor: 0, keys: asked.into_iter().collect() };
            prop_assert_eq!(asked.touches(&changed), touches);
        }
    }

    #[test]
    fn what_is_made_differently_is_not_compared() {
        let outline = |scheme| Outline { scheme, entries: vec![(1, 1)] };
        assert_eq!(outline(1).changes(&outline(2)), None);
        assert_eq!(outline(1).changes(&outline(1)), Some(Vec::new()));
    }

    #[test]
    fn bytes_out_of_order_are_damaged() {
        let header = [0_u8; 12];
        for tail in
            [&[5, 0][..], &[0x80], &[0xff, 0xff, 0xff, 0xff, 0x7f], &[0xff, 0xff, 0xff, 0xff, 0x0f, 1]]
        {
            assert_eq!(Asked::decode(&[&header, tail].concat()), Err(BadOutline::Damaged), "{tail:?}");
        }
        assert_eq!(Asked::decode(&[0; 11]), Err(BadOutline::Damaged));
        assert_eq!(Asked::decode(&vec![0; MOST_ASKED_BYTES + 1]), Err(BadOutline::TooLong));
    }
}
