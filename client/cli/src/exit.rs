//! Exit codes, and how an error is shown to a person.

use std::io::Write as _;

/// Passed.
pub const PASSED: u8 = 0;
/// The policy failed; reports are written.
pub const POLICY: u8 = 1;
/// Usage or configuration.
pub const USAGE: u8 = 2;
/// The scan could not be completed.
pub const INCOMPLETE: u8 = 3;
/// The report could not be submitted though that was required.
pub const NOT_SUBMITTED: u8 = 4;

/// An error with its exit code, and a hint on what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Exit code of the process.
    pub code: u8,
    /// One sentence that names the thing.
    pub message: String,
    /// What to do about it, on a line of its own.
    pub hint: Option<String>,
}

impl Failure {
    /// Wrong usage or configuration.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into(), hint: None }
    }

    /// Work that could not be completed.
    #[must_use]
    pub fn incomplete(message: impl Into<String>) -> Self {
        Self { code: INCOMPLETE, message: message.into(), hint: None }
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<strata_client::Error> for Failure {
    fn from(error: strata_client::Error) -> Self {
        use strata_client::Error;
        match &error {
            Error::Unauthenticated { .. } => Self::usage(error.to_string())
                .hint("`strata token create` makes a token; STRATA_TOKEN or STRATA_TOKEN_FILE shows it"),
            Error::BadCertificates { .. } | Error::BadToken | Error::BadTraceparent { .. } | Error::Denied { .. } => Self::usage(error.to_string()),
            Error::BadUrl { .. } => Self::usage(error.to_string()),
            // What rustls says where no TLS comes back.
            Error::Connect { .. } if error.to_string().contains("InvalidContentType") => {
                Self::incomplete(error.to_string())
                    .hint("something answers there, but it does not speak TLS: is its URL http://, or another port?")
            }
            Error::Connect { .. } => Self::incomplete(error.to_string())
                .hint("is `strata coordinator` (or `strata server`) running there, and does the URL start with http:// or https://?"),
            Error::NotFound { .. } => Self::usage(error.to_string()).hint("`strata sweeps` lists the scans"),
            Error::Refused { .. } => Self::usage(error.to_string()),
            Error::Unavailable { .. } | Error::TimedOut { .. } => Self::incomplete(error.to_string()),
        }
    }
}

/// A warning on stderr, also where progress is not wanted.
pub fn warn(text: &str) {
    let warning = anstyle::AnsiColor::Yellow.on_default().bold();
    let _ = writeln!(anstream::stderr(), "{warning}warning{warning:#}: {text}");
}

/// A line for people on stderr, beside an error that somebody else prints.
pub fn note(text: &str) {
    let note = anstyle::AnsiColor::Cyan.on_default();
    let _ = writeln!(anstream::stderr(), "{note}note{note:#}: {text}");
}

/// Prints a failure to stderr: one line, and the hint on its own.
pub fn print(failure: &Failure) {
    let mut stderr = anstream::stderr().lock();
    let (error, note) = (anstyle::AnsiColor::Red.on_default().bold(), anstyle::AnsiColor::Cyan.on_default());
    let _ = writeln!(stderr, "{error}error{error:#}: {}", failure.message);
    if let Some(hint) = &failure.hint {
        let _ = writeln!(stderr, "{note}hint{note:#}: {hint}");
    }
}
