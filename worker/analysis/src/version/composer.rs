//! Composer (Packagist): PHP's `version_compare`, which Composer uses, over numbers and words. A branch (`dev-main`)
//! has no place in the order: it is not compared with anything but itself.
//!
//! Words go by how they start: all that is unknown (`BETA` too, as case counts), then `dev`, `a`, `b`, `rc` or `RC`,
//! then numbers, then `p`.
//! A `#` stands for any number; with it alone there is no order, and no package uses it.

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, take, take_digits},
};

/// Versions as PHP compares them.
pub static COMPOSER: Scheme = Scheme { name: "composer", compare };

/// What the `x` of `1.x-dev` stands for.
const WILDCARD: &[u8] = b"9999999";

/// The order of the variants is the order between tokens that differ in kind at one position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    Unknown,
    Dev,
    Alpha,
    Beta,
    Candidate,
    End,
    Number(&'a [u8]),
    Patch,
    Any,
}

fn compare(a: &str, b: &str) -> Option<Ordering> {
    if a.starts_with("dev-") && a == b {
        return Some(Ordering::Equal);
    }
    let (mut a, mut b) = (parse(a)?, parse(b)?);
    loop {
        let (left, right) = (token(&mut a), token(&mut b));
        let order = match (left, right) {
            (Token::End, Token::End) => return Some(Ordering::Equal),
            (Token::Number(left), Token::Number(right)) => digits::compare(left, right),
            (Token::Any, Token::Any | Token::Number(_) | Token::End)
            | (Token::Number(_) | Token::End, Token::Any) => Ordering::Equal,
            (Token::Any, other) => Token::Number(&[]).cmp(&other),
            (other, Token::Any) => other.cmp(&Token::Number(&[])),
            (left, right) => left.cmp(&right),
        };
        if order.is_ne() {
            return Some(order);
        }
    }
}

fn parse(text: &str) -> Option<&[u8]> {
    let text = text.trim().as_bytes();
    let text = text.strip_prefix(b"v").or_else(|| text.strip_prefix(b"V")).unwrap_or(text);
    let printable = text.iter().all(u8::is_ascii_graphic);
    (text.first().is_some_and(u8::is_ascii_digit) && printable).then_some(text)
}

fn token<'a>(rest: &mut &'a [u8]) -> Token<'a> {
    let (_, text) = take(rest, |byte| !byte.is_ascii_alphanumeric() && byte != b'#');
    let Some(first) = text.first() else {
        *rest = &[];
        return Token::End;
    };
    if *first == b'#' {
        *rest = text.strip_prefix(b"#").unwrap_or_default();
        return Token::Any;
    }
    let (number, after) = take_digits(text);
    if !number.is_empty() {
        *rest = after;
        return Token::Number(number);
    }
    let (word, after) = take(text, |byte| byte.is_ascii_alphabetic());
    *rest = after;
    let next = take(after, |byte| !byte.is_ascii_alphanumeric()).1;
    if word == b"x" && next.starts_with(b"dev") { Token::Number(WILDCARD) } else { kind(word) }
}

fn kind(word: &[u8]) -> Token<'static> {
    let starts = |name: &[u8]| word.starts_with(name);
    if starts(b"dev") {
        Token::Dev
    } else if starts(b"a") {
        Token::Alpha
    } else if starts(b"b") {
        Token::Beta
    } else if starts(b"RC") || starts(b"rc") {
        Token::Candidate
    } else if starts(b"p") {
        Token::Patch
    } else {
        Token::Unknown
    }
}
