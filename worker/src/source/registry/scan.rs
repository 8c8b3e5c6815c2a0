//! A reader of header values: tokens, quoted strings, white space (RFC 9110, section 5.6).

/// A position in a header's value.
pub(super) struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    pub(super) const fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn skip(&mut self, of: &[char]) {
        self.rest = self.rest.trim_start_matches(of);
    }

    /// Takes the character if it comes next.
    pub(super) fn eat(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes characters as long as they please; perhaps none.
    pub(super) fn take(&mut self, pleases: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !pleases(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    pub(super) fn token(&mut self) -> &'a str {
        self.take(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
    }

    /// Drops one character, so that a reader of nonsense always gets on.
    pub(super) fn step(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    /// The rest of a quoted string whose opening quote was taken. A missing closing quote ends with the text.
    pub(super) fn quoted(&mut self) -> String {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        while let Some(next) = chars.next() {
            match next {
                '"' => break,
                '\\' => text.extend(chars.next()),
                _ => text.push(next),
            }
        }
        self.rest = chars.as_str();
        text
    }

    /// A parameter's value: quoted or bare.
    pub(super) fn value(&mut self) -> String {
        if self.eat('"') {
            return self.quoted();
        }
        self.take(|c| !c.is_ascii_whitespace() && !matches!(c, ',' | ';' | '"')).to_owned()
    }

    /// Whether a token and an equals sign come next: a parameter rather than the next scheme.
    pub(super) fn at_parameter(&self) -> bool {
        let mut ahead = Scanner { rest: self.rest };
        let token = ahead.token();
        ahead.skip(&[' ', '\t']);
        !token.is_empty() && ahead.eat('=') && !ahead.rest.starts_with('=') && !ahead.rest.is_empty()
    }
}
