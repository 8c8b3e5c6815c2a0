//! Compiles advisories into a database: those of OSV's public export (`<Ecosystem>/all.zip`, or plain JSON files) and those of
//! the other sources, whose files are recognised by their content.

mod inputs;
mod parts;

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use strata_analysis::database::{
    build::{Builder, Built},
    lifecycle::Lifecycles,
    score::Threats,
};

use crate::exit::Failure;

/// Largest list of probabilities, exploited flaws or ends of life that is read.
const MAX_LIST: u64 = 256 << 20;

/// What a database is compiled from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Directories, zips and files of advisories.
    pub advisories: Vec<PathBuf>,
    /// FIRST's EPSS, as CSV.
    pub epss: Option<PathBuf>,
    /// CISA's catalogue of known exploited vulnerabilities, as JSON.
    pub kev: Option<PathBuf>,
    /// Tables of ends of life, which replace what Strata's own says.
    pub lifecycles: Vec<PathBuf>,
    /// Where what was read of each file is kept, so that an unchanged file is not read again.
    pub parts: Option<PathBuf>,
}

/// A database, and how much of it had to be read.
pub struct Compiled {
    /// The database.
    pub built: Built,
    /// Files that were read.
    pub read: u64,
    /// Files that had not changed since their part was kept.
    pub reused: u64,
}

/// Compiles everything below the paths, in an order that does not matter.
///
/// # Errors
/// When a path cannot be read, or holds no advisory at all.
pub fn compile(from: &Sources) -> Result<Compiled, Failure> {
    let mut inputs = inputs::Inputs::new(from.parts.as_deref())?;
    for path in &from.advisories {
        let before = inputs.records();
        inputs.walk(path)?;
        if inputs.records() == before {
            return Err(Failure::usage(format!("failed to find advisories in {}", path.display()))
                .hint(format!("it should be a directory with, or one of: {}", inputs::kinds())));
        }
    }
    let (mut builder, read, reused) = inputs.finish()?;
    add_lists(&mut builder, from)?;
    let built = builder.finish();
    let built =
        built.map_err(|error| Failure::incomplete(format!("failed to build the database: {error}")))?;
    Ok(Compiled { built, read, reused })
}

/// What is not an advisory: how likely flaws are exploited, and when distributions end.
fn add_lists(builder: &mut Builder, from: &Sources) -> Result<(), Failure> {
    if let Some(path) = &from.epss {
        let text = String::from_utf8(read_list(path)?).map_err(|_| unreadable(path, "it is not UTF-8"))?;
        let threats = Threats::from_epss(&text).map_err(|error| unreadable(path, &error.to_string()))?;
        builder.add_threats(threats);
    }
    if let Some(path) = &from.kev {
        let threats = Threats::from_kev(&read_list(path)?);
        builder.add_threats(threats.map_err(|error| unreadable(path, &error.to_string()))?);
    }
    let own = Lifecycles::built_in();
    builder.add_lifecycles(
        own.map_err(|error| Failure::incomplete(format!("failed to build the database: {error}")))?,
    );
    for path in &from.lifecycles {
        let table = Lifecycles::read(&path.to_string_lossy(), &read_list(path)?);
        builder.add_lifecycles(table.map_err(|error| unreadable(path, &error.to_string()))?);
    }
    Ok(())
}

/// A whole list, decompressed where it is gzip, as EPSS is published.
fn read_list(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| unreadable(path, &error.to_string());
    let mut stored = io::BufReader::new(File::open(path).map_err(failed)?);
    let gzip = io::BufRead::fill_buf(&mut stored).map_err(failed)?.starts_with(&[0x1f, 0x8b]);
    let mut bytes = Vec::new();
    if gzip {
        flate2::bufread::MultiGzDecoder::new(stored)
            .take(MAX_LIST)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
    } else {
        stored.take(MAX_LIST).read_to_end(&mut bytes).map_err(failed)?;
    }
    Ok(bytes)
}

fn unreadable(path: &Path, reason: &str) -> Failure {
    Failure::usage(format!("failed to read {}: {reason}", path.display()))
}

/// Compiles advisories that are in memory already: (name, JSON).
///
/// # Errors
/// When one of them cannot be read.
pub fn compile_texts(texts: &[(&str, &str)]) -> Result<Built, Failure> {
    let mut builder = Builder::new();
    for (name, json) in texts {
        builder.add(name, json.as_bytes());
    }
    builder.finish().map_err(|error| Failure::incomplete(format!("failed to build the database: {error}")))
}

/// Writes a database to a new name and renames it: a reader sees the old file or the new one, never a part.
///
/// # Errors
/// When the directory cannot be written.
pub fn write(built: &Built, path: &Path) -> Result<(), Failure> {
    write_bytes(&built.bytes, path)
}

/// As [`write`], of any file that is used in place.
///
/// # Errors
/// As there.
pub fn write_bytes(bytes: &[u8], path: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::usage(format!("failed to write {}: {error}", path.display()));
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    publish(file, path)
}

/// Renames a finished file to its place, where every user may read it.
///
/// # Errors
/// When the directory cannot be written.
pub fn publish(file: tempfile::NamedTempFile, path: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::usage(format!("failed to write {}: {error}", path.display()));
    let stored = file.persist(path).map_err(|error| failed(error.error))?;
    readable_by_all(&stored).map_err(failed)
}

#[cfg(unix)]
fn readable_by_all(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_file: &File) -> io::Result<()> {
    Ok(())
}
