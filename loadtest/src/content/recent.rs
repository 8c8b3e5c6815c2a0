//! The layers that were asked for last, so that a blob is not made twice for its digest and its download.

use std::collections::HashMap;

use bytes::Bytes;

use super::layer::LayerId;

/// A small cache bounded in bytes; the one that was used longest ago goes first.
pub(crate) struct Recent {
    limit: usize,
    held: usize,
    clock: u64,
    blobs: HashMap<LayerId, (u64, Bytes)>,
}

impl Recent {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, held: 0, clock: 0, blobs: HashMap::new() }
    }

    pub(crate) fn get(&mut self, layer: LayerId) -> Option<Bytes> {
        self.clock += 1;
        let (used, bytes) = self.blobs.get_mut(&layer)?;
        *used = self.clock;
        Some(bytes.clone())
    }

    pub(crate) fn put(&mut self, layer: LayerId, bytes: Bytes) {
        if bytes.len() > self.limit {
            return;
        }
        self.clock += 1;
        self.held += bytes.len();
        if let Some((_, old)) = self.blobs.insert(layer, (self.clock, bytes)) {
            self.held -= old.len();
        }
        while self.held > self.limit {
            let Some(oldest) = self.blobs.iter().min_by_key(|(_, (used, _))| *used).map(|(layer, _)| *layer)
            else {
                return;
            };
            if let Some((_, bytes)) = self.blobs.remove(&oldest) {
                self.held -= bytes.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::layer::Arch;

    #[test]
    fn the_least_recently_used_goes_first() {
        let layer = |base| LayerId::Base { base, arch: Arch::Amd64 };
        let mut recent = Recent::new(20);
        recent.put(layer(0), Bytes::from_static(&[0; 8]));
        recent.put(layer(1), Bytes::from_static(&[1; 8]));
        assert!(recent.get(layer(0)).is_some());
        recent.put(layer(2), Bytes::from_static(&[2; 8]));
        assert_eq!(recent.get(layer(1)), None);
        assert!(recent.get(layer(0)).is_some() && recent.get(layer(2)).is_some());
        recent.put(layer(3), Bytes::from_static(&[3; 21]));
        assert_eq!(recent.get(layer(3)), None, "larger than the whole cache");
        recent.put(layer(0), Bytes::from_static(&[4; 20]));
        assert_eq!(recent.get(layer(0)), Some(Bytes::from_static(&[4; 20])));
        assert_eq!((recent.held, recent.blobs.len()), (20, 1));
    }
}
