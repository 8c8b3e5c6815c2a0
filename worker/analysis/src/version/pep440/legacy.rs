//! Python versions from before PEP 440 (`2004d`, `0.4m1`): what setuptools ordered and `packaging` ordered until its
//! release 22, below all versions of PEP 440.

use std::{borrow::Cow, cmp::Ordering};

use crate::version::digits::{take, take_digits};

/// Numbers are compared as text of this many digits.
const WIDTH: usize = 8;

const FINAL: &str = "*final";
const FINAL_HYPHEN: &str = "*final-";
const ZERO: &str = "00000000";

/// Compares two versions of which PEP 440 takes neither.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    (is_version(a) && is_version(b))
        .then(|| parts(&a.to_ascii_lowercase()).cmp(&parts(&b.to_ascii_lowercase())))
}

/// Any text without white space that names something.
pub(super) fn is_version(text: &str) -> bool {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_graphic()) && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

fn parts(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::with_capacity(8);
    let mut rest = text.trim().as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let (token, remaining) = match first {
            b'.' => {
                rest = after;
                continue;
            }
            b'-' => rest.split_at_checked(1).unwrap_or((rest, &[])),
            byte if byte.is_ascii_digit() => take_digits(rest),
            byte if byte.is_ascii_lowercase() => take(rest, |byte| byte.is_ascii_lowercase()),
            _ => take(rest, |byte| {
                !byte.is_ascii_lowercase() && !byte.is_ascii_digit() && !matches!(byte, b'.' | b'-')
            }),
        };
        push(&mut parts, part(&String::from_utf8_lossy(token)));
        rest = remaining;
    }
    push(&mut parts, FINAL.into());
    parts
}

/// Words start with a star and so are below numbers; what comes before a release is renamed to sort there.
fn part(token: &str) -> Cow<'static, str> {
    match token {
        "pre" | "preview" | "rc" => "*c".into(),
        "-" => FINAL_HYPHEN.into(),
        "dev" => "*@".into(),
        number if number.starts_with(|char: char| char.is_ascii_digit()) => {
            format!("{number:0>WIDTH$}").into()
        }
        word => format!("*{word}").into(),
    }
}

/// A word drops the zeros before it, and one that comes before a release drops the hyphen before it.
fn push(parts: &mut Vec<String>, part: Cow<'static, str>) {
    if part.starts_with('*') {
        if part.as_ref() < FINAL {
            while parts.pop_if(|last| last == FINAL_HYPHEN).is_some() {}
        }
        while parts.pop_if(|last| last == ZERO).is_some() {}
    }
    parts.push(part.into_owned());
}
