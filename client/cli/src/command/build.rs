//! Walks advisories in the layout of OSV's public export and compiles them: `<Ecosystem>/all.zip`, or plain JSON files.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use strata_analysis::database::{
    build::{Builder, Built},
    score::Threats,
};

use crate::exit::Failure;

/// Bytes of JSON that are parsed together, on all cores.
const BATCH: usize = 32 << 20;
/// Largest advisory that is read; the largest known one is a tenth of this.
const MAX_RECORD: u64 = 64 << 20;

/// Largest list of probabilities or exploited flaws that is read.
const MAX_LIST: u64 = 256 << 20;

/// What a database is compiled from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Directories and zips of advisories.
    pub advisories: Vec<PathBuf>,
    /// FIRST's EPSS, as CSV.
    pub epss: Option<PathBuf>,
    /// CISA's catalogue of known exploited vulnerabilities, as JSON.
    pub kev: Option<PathBuf>,
}

/// Compiles everything below the paths, in an order that does not matter.
///
/// # Errors
/// When a path cannot be read, or holds no advisory at all.
pub fn compile(from: &Sources) -> Result<Built, Failure> {
    let mut batches = Batches { builder: Builder::new(), records: Vec::new(), bytes: 0, count: 0 };
    for path in &from.advisories {
        let before = batches.count;
        walk(path, "", 0, &mut batches)?;
        if batches.count == before {
            return Err(Failure::usage(format!("failed to find advisories in {}", path.display()))
                .hint("it should be a directory with <Ecosystem>/all.zip, or a zip of advisories, as in OSV's public export"));
        }
    }
    batches.flush();
    if let Some(path) = &from.epss {
        let text = String::from_utf8(read_list(path)?).map_err(|_| unreadable(path, "it is not UTF-8"))?;
        let threats = Threats::from_epss(&text).map_err(|error| unreadable(path, &error.to_string()))?;
        batches.builder.add_threats(threats);
    }
    if let Some(path) = &from.kev {
        let threats = Threats::from_kev(&read_list(path)?);
        batches.builder.add_threats(threats.map_err(|error| unreadable(path, &error.to_string()))?);
    }
    batches
        .builder
        .finish()
        .map_err(|error| Failure::incomplete(format!("failed to build the database: {error}")))
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

struct Batches {
    builder: Builder,
    records: Vec<(String, Vec<u8>)>,
    bytes: usize,
    count: u64,
}

impl Batches {
    fn add(&mut self, name: String, json: Vec<u8>) {
        self.bytes += json.len();
        self.count += 1;
        self.records.push((name, json));
        if self.bytes >= BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let records: Vec<(&str, &[u8])> =
            self.records.iter().map(|(name, json)| (name.as_str(), json.as_slice())).collect();
        // What could not be read is counted, with its name, in the statistics.
        self.builder.add_batch(&records);
        self.records.clear();
        self.bytes = 0;
    }
}

fn walk(path: &Path, name: &str, depth: u32, batches: &mut Batches) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::usage(format!("failed to read {}: {error}", path.display()));
    let kind = fs::metadata(path).map_err(failed)?;
    if kind.is_file() {
        return file(path, name, depth, batches);
    }
    // Where there is the whole ecosystem as one zip, files beside it are its parts.
    let whole = path.join("all.zip");
    if whole.is_file() {
        return zip(&whole, name, batches);
    }
    if depth > 3 {
        return Ok(());
    }
    let mut children: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        children.push(entry.map_err(failed)?.path());
    }
    children.sort();
    for child in children {
        let below = child.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let below = if name.is_empty() { below } else { format!("{name}/{below}") };
        walk(&child, &below, depth + 1, batches)?;
    }
    Ok(())
}

fn file(path: &Path, name: &str, depth: u32, batches: &mut Batches) -> Result<(), Failure> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("zip") => zip(path, name, batches),
        Some("json") => {
            let failed =
                |error: io::Error| Failure::usage(format!("failed to read {}: {error}", path.display()));
            let mut json = Vec::new();
            File::open(path).map_err(failed)?.take(MAX_RECORD).read_to_end(&mut json).map_err(failed)?;
            batches.add(name.to_owned(), json);
            Ok(())
        }
        _ if depth == 0 => Err(Failure::usage(format!(
            "failed to read {}: it is neither a directory nor a zip",
            path.display()
        ))),
        // Lists and notes beside the advisories.
        _ => Ok(()),
    }
}

fn zip(path: &Path, name: &str, batches: &mut Batches) -> Result<(), Failure> {
    let failed = |reason: String| Failure::usage(format!("failed to read {}: {reason}", path.display()));
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut archive =
        zip::ZipArchive::new(io::BufReader::new(file)).map_err(|error| failed(error.to_string()))?;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(|error| failed(error.to_string()))?;
        let inner = member.name().map_err(|error| failed(error.to_string()))?.into_owned();
        if !member.is_file() || !inner.ends_with(".json") {
            continue;
        }
        let member_name = format!("{name}/{inner}");
        if member.size() > MAX_RECORD {
            return Err(failed(format!("{member_name} is larger than 64 MiB")));
        }
        let mut json = Vec::new();
        let read = member.by_ref().take(MAX_RECORD).read_to_end(&mut json);
        read.map_err(|error| failed(format!("{member_name}: {error}")))?;
        batches.add(member_name, json);
    }
    Ok(())
}
