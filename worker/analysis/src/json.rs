//! JSON from images: into typed structures, bounded. serde_json bounds the depth; here is the bound on the length, since
//! a short text can stand for many small values.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, SeqAccess, Visitor},
};
use serde_json::error::Category;

use crate::ecosystem::{Facts, File};

/// Bytes of one document. The largest real one, the bill of materials of a whole system, has some ten MiB.
const DOCUMENT_BYTES: usize = 32 << 20;

/// Reads a document. `None` after a problem of that code has been added.
pub(crate) fn read<T: DeserializeOwned>(file: File<'_>, code: &'static str, facts: &mut Facts) -> Option<T> {
    let bytes = file.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file.bytes);
    if bytes.len() > DOCUMENT_BYTES {
        facts.problem("limit", file, "the document is too long to be read");
        return None;
    }
    match serde_json::from_slice(bytes) {
        Ok(document) => Some(document),
        Err(error) => {
            facts.problem(code, file, format!("the document is not as its format asks: {}", flaw(&error)));
            None
        }
    }
}

/// What is wrong with a document, and where. The parser's own words quote values, and a file's content must not reach a
/// report.
pub(crate) fn flaw(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Data => "a value of another kind or size than expected",
        Category::Eof => "an early end",
        Category::Syntax | Category::Io => "a mistake in its JSON",
    };
    format!("{what} at line {}, column {}", error.line(), error.column())
}

/// Items of one list.
const ITEMS: usize = 500_000;

/// A list of bounded length, for `deserialize_with`: an item of three bytes may take a hundred in memory.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(ListVisitor(PhantomData))
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() >= ITEMS {
                return Err(A::Error::custom("a list is too long"));
            }
            list.push(item);
        }
        Ok(list)
    }
}

/// A document that is a list.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct List<T: DeserializeOwned>(#[serde(deserialize_with = "list")] pub(crate) Vec<T>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn long_and_deep_documents_are_problems() {
        let limits = Limits::default();
        let deep = vec![b'['; 10_000];
        let long = vec![b' '; DOCUMENT_BYTES + 1];
        for (bytes, code) in [(deep, "malformed"), (long, "limit")] {
            let mut facts = Facts::default();
            let file = File { path: "a.json", bytes: &bytes, limits: &limits };
            assert!(read::<serde_json::Value>(file, "malformed", &mut facts).is_none());
            assert_eq!(facts.problems[0].code, code);
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_content() {
        let limits = Limits::default();
        let file = File { path: "a.json", bytes: b"\xef\xbb\xbf[1]", limits: &limits };
        assert_eq!(read::<Vec<u8>>(file, "malformed", &mut Facts::default()), Some(vec![1]));
    }

    #[test]
    fn a_list_is_bounded() {
        let limits = Limits::default();
        for (items, sound) in [(ITEMS, true), (ITEMS + 1, false)] {
            let bytes = format!("[{}0]", "0,".repeat(items - 1));
            let file = File { path: "a.json", bytes: bytes.as_bytes(), limits: &limits };
            let list: Option<List<u8>> = read(file, "malformed", &mut Facts::default());
            assert_eq!(list.map(|list| list.0.len()), sound.then_some(items));
        }
    }
}
