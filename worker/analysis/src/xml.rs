//! XML of advisory sources, one event at a time and bounded. It is hostile input: a document type declaration is refused
//! (nothing of ours needs one, and entities that grow are declared there), an entity that XML itself does not define stays as
//! it is written, and every token, the depth and the whole are limited. (Extensible Markup Language 1.0, fifth edition.)

use std::io::{BufRead, Read as _};

/// Bytes of one tag or one run of text. The longest descriptions of errata have some hundred KiB.
const TOKEN: usize = 8 << 20;
/// Elements that are open at once.
const DEPTH: usize = 100;
/// Attributes of one element.
const ATTRIBUTES: usize = 100;
/// Bytes of a whole document, decompressed. The largest known one has some hundred MiB.
const DOCUMENT: u64 = 8 << 30;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// An element begins: its name without a prefix, its attributes.
    Start(Tag),
    /// An element ends.
    End(String),
    /// Text, entities resolved.
    Text(String),
}

/// How an element begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tag {
    /// Without a namespace's prefix.
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    /// The value of an attribute; empty when there is none.
    pub(crate) fn get(&self, key: &str) -> &str {
        self.attributes.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }
}

/// Reads events.
pub(crate) struct Reader<'a> {
    input: &'a mut dyn BufRead,
    bytes: u64,
    open: Vec<String>,
    /// The `<` of a tag has been read.
    in_tag: bool,
    /// `<a/>` is a start and an end.
    ends: bool,
    any: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a mut dyn BufRead) -> Self {
        Self { input, bytes: 0, open: Vec::new(), in_tag: false, ends: false, any: false }
    }

    /// The next event; `None` behind the last element.
    ///
    /// # Errors
    /// A phrase: the document is cut off, is not well-formed, or exceeds a limit.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, String> {
        if self.ends {
            self.ends = false;
            return Ok(self.open.pop().map(Event::End));
        }
        loop {
            if !self.in_tag {
                let text = self.until(b'<')?;
                self.in_tag = true;
                let Some(text) = text else {
                    return if self.open.is_empty() && self.any { Ok(None) } else { Err(cut()) };
                };
                let text = unescape(&text);
                let text = text.trim_start_matches('\u{feff}');
                if !text.trim().is_empty() {
                    if self.open.is_empty() {
                        return Err("not XML: text outside of an element".to_owned());
                    }
                    return Ok(Some(Event::Text(text.to_owned())));
                }
            }
            self.in_tag = false;
            if let Some(event) = self.tag()? {
                return Ok(Some(event));
            }
        }
    }

    /// What stands before the next mark, without it; `None` when nothing and no mark follows.
    fn until(&mut self, mark: u8) -> Result<Option<Vec<u8>>, String> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(TOKEN).unwrap_or(u64::MAX);
        let read = (&mut *self.input).take(limit).read_until(mark, &mut bytes);
        let read = read.map_err(|error| format!("it cannot be read: {error}"))?;
        self.bytes = self.bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if self.bytes > DOCUMENT {
            return Err("it is too long".to_owned());
        }
        if bytes.pop_if(|last| *last == mark).is_some() {
            return Ok(Some(bytes));
        }
        if read >= TOKEN {
            return Err("a part of it is too long".to_owned());
        }
        if mark == b'<' && bytes.iter().all(u8::is_ascii_whitespace) { Ok(None) } else { Err(cut()) }
    }

    /// What stands before a closing mark of several bytes, which ends with `>`.
    fn until_mark(&mut self, mut bytes: Vec<u8>, mark: &[u8]) -> Result<Vec<u8>, String> {
        let mark = mark.strip_suffix(b">").unwrap_or(mark);
        loop {
            if let Some(body) = bytes.strip_suffix(mark) {
                return Ok(body.to_vec());
            }
            if bytes.len() > TOKEN {
                return Err("a part of it is too long".to_owned());
            }
            bytes.push(b'>');
            bytes.extend(self.until(b'>')?.ok_or_else(cut)?);
        }
    }

    /// What follows a `<`; `None` for what says nothing (comments, instructions).
    fn tag(&mut self) -> Result<Option<Event>, String> {
        let mut bytes = self.until(b'>')?.ok_or_else(cut)?;
        if bytes.starts_with(b"!--") {
            // `<!-->` is no whole comment.
            let inner = bytes.split_off(3);
            self.until_mark(inner, b"-->")?;
            return Ok(None);
        }
        if bytes.starts_with(b"![CDATA[") {
            let inner = bytes.split_off(8);
            let text = self.until_mark(inner, b"]]>")?;
            return Ok(Some(Event::Text(String::from_utf8_lossy(&text).into_owned())));
        }
        if bytes.starts_with(b"?") {
            self.until_mark(bytes.split_off(1), b"?>")?;
            return Ok(None);
        }
        if bytes.starts_with(b"!") {
            return Err("it declares a document type, which is refused".to_owned());
        }
        while is_in_quotes(&bytes) {
            if bytes.len() > TOKEN {
                return Err("a part of it is too long".to_owned());
            }
            bytes.push(b'>');
            bytes.extend(self.until(b'>')?.ok_or_else(cut)?);
        }
        self.element(&String::from_utf8_lossy(&bytes)).map(Some)
    }

    fn element(&mut self, text: &str) -> Result<Event, String> {
        if let Some(name) = text.strip_prefix('/') {
            let name = local(name.trim());
            return match self.open.pop() {
                Some(open) if open == name => Ok(Event::End(open)),
                _ => Err(format!("not well-formed: `{name}` ends, but was not begun")),
            };
        }
        let (text, ends) = text.strip_suffix('/').map_or((text, false), |text| (text, true));
        let (name, rest) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
        let tag = Tag { name: local(name).to_owned(), attributes: attributes(rest)? };
        if tag.name.is_empty() || self.open.is_empty() && self.any {
            return Err("not well-formed: there must be one element around all others".to_owned());
        }
        if self.open.len() >= DEPTH {
            return Err("its elements are nested too deeply".to_owned());
        }
        self.any = true;
        self.ends = ends;
        self.open.push(tag.name.clone());
        Ok(Event::Start(tag))
    }
}

