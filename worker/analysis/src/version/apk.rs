//! Alpine, Wolfi and their kin: apk-tools.
//!
//! The grammar is `number{.number}{letter}{_suffix{number}}{~hash}{-rNUMBER}`. apk answers about any text: what does
//! not fit the grammar ends the version at that place. Releases of apk differ there; this order takes the widest
//! reading that is still an order: a number after the letter (`1.9.5p2`, valid until apk 3) and an empty number
//! (`0..1`, never valid, yet compared by apk 2) are tokens, everything else ends the version.

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, take, take_digits},
};

/// Alpine and its kin.
pub static APK: Scheme = Scheme { name: "apk", compare };

/// One token; the order of the variants is the order between tokens that differ in kind at one position. A version
/// that ends is above one with a pre-release suffix and below one that continues.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// `_alpha`, `_beta`, `_pre`, `_rc`.
    Before,
    /// The rest does not fit the grammar.
    Invalid,
    End,
    /// `-r1`.
    Revision,
    /// `~0f2c`.
    Hash,
    /// The number of a suffix.
    SuffixNumber,
    /// `_cvs`, `_svn`, `_git`, `_hg`, `_p`.
    After,
    /// No digits where a number belongs.
    Gap,
    Letter,
    Number,
}

/// What may precede a token: apk allows each part only in its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Start,
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
    Stop,
}

struct Token<'a> {
    kind: Kind,
    /// Rank of a suffix among its kind; for a number, whether its leading zeros count.
    rank: u8,
    text: &'a [u8],
}

struct Tokens<'a> {
    rest: &'a [u8],
    place: Place,
}

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (mut a, mut b) = (Tokens::of(a)?, Tokens::of(b)?);
    loop {
        let (left, right) = (a.token(), b.token());
        let order = left.kind.cmp(&right.kind).then_with(|| left.value(&right));
        if order.is_ne() || matches!(left.kind, Kind::End | Kind::Invalid) {
            return Some(order);
        }
    }
}

impl<'a> Token<'a> {
    const fn new(kind: Kind, text: &'a [u8]) -> Self {
        Self { kind, rank: 0, text }
    }

    /// Compares two tokens of one kind.
    fn value(&self, other: &Self) -> Ordering {
        match self.kind {
            Kind::Before | Kind::After => self.rank.cmp(&other.rank),
            Kind::Number if self.zeros_count() || other.zeros_count() => self.text.cmp(other.text),
            Kind::Number | Kind::SuffixNumber | Kind::Revision => digits::compare(self.text, other.text),
            Kind::Letter | Kind::Hash => self.text.cmp(other.text),
            Kind::Gap | Kind::End | Kind::Invalid => Ordering::Equal,
        }
    }

    /// A number after a dot that starts with zero is compared as a decimal fraction is: as text.
    fn zeros_count(&self) -> bool {
        self.rank == 1 && self.text.first() == Some(&b'0')
    }
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let rest = text.as_bytes();
        let plausible =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'~' | b'+');
        let starts = rest.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.');
        (starts && rest.iter().all(plausible)).then_some(Self { rest, place: Place::Start })
    }

    /// The next token; after the end, the end again.
    fn token(&mut self) -> Token<'a> {
        let Some((&first, after)) = self.rest.split_first() else { return Token::new(Kind::End, &[]) };
        match first {
            _ if self.place == Place::Start => self.number(self.rest, 0),
            b'a'..=b'z' if self.place <= Place::Number => {
                let (letter, rest) = self.rest.split_at_checked(1).unwrap_or((self.rest, &[]));
                (self.rest, self.place) = (rest, Place::Letter);
                Token::new(Kind::Letter, letter)
            }
            b'.' if self.place <= Place::Number => self.number(after, 1),
            b'0'..=b'9' if self.place == Place::Letter => self.number(self.rest, 0),
            b'0'..=b'9' if self.place == Place::Suffix => {
                self.digits(self.rest, Kind::SuffixNumber, Place::SuffixNumber)
            }
            b'_' if self.place <= Place::SuffixNumber => self.suffix(after),
            b'~' if self.place < Place::Hash => {
                let (hash, rest) = take(after, |byte| byte.is_ascii_hexdigit());
                (self.rest, self.place) = (rest, Place::Hash);
                if hash.is_empty() { self.stop() } else { Token::new(Kind::Hash, hash) }
            }
            b'-' if self.place < Place::Revision => match after {
                [b'r', number @ ..] => self.digits(number, Kind::Revision, Place::Revision),
                _ => self.stop(),
            },
            _ => self.stop(),
        }
    }

    fn number(&mut self, text: &'a [u8], rank: u8) -> Token<'a> {
        let token = self.digits(text, Kind::Number, Place::Number);
        if token.text.is_empty() { Token::new(Kind::Gap, &[]) } else { Token { rank, ..token } }
    }

    fn digits(&mut self, text: &'a [u8], kind: Kind, place: Place) -> Token<'a> {
        let (number, rest) = take_digits(text);
        (self.rest, self.place) = (rest, place);
        Token::new(kind, number)
    }

    fn suffix(&mut self, text: &'a [u8]) -> Token<'a> {
        let (name, rest) = take(text, |byte| byte.is_ascii_lowercase());
        let (kind, rank) = match name {
            b"alpha" => (Kind::Before, 0),
            b"beta" => (Kind::Before, 1),
            b"pre" => (Kind::Before, 2),
            b"rc" => (Kind::Before, 3),
            b"cvs" => (Kind::After, 0),
            b"svn" => (Kind::After, 1),
            b"git" => (Kind::After, 2),
            b"hg" => (Kind::After, 3),
            b"p" => (Kind::After, 4),
            _ => return self.stop(),
        };
        (self.rest, self.place) = (rest, Place::Suffix);
        Token { kind, rank, text: name }
    }

    /// Nothing that follows counts.
    fn stop(&mut self) -> Token<'a> {
        self.place = Place::Stop;
        Token::new(Kind::Invalid, &[])
    }
}
