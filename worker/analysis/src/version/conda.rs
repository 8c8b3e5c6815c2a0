//! Conda: `VersionOrder`: an epoch, parts that alternate between numbers and words, and a local version.

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, take, take_digits},
};

/// Conda.
pub static CONDA: Scheme = Scheme { name: "conda", compare };

/// The order of the variants is conda's: `dev` below all words, words below numbers, `post` above all.
#[derive(Clone, PartialEq, Eq)]
enum Atom {
    Dev,
    Word(String),
    Number(String),
    Post,
}

/// What stands in for an atom that is missing.
const ZERO: Atom = Atom::Number(String::new());

struct Version {
    epoch: String,
    parts: Vec<Vec<Atom>>,
    local: Vec<Vec<Atom>>,
}

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    let order = digits::compare(a.epoch.as_bytes(), b.epoch.as_bytes())
        .then_with(|| lists(&a.parts, &b.parts, |a, b| lists(a, b, atom, &ZERO), &Vec::new()))
        .then_with(|| lists(&a.local, &b.local, |a, b| lists(a, b, atom, &ZERO), &Vec::new()));
    Some(order)
}

/// Compares two lists; `missing` continues the shorter one.
fn lists<T>(a: &[T], b: &[T], item: impl Fn(&T, &T) -> Ordering, missing: &T) -> Ordering {
    let longest = a.len().max(b.len());
    let pairs = a.iter().chain(std::iter::repeat(missing)).zip(b.iter().chain(std::iter::repeat(missing)));
    pairs.take(longest).map(|(a, b)| item(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn atom(a: &Atom, b: &Atom) -> Ordering {
    let rank = |atom: &Atom| match atom {
        Atom::Dev => 0,
        Atom::Word(_) => 1,
        Atom::Number(_) => 2,
        Atom::Post => 3,
    };
    match (a, b) {
        (Atom::Word(a), Atom::Word(b)) => a.cmp(b),
        (Atom::Number(a), Atom::Number(b)) => digits::compare(a.as_bytes(), b.as_bytes()),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

fn parse(text: &str) -> Option<Version> {
    let mut text = text.trim().to_ascii_lowercase();
    if text.contains('-') && !text.contains('_') {
        text = text.replace('-', "_");
    }
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'.' | b'+' | b'!' | b'_');
    if text.is_empty() || !text.bytes().all(valid) {
        return None;
    }
    let (epoch, rest) = text.split_once('!').unwrap_or(("0", &text));
    let (main, local) = match rest.split_once('+') {
        Some((main, local)) => (main, Some(local)),
        None => (rest, None),
    };
    let extra = rest.contains('!') || local.is_some_and(|local| local.contains('+'));
    if extra || !digits::is_number(epoch.as_bytes()) || main.is_empty() {
        return None;
    }
    let local = match local {
        Some(local) => parts(local, false)?,
        None => Vec::new(),
    };
    Some(Version { epoch: epoch.to_owned(), parts: parts(main, true)?, local })
}

/// Splits at dots and underscores. An underscore at the end of the whole belongs to its last part: `1.0.1_`.
fn parts(text: &str, keep_last: bool) -> Option<Vec<Vec<Atom>>> {
    let kept = if keep_last { text.strip_suffix('_') } else { None };
    let split = kept.unwrap_or(text).split(['.', '_']);
    let mut parts: Vec<String> = split.map(str::to_owned).collect();
    if let (Some(_), Some(last)) = (kept, parts.last_mut()) {
        last.push('_');
    }
    parts.iter().map(|part| atoms(part.as_bytes())).collect()
}

/// A part always starts with a number: zero where it does not say.
fn atoms(mut rest: &[u8]) -> Option<Vec<Atom>> {
    let first = rest.first()?;
    let mut atoms = if first.is_ascii_digit() { Vec::new() } else { vec![ZERO] };
    while !rest.is_empty() {
        let (number, after) = take_digits(rest);
        if !number.is_empty() {
            atoms.push(Atom::Number(String::from_utf8_lossy(number).into_owned()));
            rest = after;
            continue;
        }
        let (stars, after) = take(rest, |byte| byte == b'*');
        let (word, after) = if stars.is_empty() {
            take(rest, |byte| !byte.is_ascii_digit() && byte != b'*')
        } else {
            (stars, after)
        };
        atoms.push(match word {
            b"post" => Atom::Post,
            b"dev" => Atom::Dev,
            _ => Atom::Word(String::from_utf8_lossy(word).into_owned()),
        });
        rest = after;
    }
    Some(atoms)
}