fn cut() -> String {
    "it is cut off".to_owned()
}

/// A name without its namespace's prefix.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Whether a `>` stood within an attribute's value.
fn is_in_quotes(bytes: &[u8]) -> bool {
    let mut quote = None;
    for byte in bytes {
        match quote {
            None if matches!(byte, b'"' | b'\'') => quote = Some(*byte),
            Some(open) if open == *byte => quote = None,
            _ => {}
        }
    }
    quote.is_some()
}

fn attributes(mut rest: &str) -> Result<Vec<(String, String)>, String> {
    let bad = || "not well-formed: an attribute".to_owned();
    let mut list = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(list);
        }
        if list.len() >= ATTRIBUTES {
            return Err("an element has too many attributes".to_owned());
        }
        let (name, after) = rest.split_once('=').ok_or_else(bad)?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(bad)?;
        let (value, after) = after.get(1..).and_then(|text| text.split_once(quote)).ok_or_else(bad)?;
        list.push((local(name.trim()).to_owned(), unescape(value.as_bytes())));
        rest = after;
    }
}

/// Resolves the five entities of XML and numbers of characters. Any other stays as it is written.
fn unescape(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains('&') {
        return text.into_owned();
    }
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(';').and_then(|(name, rest)| entity(name).map(|c| (c, rest))) {
            Some((c, rest)) => {
                out.push(c);
                out.push_str(rest);
            }
            None => {
                out.push('&');
                out.push_str(part);
            }
        }
    }
    out
}

fn entity(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            code.ok().and_then(char::from_u32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Reader};

    /// The events as a line: `<a k=v>`, text, `</a>`; the error at the end.
    fn events(xml: &[u8]) -> String {
        let mut input = xml;
        let mut reader = Reader::new(&mut input);
        let mut out = String::new();
        loop {
            match reader.next() {
                Ok(Some(Event::Start(tag))) => {
                    out += &format!("<{}", tag.name);
                    tag.attributes.iter().for_each(|(key, value)| out += &format!(" {key}={value}"));
                    out += ">";
                }
                Ok(Some(Event::End(name))) => out += &format!("</{name}>"),
                Ok(Some(Event::Text(text))) => out += &text,
                Ok(None) => return out,
                Err(error) => return format!("{out} ERROR {error}"),
            }
        }
    }

    #[test]
    fn events_come_in_order_and_what_is_not_well_formed_is_an_error() {
        for (xml, expected) in [
            ("<?xml version='1.0'?>\n<a><b k=\"1 &gt; 0\"/>x&amp;y</a>\n", "<a><b k=1 > 0></b>x&y</a>"),
            ("<a><!-- <b> --><n:b x:k='>'>t</n:b></a>", "<a><b k=>>t</b></a>"),
            ("<a><![CDATA[<&]]></a>", "<a><&</a>"),
            ("<a>&#65;&#x42;&unknown;&;</a>", "<a>AB&unknown;&;</a>"),
            ("\u{feff}<a/>", "<a></a>"),
            ("", " ERROR it is cut off"),
            ("<a><b>", "<a><b> ERROR it is cut off"),
            ("<a><b></a>", "<a><b> ERROR not well-formed: `a` ends, but was not begun"),
            ("<a k=\"1", " ERROR it is cut off"),
            ("<a/><b/>", "<a></a> ERROR not well-formed: there must be one element around all others"),
            ("<a k=1/>", " ERROR not well-formed: an attribute"),
            ("{}", " ERROR it is cut off"),
            ("<a></a>tail<b/>", "<a></a> ERROR not XML: text outside of an element"),
        ] {
            assert_eq!(events(xml.as_bytes()), expected, "{xml}");
        }
    }

    #[test]
    fn bombs_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxx\"><!ENTITY y \"&x;&x;\">]><a>&y;</a>";
        assert_eq!(events(bomb.as_bytes()), " ERROR it declares a document type, which is refused");
        let deep = "<a>".repeat(101);
        assert!(events(deep.as_bytes()).ends_with("ERROR its elements are nested too deeply"));
        let long = format!("<a>{}</a>", "x".repeat(super::TOKEN));
        assert!(events(long.as_bytes()).ends_with("ERROR a part of it is too long"));
        let many = format!("<a {}/>", "k=\"\" ".repeat(101));
        assert!(events(many.as_bytes()).ends_with("ERROR an element has too many attributes"));
    }
}
