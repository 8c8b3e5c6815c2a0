//! YAML as a tree whose every node knows its place, so that each error names line and column. A policy is data that a
//! person wrote: anchors, aliases, tags and several documents are refused, and so nothing can expand.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// Bytes of a policy file at most.
pub const MOST_BYTES: u64 = 1 << 20;
/// Levels of lists and maps within each other.
const DEEPEST: usize = 16;

/// A place in the file, both numbers from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}: {message}", .place.line, .place.column)]
pub struct Error {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
}

/// A part of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it starts.
    pub place: Place,
    /// Where its key is, or itself where it has none.
    key: Place,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Null,
    /// A scalar, and whether it is without quotes.
    Text(String, bool),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// The entries of a map whose keys are known.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'n> {
    /// Where the map starts.
    pub place: Place,
    entries: &'n [(String, Node)],
}

/// Reads one document.
///
/// # Errors
/// When it is no YAML, or uses what is refused.
pub fn parse(text: &str) -> Result<Node, Error> {
    let mut events = Events(Parser::new_from_str(text));
    events.document_start()?;
    let (event, span) = events.next()?;
    let node = build(&mut events, event, span, 0)?;
    match events.next()? {
        (Event::DocumentEnd, _) => {}
        (_, span) => return Err(error(span, "the end of the document was expected")),
    }
    match events.next()? {
        (Event::StreamEnd, _) => Ok(node),
        (_, span) => Err(error(span, "a second document begins; one is read")),
    }
}

struct Events<'t>(Parser<'t, saphyr_parser::StrInput<'t>>);

impl<'t> Events<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Error> {
        match self.0.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(wrong)) => {
                let place = Place { line: wrong.marker().line(), column: wrong.marker().col() + 1 };
                Err(Error { place, message: wrong.info().to_owned() })
            }
            None => {
                Err(Error { place: Place { line: 1, column: 1 }, message: "the file is empty".to_owned() })
            }
        }
    }

    fn document_start(&mut self) -> Result<(), Error> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::Nothing, _) => {}
                (Event::DocumentStart(_), _) => return Ok(()),
                (_, span) => return Err(error(span, "the file is empty")),
            }
        }
    }
}

