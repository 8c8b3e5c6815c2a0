//! Python: PEP 440, complete: epochs, pre-, post- and development releases, local versions, and the spellings that
//! the specification normalises. What it does not take is an old version, below all that it takes; see `legacy`.

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, split_at_mark, take_digits},
    semver,
};

mod legacy;

/// Python: PEP 440.
pub static PEP440: Scheme = Scheme { name: "pep440", compare };

struct Version<'a> {
    epoch: &'a [u8],
    /// Numbers with dots between them.
    release: &'a [u8],
    /// Rank of a, b, rc and the number.
    pre: Option<(u8, &'a [u8])>,
    post: Option<&'a [u8]>,
    dev: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
}

fn compare(a: &str, b: &str) -> Option<Ordering> {
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => Some(order(&a, &b)),
        (Some(_), None) => legacy::is_version(b).then_some(Ordering::Greater),
        (None, Some(_)) => legacy::is_version(a).then_some(Ordering::Less),
        (None, None) => legacy::compare(a, b),
    }
}

fn order(a: &Version<'_>, b: &Version<'_>) -> Ordering {
    digits::compare(a.epoch, b.epoch)
        .then_with(|| semver::numbers(a.release, b.release))
        .then_with(|| a.phase().cmp(&b.phase()))
        .then_with(|| digits::compare(a.pre.unwrap_or_default().1, b.pre.unwrap_or_default().1))
        .then_with(|| numbered(a.post, b.post, Ordering::Less))
        .then_with(|| numbered(a.dev, b.dev, Ordering::Greater))
        .then_with(|| local(a.local, b.local))
}

impl Version<'_> {
    /// A development release of the release itself comes first, then a, b and rc, then all that has no pre-release.
    fn phase(&self) -> u8 {
        match (self.pre, self.post, self.dev) {
            (Some((rank, _)), _, _) => rank,
            (None, None, Some(_)) => 0,
            (None, _, _) => u8::MAX,
        }
    }
}

/// Compares two optional numbers; `none` is where a missing one sorts.
fn numbered(a: Option<&[u8]>, b: Option<&[u8]>, none: Ordering) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => none,
        (Some(_), None) => none.reverse(),
        (Some(a), Some(b)) => digits::compare(a, b),
    }
}

/// Compares local versions: none is below any, text is below numbers and ignores case.
fn local(a: Option<&[u8]>, b: Option<&[u8]>) -> Ordering {
    let (a, b) = match (a, b) {
        (None, None) => return Ordering::Equal,
        (None, Some(_)) => return Ordering::Less,
        (Some(_), None) => return Ordering::Greater,
        (Some(a), Some(b)) => (a, b),
    };
    let (mut a, mut b) = (a.split(is_separator), b.split(is_separator));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match (digits::is_number(left), digits::is_number(right)) {
                (true, true) => digits::compare(left, right),
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => lowercase(left).cmp(lowercase(right)),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn lowercase(text: &[u8]) -> impl Iterator<Item = u8> {
    text.iter().map(u8::to_ascii_lowercase)
}

const fn is_separator(byte: &u8) -> bool {
    matches!(byte, b'.' | b'-' | b'_')
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.trim().as_bytes();
    let text = strip(text, b"v").unwrap_or(text);
    let (first, rest) = take_digits(text);
    let (epoch, rest) = match rest.strip_prefix(b"!") {
        Some(_) if first.is_empty() => return None,
        Some(rest) => (first, rest),
        None => (&[][..], text),
    };
    let (release, rest) = release(rest)?;
    let (pre, rest) = pre(rest);
    let (post, rest) = post(rest);
    let (dev, rest) = match named(rest, b"dev") {
        Some((number, rest)) => (Some(number), rest),
        None => (None, rest),
    };
    let (rest, local) = split_at_mark(rest, b'+');
    let is_segment = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_alphanumeric);
    let local_is_valid = local.is_none_or(|local| local.split(is_separator).all(is_segment));
    (rest.is_empty() && local_is_valid).then_some(Version { epoch, release, pre, post, dev, local })
}

/// The numbers of the release and what follows them. A dot without a number after it belongs to what follows.
fn release(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, mut rest) = take_digits(text);
    if first.is_empty() {
        return None;
    }
    while let Some(after) = rest.strip_prefix(b".") {
        let (number, next) = take_digits(after);
        if number.is_empty() {
            break;
        }
        rest = next;
    }
    text.split_at_checked(text.len() - rest.len())
}

fn pre(text: &[u8]) -> (Option<(u8, &[u8])>, &[u8]) {
    const NAMES: [(&[u8], u8); 8] = [
        (b"alpha", 1),
        (b"a", 1),
        (b"beta", 2),
        (b"b", 2),
        (b"preview", 3),
        (b"pre", 3),
        (b"rc", 3),
        (b"c", 3),
    ];
    let found = NAMES.iter().find_map(|(name, rank)| {
        let (number, rest) = named(text, name)?;
        Some((Some((*rank, number)), rest))
    });
    found.unwrap_or((None, text))
}

fn post(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    if let Some(after) = text.strip_prefix(b"-") {
        let (number, rest) = take_digits(after);
        if !number.is_empty() {
            return (Some(number), rest);
        }
    }
    let found = [&b"post"[..], b"rev", b"r"].iter().find_map(|name| named(text, name));
    found.map_or((None, text), |(number, rest)| (Some(number), rest))
}

/// Reads `[separator]name[separator][number]`; a missing number is zero.
fn named<'a>(text: &'a [u8], name: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let text = without_separator(text);
    Some(take_digits(without_separator(strip(text, name)?)))
}

fn without_separator(text: &[u8]) -> &[u8] {
    match text.split_first() {
        Some((first, rest)) if is_separator(first) => rest,
        _ => text,
    }
}

/// Strips a prefix in either case.
fn strip<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}
