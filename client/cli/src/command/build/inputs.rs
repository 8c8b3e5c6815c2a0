//! Walks the files that a database is compiled from. Which source a file is of is seen from its content, so that a directory of
//! files needs no further word.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read as _},
    path::{Path, PathBuf},
};

use strata_analysis::database::{
    Builder, Part,
    source::{self, Head, Source},
};

use super::{parts::Parts, unreadable};
use crate::exit::Failure;

/// Bytes of JSON that are parsed together, on all cores.
const BATCH: usize = 32 << 20;
/// Largest member of a zip that is read; the largest known one is a tenth of this.
const MAX_RECORD: u64 = 64 << 20;
/// Directories within directories.
const DEPTH: u32 = 4;
/// Names that may be advisories; lists and notes lie beside them.
const EXTENSIONS: [&str; 5] = ["json", "xml", "gz", "bz2", "zst"];

/// Reads files into a builder.
pub(super) struct Inputs {
    builder: Builder,
    parts: Option<Parts>,
    records: u64,
    read: u64,
    reused: u64,
}

/// What a directory may hold, for people.
pub(super) fn kinds() -> String {
    source::TABLE.iter().map(|row| row.files).collect::<Vec<_>>().join("; ")
}

impl Inputs {
    pub(super) fn new(parts: Option<&Path>) -> Result<Self, Failure> {
        let parts = parts.map(Parts::open).transpose()?;
        Ok(Self { builder: Builder::new(), parts, records: 0, read: 0, reused: 0 })
    }

    /// Records so far, those that could not be read included.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// The builder, files that were read, and files that had not changed.
    pub(super) fn finish(self) -> Result<(Builder, u64, u64), Failure> {
        if let Some(parts) = self.parts {
            parts.forget_others()?;
        }
        Ok((self.builder, self.read, self.reused))
    }

    /// Takes a file, or all files below a directory.
    pub(super) fn walk(&mut self, path: &Path) -> Result<(), Failure> {
        // What is told of a file that was named itself begins with its own name.
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_file = kind(path)?.is_file();
        self.below(path, if is_file { &name } else { "" }, 0)
    }

    fn below(&mut self, path: &Path, name: &str, depth: u32) -> Result<(), Failure> {
        if kind(path)?.is_file() {
            return self.file(path, name, depth);
        }
        // Where there is the whole ecosystem as one zip, files beside it are its parts.
        let whole = path.join("all.zip");
        if whole.is_file() {
            return self.kept(&whole, name, |part| zip(&whole, name, part));
        }
        if depth >= DEPTH {
            return Ok(());
        }
        let failed = |error: io::Error| unreadable(path, &error.to_string());
        let mut children: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            children.push(entry.map_err(failed)?.path());
        }
        children.sort();
        let mut loose = Loose::default();
        for child in children {
            let below = child.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let below = if name.is_empty() { below } else { format!("{name}/{below}") };
            if !loose.takes(&child, &below)? {
                self.below(&child, &below, depth + 1)?;
            } else if loose.bytes >= BATCH {
                self.take(loose.part());
            }
        }
        self.take(loose.part());
        Ok(())
    }

    fn file(&mut self, path: &Path, name: &str, depth: u32) -> Result<(), Failure> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if extension == "zip" {
            // What it is called matters as little as where it lies: its members' names are told.
            let name = name.trim_end_matches(".zip");
            return self.kept(path, name, |part| zip(path, name, part));
        }
        let source = if EXTENSIONS.contains(&extension) { recognise(path)? } else { None };
        match source {
            Some(source) => self.kept(path, name, |part| whole(source, path, name, part)),
            None if depth == 0 => {
                Err(unreadable(path, "it is of no source that is known")
                    .hint(format!("known are: {}", kinds())))
            }
            // Lists and notes beside the advisories.
            None => Ok(()),
        }
    }

    /// Reads a file, or takes what was kept of it.
    fn kept(
        &mut self,
        path: &Path,
        name: &str,
        read: impl FnOnce(&mut Part) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let key = self.parts.as_ref().map(|_| Parts::key(path, name)).transpose()?;
        if let (Some(parts), Some(key)) = (&mut self.parts, &key)
            && let Some(part) = parts.find(key)
        {
            self.reused += 1;
            self.take(part);
            return Ok(());
        }
        let mut part = Part::new();
        read(&mut part)?;
        self.read += 1;
        if let (Some(parts), Some(key)) = (&mut self.parts, &key) {
            parts.keep(key, &part)?;
        }
        self.take(part);
        Ok(())
    }

    fn take(&mut self, part: Part) {
        self.records += u64::try_from(part.len()).unwrap_or(u64::MAX);
        // What could not be read is counted, with its name, in the statistics.
        self.builder.add_part(part);
    }
}