fn place(span: Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

fn error(span: Span, message: &str) -> Error {
    Error { place: place(span), message: message.to_owned() }
}

fn build<'t>(events: &mut Events<'t>, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Error> {
    if depth > DEEPEST {
        return Err(error(span, "lists and maps are too deep"));
    }
    let value = match event {
        Event::Scalar(_, _, 1.., _) | Event::SequenceStart(1.., _) | Event::MappingStart(1.., _) => {
            return Err(error(span, "anchors are not supported"));
        }
        Event::Alias(_) => return Err(error(span, "aliases are not supported")),
        Event::Scalar(_, _, _, Some(_))
        | Event::SequenceStart(_, Some(_))
        | Event::MappingStart(_, Some(_)) => {
            return Err(error(span, "tags are not supported"));
        }
        Event::Scalar(text, style, ..) => match (style, &*text) {
            (ScalarStyle::Plain, "" | "~" | "null") => Value::Null,
            (style, _) => Value::Text(text.into_owned(), style == ScalarStyle::Plain),
        },
        Event::SequenceStart(..) => Value::List(list(events, depth)?),
        Event::MappingStart(..) => Value::Map(map(events, depth)?),
        _ => return Err(error(span, "a value was expected")),
    };
    Ok(Node { place: place(span), key: place(span), value })
}

fn list(events: &mut Events<'_>, depth: usize) -> Result<Vec<Node>, Error> {
    let mut items = Vec::new();
    loop {
        match events.next()? {
            (Event::SequenceEnd, _) => return Ok(items),
            (event, span) => items.push(build(events, event, span, depth + 1)?),
        }
    }
}

fn map(events: &mut Events<'_>, depth: usize) -> Result<Vec<(String, Node)>, Error> {
    let mut entries: Vec<(String, Node)> = Vec::new();
    loop {
        let (event, span) = match events.next()? {
            (Event::MappingEnd, _) => return Ok(entries),
            pair => pair,
        };
        let key = build(events, event, span, depth + 1)?;
        let name = key.text("a key")?.to_owned();
        if entries.iter().any(|(known, _)| *known == name) {
            return Err(key.wrong(format!("`{name}` is there twice")));
        }
        let (event, span) = events.next()?;
        let mut node = build(events, event, span, depth + 1)?;
        node.key = key.place;
        if node.value == Value::Null {
            // An absent value has no place of its own that would help.
            node.place = key.place;
        }
        entries.push((name, node));
    }
}

impl Node {
    /// An error about this node.
    #[must_use]
    pub fn wrong(&self, message: impl Into<String>) -> Error {
        Error { place: self.place, message: message.into() }
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// A text, or another scalar as it is written.
    ///
    /// # Errors
    /// When it is a list, a map, or nothing.
    pub fn text(&self, what: &str) -> Result<&str, Error> {
        match &self.value {
            Value::Text(text, _) => Ok(text),
            _ => Err(self.wrong(format!("{what} is a text"))),
        }
    }

    /// `true` or `false`; `None` for `any` or no value.
    ///
    /// # Errors
    /// When it is something else.
    pub fn choice(&self, what: &str) -> Result<Option<bool>, Error> {
        match &self.value {
            Value::Null => Ok(None),
            Value::Text(text, true) if text == "true" => Ok(Some(true)),
            Value::Text(text, true) if text == "false" => Ok(Some(false)),
            Value::Text(text, _) if text == "any" => Ok(None),
            _ => Err(self.wrong(format!("{what} is `true`, `false` or `any`"))),
        }
    }

    /// What is wrong with the key that this is the value of.
    pub fn wrong_key(&self, message: impl Into<String>) -> Error {
        Error { place: self.key, message: message.into() }
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// When it is something else, or too large.
    pub fn number(&self, what: &str) -> Result<u64, Error> {
        match &self.value {
            Value::Text(text, true) => text.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| self.wrong(format!("{what} is a whole number")))
    }

    /// The items of a list.
    ///
    /// # Errors
    /// When it is something else.
    pub fn list(&self, what: &str) -> Result<&[Node], Error> {
        match &self.value {
            Value::List(items) => Ok(items),
            _ => Err(self.wrong(format!("{what} is a list"))),
        }
    }

    /// The texts of a list.
    ///
    /// # Errors
    /// When it is something else.
    pub fn texts(&self, what: &str) -> Result<Vec<String>, Error> {
        self.list(what)?.iter().map(|item| item.text(what).map(str::to_owned)).collect()
    }

    /// The entries of a map whose keys are all among those that are known.
    ///
    /// # Errors
    /// When it is something else, or has another key.
    pub fn fields(&self, what: &str, known: &[&str]) -> Result<Fields<'_>, Error> {
        let entries = self.entries(what)?;
        if let Some((name, node)) = entries.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            let message = format!("`{name}` is not a part of {what}; known: {}", known.join(", "));
            return Err(Error { place: node.key, message });
        }
        Ok(Fields { place: self.place, entries })
    }

    /// The entries of a map, in the file's order.
    ///
    /// # Errors
    /// When it is something else.
    pub fn entries(&self, what: &str) -> Result<&[(String, Node)], Error> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            _ => Err(self.wrong(format!("{what} is a map"))),
        }
    }
}

impl<'n> Fields<'n> {
    /// The value of a key, where there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, node)| node)
            .filter(|node| !node.is_null())
    }

    /// The value of a key that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn need(&self, name: &str) -> Result<&'n Node, Error> {
        self.get(name).ok_or_else(|| Error { place: self.place, message: format!("`{name}` is missing") })
    }

    /// A text that may be absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self, name: &str) -> Result<String, Error> {
        self.get(name).map_or(Ok(String::new()), |node| node.text(name).map(str::to_owned))
    }

    /// Texts that may be absent.
    ///
    /// # Errors
    /// When they are something else.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Error> {
        self.get(name).map_or(Ok(Vec::new()), |node| node.texts(name))
    }

    /// As [`Node::choice`], for a key that may be absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn choice(&self, name: &str) -> Result<Option<bool>, Error> {
        self.get(name).map_or(Ok(None), |node| node.choice(name))
    }
}
