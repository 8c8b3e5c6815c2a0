//! Output formats: one row and one file each. A format sees the results and nothing else.

mod csv;
mod cyclonedx;
mod gitlab;
mod html;
mod json;
mod junit;
mod markdown;
mod openvex;
mod sarif;
mod since;
mod spdx;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod trivy;

use std::io::{self, Write};

pub(crate) use markdown::{code, escaped};
pub use since::lines as since_lines;
pub use table::{counts, heading, plural};

use crate::{exit::Failure, results::Results};

/// One output format.
pub struct Format {
    /// Name on the command line.
    pub name: &'static str,
    /// One line for the help.
    pub about: &'static str,
    /// Whether each image can be written as soon as it is complete.
    pub streams: bool,
    /// Writes the results.
    pub write: fn(&Results, &mut dyn Write) -> io::Result<()>,
}

/// Every output format.
pub const TABLE: &[Format] = &[
    table::FORMAT,
    json::FORMAT,
    trivy::FORMAT,
    sarif::FORMAT,
    gitlab::FORMAT,
    cyclonedx::FORMAT,
    spdx::FORMAT,
    junit::FORMAT,
    markdown::FORMAT,
    html::FORMAT,
    csv::FORMAT,
    openvex::FORMAT,
];

/// The help of `--format`.
#[must_use]
pub fn help() -> String {
    let lines: Vec<String> =
        TABLE.iter().map(|format| format!("  {:<10} {}", format.name, format.about)).collect();
    format!("Output format on stdout:\n{}", lines.join("\n"))
}

/// The format of that name.
///
/// # Errors
/// When there is none; the message names those that there are.
pub fn by_name(name: &str) -> Result<&'static Format, Failure> {
    TABLE.iter().find(|format| format.name == name).ok_or_else(|| {
        let names: Vec<&str> = TABLE.iter().map(|format| format.name).collect();
        Failure::usage(format!("`{name}` is not an output format"))
            .hint(format!("formats: {}", names.join(", ")))
    })
}