/// Files of one OSV record each, as an unpacked zip has them: many small ones, which all cores read together.
#[derive(Default)]
struct Loose {
    records: Vec<(String, Vec<u8>)>,
    bytes: usize,
}

impl Loose {
    /// Takes the file if it is one.
    fn takes(&mut self, path: &Path, name: &str) -> Result<bool, Failure> {
        if path.extension().is_none_or(|extension| extension != "json") || !kind(path)?.is_file() {
            return Ok(false);
        }
        let failed = |error: io::Error| unreadable(path, &error.to_string());
        let mut file = File::open(path).map_err(failed)?;
        let mut json = source::head(&mut file).map_err(failed)?;
        if !is_osv(source::find(Head { name, bytes: &json })) {
            return Ok(false);
        }
        file.take(MAX_RECORD).read_to_end(&mut json).map_err(failed)?;
        self.bytes += json.len();
        self.records.push((name.to_owned(), json));
        Ok(true)
    }

    fn part(&mut self) -> Part {
        let mut part = Part::new();
        add(&mut part, &self.records);
        *self = Self::default();
        part
    }
}

fn is_osv(source: Option<&'static Source>) -> bool {
    source.is_some_and(|source| source.name == "OSV")
}

fn kind(path: &Path) -> Result<fs::Metadata, Failure> {
    fs::metadata(path).map_err(|error| unreadable(path, &error.to_string()))
}

fn opened(path: &Path) -> Result<Box<dyn io::BufRead>, Failure> {
    let failed = |error: io::Error| unreadable(path, &error.to_string());
    source::open(Box::new(BufReader::new(File::open(path).map_err(failed)?))).map_err(failed)
}

fn recognise(path: &Path) -> Result<Option<&'static Source>, Failure> {
    let head = source::head(&mut opened(path)?).map_err(|error| unreadable(path, &error.to_string()))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(source::find(Head { name: &name, bytes: &head }))
}

fn whole(source: &Source, path: &Path, name: &str, part: &mut Part) -> Result<(), Failure> {
    part.add_file(source, name, &mut opened(path)?);
    Ok(())
}

fn add(part: &mut Part, records: &[(String, Vec<u8>)]) {
    let records: Vec<(&str, &[u8])> =
        records.iter().map(|(name, json)| (name.as_str(), json.as_slice())).collect();
    part.add_batch(&records);
}

fn zip(path: &Path, name: &str, part: &mut Part) -> Result<(), Failure> {
    let failed = |reason: String| unreadable(path, &reason);
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut archive =
        zip::ZipArchive::new(BufReader::new(file)).map_err(|error| failed(error.to_string()))?;
    let (mut records, mut bytes) = (Vec::new(), 0);
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(|error| failed(error.to_string()))?;
        let inner = member.name().map_err(|error| failed(error.to_string()))?.into_owned();
        if !member.is_file() || !inner.ends_with(".json") {
            continue;
        }
        let member_name = if name.is_empty() { inner } else { format!("{name}/{inner}") };
        if member.size() > MAX_RECORD {
            return Err(failed(format!("{member_name} is larger than 64 MiB")));
        }
        let mut json = Vec::new();
        let read = member.by_ref().take(MAX_RECORD).read_to_end(&mut json);
        read.map_err(|error| failed(format!("{member_name}: {error}")))?;
        bytes += json.len();
        records.push((member_name, json));
        if bytes >= BATCH {
            add(part, &records);
            records.clear();
            bytes = 0;
        }
    }
    add(part, &records);
    Ok(())
}
