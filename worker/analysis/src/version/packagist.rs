//! Packagist: what Composer compares is not the version as written but its normal form: four numbers (`0.6` is
//! `0.6.0.0`), words without regard to case, nothing after a `+`, and no `-stable`. The order of normal forms is that of
//! `version_compare`, which [`super::COMPOSER`] is.

use std::{borrow::Cow, cmp::Ordering};

use super::{COMPOSER, Scheme, digits::take};

/// Composer's packages.
pub static PACKAGIST: Scheme = Scheme { name: "packagist", compare };

/// Numbers of a normal form.
const NUMBERS: usize = 4;

fn compare(a: &str, b: &str) -> Option<Ordering> {
    (COMPOSER.compare)(&normal(a), &normal(b))
}

/// The normal form of a version; branches and what is no version stay as they are.
fn normal(text: &str) -> Cow<'_, str> {
    let trimmed = text.trim();
    let trimmed = trimmed.strip_prefix(['v', 'V']).unwrap_or(trimmed);
    let (core, _) = take(trimmed.as_bytes(), |byte| byte.is_ascii_digit() || byte == b'.');
    let Some((core, rest)) = trimmed.split_at_checked(core.len()) else { return Cow::Borrowed(text) };
    let numbers = core.split('.').count();
    // A branch like `1.x-dev` and a date of eight digits have other forms.
    if core.split('.').any(|number| number.is_empty() || number.len() > 5) || numbers > NUMBERS {
        return Cow::Borrowed(text);
    }
    let rest = rest.split('+').next().unwrap_or_default().to_ascii_lowercase();
    let rest =
        rest.strip_suffix("stable").map_or(rest.as_str(), |start| start.trim_end_matches(['-', '_', '.']));
    if numbers == NUMBERS && trimmed.len() == core.len() {
        return Cow::Borrowed(trimmed);
    }
    let mut form = core.to_owned();
    (numbers..NUMBERS).for_each(|_| form.push_str(".0"));
    form.push_str(rest);
    Cow::Owned(form)
}
