//! Bytes in pieces: a body of gigabytes whose pieces are shared between many bodies.

use bytes::{Bytes, BytesMut};

/// Pieces that follow each other. Cloning one copies no bytes.
#[derive(Debug, Clone, Default)]
pub struct Rope {
    pieces: Vec<Bytes>,
    length: usize,
}

impl Rope {
    /// Bytes of all pieces.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds a piece at the end.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.pieces.push(piece);
        }
    }

    /// The bytes from the first up to and without the second offset, as far as there are any.
    #[must_use]
    pub fn slice(&self, from: usize, to: usize) -> Self {
        let (mut part, mut at) = (Self::default(), 0);
        for piece in &self.pieces {
            let (begin, end) =
                (from.saturating_sub(at).min(piece.len()), to.saturating_sub(at).min(piece.len()));
            if begin < end {
                part.push(piece.slice(begin..end));
            }
            at += piece.len();
        }
        part
    }

    /// The same with the byte at an offset inverted.
    #[must_use]
    pub fn inverted(&self, at: usize) -> Self {
        let mut wrong = self.slice(0, at);
        if let Some(byte) =
            self.slice(at, at.saturating_add(1)).pieces.first().and_then(|piece| piece.first())
        {
            wrong.push(Bytes::copy_from_slice(&[!*byte]));
        }
        for piece in self.slice(at.saturating_add(1), self.length).pieces {
            wrong.push(piece);
        }
        wrong
    }

    /// The pieces, in order.
    pub fn pieces(self) -> impl Iterator<Item = Bytes> + Send + 'static {
        self.pieces.into_iter()
    }

    /// All bytes in one piece; copies where there are several.
    #[must_use]
    pub fn joined(&self) -> Bytes {
        match self.pieces.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            several => {
                let mut all = BytesMut::with_capacity(self.length);
                several.iter().for_each(|piece| all.extend_from_slice(piece));
                all.freeze()
            }
        }
    }
}

impl From<Bytes> for Rope {
    fn from(bytes: Bytes) -> Self {
        let mut rope = Self::default();
        rope.push(bytes);
        rope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rope_is_its_bytes() {
        let mut rope = Rope::from(Bytes::from_static(b"abc"));
        rope.push(Bytes::new());
        rope.push(Bytes::from_static(b"defg"));
        rope.push(Bytes::from_static(b"h"));
        let whole = b"abcdefgh";
        assert_eq!((rope.len(), rope.joined().as_ref()), (8, &whole[..]));
        for from in 0..=9 {
            for to in from..=9 {
                let (begin, end) = (from.min(8), to.min(8));
                assert_eq!(rope.slice(from, to).joined().as_ref(), &whole[begin..end], "{from}..{to}");
            }
            let mut wrong = whole.to_vec();
            if let Some(byte) = wrong.get_mut(from) {
                *byte = !*byte;
            }
            assert_eq!(rope.inverted(from).joined().as_ref(), wrong, "{from}");
        }
        assert!(Rope::default().is_empty() && Rope::default().joined().is_empty());
    }
}
