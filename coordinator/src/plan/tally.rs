//! Which layers a scan has counted, and as what. There are millions of them, and nothing hangs on it but a count: each takes
//! nine bytes, seven of them the beginning of its digest. Of four million layers two begin alike once in ten thousand sweeps.

use std::collections::HashMap;

/// What a layer was for a scan so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Open,
    Reused,
    Analysed,
}

/// Layers by the first eight bytes of their digests. Never iterated over.
#[derive(Debug, Default)]
pub(super) struct Tally(HashMap<[u8; 7], State>);

#[derive(Debug, Clone, Copy, Default)]
struct State {
    fate: Option<Fate>,
    before: bool,
}

impl Tally {
    pub(super) fn fate(&self, layer: u64) -> Option<Fate> {
        self.state(layer).fate
    }

    pub(super) fn set(&mut self, layer: u64, fate: Fate) {
        self.0.entry(beginning(layer)).or_default().fate = Some(fate);
    }

    /// Whether it was counted before a restart, or by an outcome before an image named it.
    pub(super) fn was_before(&self, layer: u64) -> bool {
        self.state(layer).before
    }

    /// False when it was noted before.
    pub(super) fn insert_before(&mut self, layer: u64) -> bool {
        !std::mem::replace(&mut self.0.entry(beginning(layer)).or_default().before, true)
    }

    fn state(&self, layer: u64) -> State {
        self.0.get(&beginning(layer)).copied().unwrap_or_default()
    }
}

const fn beginning(layer: u64) -> [u8; 7] {
    let [a, b, c, d, e, f, g, _] = layer.to_be_bytes();
    [a, b, c, d, e, f, g]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_has_one_fate_and_a_past() {
        let (mut tally, layer) = (Tally::default(), 0x0102_0304_0506_0708);
        assert_eq!((tally.fate(layer), tally.was_before(layer)), (None, false));
        assert!(tally.insert_before(layer) && !tally.insert_before(layer));
        assert_eq!((tally.fate(layer), tally.was_before(layer)), (None, true));
        for fate in [Fate::Open, Fate::Reused, Fate::Analysed] {
            tally.set(layer, fate);
            assert_eq!((tally.fate(layer), tally.was_before(layer)), (Some(fate), true));
        }
        let other = layer ^ 0x0100;
        assert_eq!((tally.fate(other), tally.was_before(other)), (None, false));
    }

    #[test]
    fn a_million_layers_take_little() {
        assert_eq!(size_of::<([u8; 7], State)>(), 9);
    }
}
