//! Chisel: Ubuntu packages cut into slices. Its manifest is a zstd-compressed "jsonwall": one JSON object a line, the
//! first of which counts the lines (documentation.ubuntu.com/chisel, reference/manifest).

use std::io::Read as _;

use serde::Deserialize;

use super::{Candidate, Ecosystem, Facts, File, Want, dpkg};
use crate::{json, model::Package, version};

/// The row. A package is dpkg's, so its URL and its advisories are, too.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "chisel",
    revision: 1,
    reads: "`manifest.wall`",
    wants,
    parse,
    purl: dpkg::package_url,
    advisory_keys: dpkg::advisory_keys,
    order: &version::DEB,
    system: true,
};

const MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";
/// Bytes of an unpacked manifest: it has some 300 for each file of the image.
const MANIFEST_BYTES: u64 = 64 << 20;
/// Memory that the decoder may take, as a power of two: what chisel's encoder needs at most.
const WINDOW: u32 = 27;
/// Lines of which it is said what is wrong with them.
const PROBLEMS: u64 = 8;

fn wants(candidate: Candidate<'_>) -> Want {
    if candidate.name == "manifest.wall" { Want::Whole } else { Want::No }
}

/// The first line.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "jsonwall")]
    _format: String,
    /// Lines, this one included.
    count: u64,
}

/// Any other line.
#[derive(Deserialize)]
struct Line {
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    arch: String,
    #[serde(default)]
    path: String,
}

fn parse(file: File<'_>, facts: &mut Facts) {
    // A release of chisel puts it where a slice says; elsewhere the name may be anyone's.
    if file.path != "var/lib/chisel/manifest.wall" && !file.bytes.starts_with(MAGIC) {
        return;
    }
    let Some(text) = unpack(file, facts) else { return };
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let header = lines.next().and_then(|line| serde_json::from_slice::<Header>(line).ok());
    let Some(header) = header else {
        facts.problem("unreadable-database", file, "it is no manifest of chisel: it has no header");
        return;
    };
    let (mut read, mut malformed) = (1_u64, 0_u64);
    for line in lines {
        read += 1;
        if let Err(reason) = add(line, file, facts) {
            malformed += 1;
            if malformed <= PROBLEMS {
                facts.problem("unreadable-database", file, format!("line {read} is malformed: {reason}"));
            }
        }
    }
    if malformed > PROBLEMS {
        let message = format!("{} further lines are malformed", malformed - PROBLEMS);
        facts.problem("unreadable-database", file, message);
    }
    if read != header.count {
        let message = format!("it has {read} lines, but says that there are {}", header.count);
        facts.problem("unreadable-database", file, message);
    }
    if facts.packages.is_empty() {
        facts.problem("unreadable-database", file, "it names no package");
    } else {
        let message =
            "names no source packages: of a package whose source has another name, advisories are not found";
        facts.problem("no-source-packages", file, message);
    }
}

fn unpack(file: File<'_>, facts: &mut Facts) -> Option<Vec<u8>> {
    let limit = file.limits.file_bytes.min(MANIFEST_BYTES);
    let mut text = Vec::new();
    let unpacked = zstd::stream::read::Decoder::new(file.bytes).and_then(|mut decoder| {
        decoder.window_log_max(WINDOW)?;
        decoder.take(limit.saturating_add(1)).read_to_end(&mut text)
    });
    match unpacked {
        Err(error) => {
            facts.problem("unreadable-database", file, format!("it cannot be unpacked: {error}"));
            None
        }
        Ok(length) if u64::try_from(length).unwrap_or(u64::MAX) > limit => {
            facts.problem("limit", file, format!("unpacks to more than {limit} bytes"));
            None
        }
        Ok(_) => Some(text),
    }
}

/// Takes one line's package or path; the lines of other kinds say which slice a path is from.
fn add(line: &[u8], file: File<'_>, facts: &mut Facts) -> Result<(), String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| json::flaw(&error))?;
    match line.kind.as_str() {
        "package" if line.name.is_empty() || line.version.is_empty() => {
            return Err("a package has no version or no name".to_owned());
        }
        "package" => {
            facts.package(
                file,
                Package { architecture: line.arch, ..Package::plain(line.name, line.version) },
            );
        }
        "path" if !line.path.ends_with('/') => facts.own(file, line.path),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Facts, File, parse};
    use crate::limits::Limits;

    fn read(text: &str, limits: &Limits) -> Facts {
        let bytes = zstd::bulk::compress(text.as_bytes(), 1).unwrap();
        let mut facts = Facts::default();
        parse(File { path: "var/lib/chisel/manifest.wall", bytes: &bytes, limits }, &mut facts);
        facts
    }

    #[test]
    fn a_bomb_meets_the_limit() {
        let limits = Limits { file_bytes: 1 << 20, ..Limits::default() };
        let facts = read(&" ".repeat((1 << 20) + 1), &limits);
        assert_eq!(facts.problems[0].code, "limit");
        assert!(facts.packages.is_empty());
    }

    #[test]
    fn a_manifest_that_ends_early_says_so() {
        let text = "{\"jsonwall\":\"1.0\",\"schema\":\"1.0\",\"count\":3}\n{\"kind\":\"package\",\"name\":\"a\",\"version\":\"1\"}\n";
        let facts = read(text, &Limits::default());
        assert_eq!(facts.packages.len(), 1);
        assert!(facts.problems.iter().any(|problem| problem.message.contains("has 2 lines")), "{facts:?}");
    }

    #[test]
    fn bad_lines_are_counted_and_hide_no_other() {
        let mut text = "{\"jsonwall\":\"1.0\",\"count\":22}\n".to_owned();
        text.push_str(&"{\"kind\":\"package\",\"name\":\"a\"}\n".repeat(20));
        text.push_str("{\"kind\":\"package\",\"name\":\"a\",\"version\":\"1\"}\n");
        let facts = read(&text, &Limits::default());
        assert_eq!(facts.packages.len(), 1);
        let codes = facts.problems.iter().filter(|problem| problem.code == "unreadable-database");
        assert_eq!(codes.count(), 9, "eight lines and the rest: {facts:?}");
    }
}
