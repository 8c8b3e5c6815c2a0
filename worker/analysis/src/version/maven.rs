//! Maven: the order of `ComparableVersion`, as the project documented it and as it stood until Maven 3.8.6: a string
//! after a dot is a part of its list, and what is nothing (0, `ga`, `final`, `release`) is dropped before a hyphen.
//!
//! Maven itself changed the order of rare shapes later (`1.0.RC2` and `1.0-RC3`). This older order is what the vectors
//! of the advisories' world agree on, and it has a flaw that the documentation shares: with a qualifier after a dropped
//! zero it is not transitive (2.9.0 < 2.9.0-1 < 2.9.0.RC1 < 2.9.0).

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, take_digits},
};

/// Maven.
pub static MAVEN: Scheme = Scheme { name: "maven", compare };

/// Where a release sorts among the known qualifiers.
const RELEASE: u8 = 5;

/// Where qualifiers that Maven does not know sort: above all that it knows.
const UNKNOWN: u8 = 7;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Item<'a> {
    Number(&'a [u8]),
    Word { rank: u8, text: &'a str },
}

/// Lists, each the last item of the one before.
type Lists<'a> = Vec<Vec<Item<'a>>>;

fn compare(a: &str, b: &str) -> Option<Ordering> {
    if !(is_version(a) && is_version(b)) {
        return None;
    }
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    Some(lists(&parse(&a), &parse(&b)))
}

/// Maven takes any text; what no artifact can have as its version is refused.
fn is_version(text: &str) -> bool {
    let refused = |char: char| {
        char.is_whitespace()
            || char.is_control()
            || matches!(char, '$' | '{' | '}' | '[' | ']' | '(' | ')' | ',' | '/')
    };
    text.contains(char::is_alphanumeric) && !text.contains(refused)
}

impl Item<'_> {
    fn is_null(&self) -> bool {
        self.against_nothing().is_eq()
    }

    /// Compares with an item that is missing.
    fn against_nothing(&self) -> Ordering {
        match self {
            Self::Number(number) if digits::without_zeros(number).is_empty() => Ordering::Equal,
            Self::Number(_) => Ordering::Greater,
            Self::Word { rank, .. } => rank.cmp(&RELEASE),
        }
    }
}

fn lists(mut a: &[Vec<Item<'_>>], mut b: &[Vec<Item<'_>>]) -> Ordering {
    loop {
        let (left, a_rest) = a.split_first().map_or((&[][..], a), |(items, rest)| (items.as_slice(), rest));
        let (right, b_rest) = b.split_first().map_or((&[][..], b), |(items, rest)| (items.as_slice(), rest));
        let common = left.iter().zip(right).map(|(left, right)| item(left, right));
        let more_left = left.iter().skip(right.len()).map(|item| against_end(item, b_rest));
        let more_right = right.iter().skip(left.len()).map(|item| against_end(item, a_rest).reverse());
        if let Some(order) = common.chain(more_left).chain(more_right).find(|order| order.is_ne()) {
            return order;
        }
        match (a_rest.is_empty(), b_rest.is_empty()) {
            (true, true) => return Ordering::Equal,
            (false, true) => return against_nothing(a_rest),
            (true, false) => return against_nothing(b_rest).reverse(),
            (false, false) => (a, b) = (a_rest, b_rest),
        }
    }
}

/// Compares an item with the end of a list, or with the list that `rest` puts there.
fn against_end(item: &Item<'_>, rest: &[Vec<Item<'_>>]) -> Ordering {
    match item {
        _ if rest.is_empty() => item.against_nothing(),
        Item::Number(_) => Ordering::Greater,
        Item::Word { .. } => Ordering::Less,
    }
}

fn against_nothing(lists: &[Vec<Item<'_>>]) -> Ordering {
    let orders = lists.iter().flatten().map(Item::against_nothing);
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Compares items of one kind by value; a word is below a number.
fn item(a: &Item<'_>, b: &Item<'_>) -> Ordering {
    match (a, b) {
        (Item::Number(a), Item::Number(b)) => digits::compare(a, b),
        (Item::Number(_), Item::Word { .. }) => Ordering::Greater,
        (Item::Word { .. }, Item::Number(_)) => Ordering::Less,
        (Item::Word { rank: a, text: a_text }, Item::Word { rank: b, text: b_text }) => {
            a.cmp(b).then_with(|| a_text.cmp(b_text))
        }
    }
}

/// Splits at dots, hyphens and where digits and letters meet; a hyphen and a meeting open a list.
fn parse(text: &str) -> Lists<'_> {
    let (mut lists, mut items) = (Vec::with_capacity(4), Vec::with_capacity(4));
    let mut rest = text;
    while !rest.is_empty() {
        let (token, after) = token(rest);
        let (separator, next) = match after.strip_prefix(['.', '-']) {
            Some(next) => (after.as_bytes().first().copied(), next),
            None => (None, after),
        };
        let meets_digit = separator.is_none() && !after.is_empty();
        if !token.is_empty() {
            items.push(read(token, meets_digit));
        } else if separator.is_some() {
            items.push(Item::Number(&[]));
        }
        if separator == Some(b'-') || meets_digit {
            lists.push(std::mem::take(&mut items));
        }
        rest = next;
    }
    lists.push(items);
    normalise(lists)
}

/// The digits, or all else up to a separator or a digit.
fn token(text: &str) -> (&str, &str) {
    let (number, _) = take_digits(text.as_bytes());
    let end = if number.is_empty() {
        text.find(|char: char| matches!(char, '.' | '-') || char.is_ascii_digit()).unwrap_or(text.len())
    } else {
        number.len()
    };
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn read(token: &str, meets_digit: bool) -> Item<'_> {
    if digits::is_number(token.as_bytes()) {
        return Item::Number(token.as_bytes());
    }
    let rank = match token {
        "a" if meets_digit => 0,
        "b" if meets_digit => 1,
        "m" if meets_digit => 2,
        "alpha" => 0,
        "beta" => 1,
        "milestone" => 2,
        "rc" | "cr" => 3,
        "snapshot" => 4,
        "ga" | "final" | "release" => RELEASE,
        "sp" => 6,
        _ => return Item::Word { rank: UNKNOWN, text: token },
    };
    Item::Word { rank, text: "" }
}

/// Drops what is nothing from the end of each list, and lists that hold nothing of their own, except for the first.
fn normalise(mut lists: Lists<'_>) -> Lists<'_> {
    for items in &mut lists {
        while items.pop_if(|item| item.is_null()).is_some() {}
    }
    let mut first = true;
    lists.retain(|items| std::mem::take(&mut first) || !items.is_empty());
    lists
}
