//! An export: a zip, or the directory that it was unpacked to, with `SHA256SUMS` as `sha256sum -c` reads it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write as _},
    path::Path,
};

use sha2::{Digest as _, Sha256};
use strata_proto::digest::Digest;
use tempfile::NamedTempFile;
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::sign::{Signer, Verifier};
use crate::exit::Failure;

const SUMS: &str = "SHA256SUMS";
/// The envelope around the list, in exports that are signed.
const SIGNATURE: &str = "SHA256SUMS.dsse.json";
/// Bytes of the list: some hundred thousand lines.
const LARGEST_SUMS: u64 = 32 << 20;
/// Bytes of one part.
const LARGEST_PART: u64 = 2 << 30;
/// Parts of one export.
const MOST_PARTS: usize = 300_000;

/// Writes an export: whole or not at all.
pub(super) struct Writer {
    zip: ZipWriter<NamedTempFile>,
    sums: String,
    target: std::path::PathBuf,
}

fn failed(path: &Path) -> impl Fn(String) -> Failure {
    let path = path.display().to_string();
    move |reason| Failure::usage(format!("failed to write the export {path}: {reason}"))
}

impl Writer {
    pub(super) fn create(target: &Path) -> Result<Self, Failure> {
        let directory =
            target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file =
            NamedTempFile::new_in(directory).map_err(|error| failed(target)(error.kind().to_string()))?;
        Ok(Self { zip: ZipWriter::new(file), sums: String::new(), target: target.to_owned() })
    }

    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.sums += &format!("{}  {name}\n", Digest::of(bytes).hex());
        self.put(name, bytes)
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let large = u64::try_from(bytes.len()).map_or(true, |length| length >= u64::from(u32::MAX));
        // Without a time: the same reports are the same file.
        let options = SimpleFileOptions::default().large_file(large);
        let options = options.last_modified_time(zip::DateTime::default());
        self.zip.start_file(name, options).map_err(|error| failed(&self.target)(error.to_string()))?;
        self.zip.write_all(bytes).map_err(|error| failed(&self.target)(error.to_string()))
    }

    /// The digest of the list of digests: who notes it down can show later that nothing was changed.
    pub(super) fn finish(mut self, signer: Option<&Signer>) -> Result<Digest, Failure> {
        let sums = std::mem::take(&mut self.sums);
        self.put(SUMS, sums.as_bytes())?;
        if let Some(signer) = signer {
            self.put(SIGNATURE, &signer.envelope(&sums)?)?;
        }
        let wrong = failed(&self.target);
        let file = self.zip.finish().map_err(|error| wrong(error.to_string()))?;
        file.persist(&self.target).map_err(|error| wrong(error.error.to_string()))?;
        Ok(Digest::of(sums.as_bytes()))
    }
}

/// What is wrong with an export, and what it is.
type Verified = (Vec<String>, String);

/// Verifies a zip.
pub(super) fn verify_file(path: &Path, key: Option<&Verifier>) -> Result<Verified, Failure> {
    let failed = |reason: String| Failure::usage(format!("failed to read {}: {reason}", path.display()));
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut zip = ZipArchive::new(file)
        .map_err(|error| failed(error.to_string()))
        .map_err(|failure| failure.hint("`strata archive export` writes what this reads"))?;
    let names: Result<Vec<String>, _> =
        zip.file_names().take(MOST_PARTS + 1).map(|name| name.map(std::borrow::Cow::into_owned)).collect();
    let names = names.map_err(|error| failed(error.to_string()))?;
    if names.len() > MOST_PARTS {
        return Err(failed(format!("it has more than {MOST_PARTS} parts")));
    }
    let mut read = |name: &str, most: u64| -> io::Result<Part> {
        let part = zip.by_name(name).map_err(io::Error::other)?;
        hash(part, most)
    };
    let sums = text(&mut read).map_err(|error| failed(format!("{SUMS}: {error}")))?;
    let signed = signature(&sums, &names, key, &mut read);
    compare(&sums, &names, read).map(|verified| signed.add(verified)).map_err(failed)
}

/// Verifies a directory.
pub(super) fn verify_directory(path: &Path, key: Option<&Verifier>) -> Result<Verified, Failure> {
    let failed = |reason: String| Failure::usage(format!("failed to read {}: {reason}", path.display()));
    let mut read = |name: &str, most: u64| hash(File::open(path.join(name))?, most);
    let sums = text(&mut read).map_err(|error| {
        failed(format!("{SUMS}: {error}")).hint("it is neither an unpacked export nor a cache directory")
    })?;
    let mut names = vec![SUMS.to_owned()];
    names.extend(path.join(SIGNATURE).exists().then(|| SIGNATURE.to_owned()));
    let list = |directory: &Path| std::fs::read_dir(directory).map_err(|error| failed(error.to_string()));
    for entry in list(path)?.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
        let parent = entry.file_name().to_string_lossy().into_owned();
        for part in list(&entry.path())?.filter_map(Result::ok).take(MOST_PARTS) {
            names.push(format!("{parent}/{}", part.file_name().to_string_lossy()));
        }
    }
    let signed = signature(&sums, &names, key, &mut read);
    compare(&sums, &names, read).map(|verified| signed.add(verified)).map_err(failed)
}

/// What there is to say of an export's signature.
enum Signed {
    Not,
    Unchecked,
    Good,
    Wrong(String),
}

impl Signed {
    fn add(self, (mut wrong, said): Verified) -> Verified {
        let more = match self {
            Self::Not => "",
            Self::Unchecked => ", signed (not checked: --key names the public key)",
            Self::Good => ", signed by this key",
            Self::Wrong(reason) => {
                wrong.push(reason);
                ""
            }
        };
        (wrong, format!("{said}{more}"))
    }
}

fn signature(
    sums: &str,
    names: &[String],
    key: Option<&Verifier>,
    read: &mut impl FnMut(&str, u64) -> io::Result<Part>,
) -> Signed {
    let is_there = names.iter().any(|name| name == SIGNATURE);
    let Some(key) = key else { return if is_there { Signed::Unchecked } else { Signed::Not } };
    if !is_there {
        return Signed::Wrong(format!("{SIGNATURE}: missing: the export is not signed"));
    }
    // Base64 is a third longer than what it holds.
    let envelope = read(SIGNATURE, LARGEST_SUMS.saturating_mul(2)).map_err(|error| error.to_string());
    match envelope.and_then(|envelope| key.verify(&envelope.bytes, sums)) {
        Ok(()) => Signed::Good,
        Err(reason) => Signed::Wrong(format!("{SIGNATURE}: {reason}")),
    }
}

/// A part that was read: its digest, and its bytes where they are few.
struct Part {
    hex: String,
    bytes: Vec<u8>,
}

/// Reads a part to its end, or to what is too much.
fn hash(part: impl Read, most: u64) -> io::Result<Part> {
    let mut part = part.take(most + 1);
    let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), Vec::new(), vec![0; 64 << 10]);
    let mut read = 0_u64;
    loop {
        let count = part.read(&mut buffer)?;
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else { break };
        read = read.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if read > most {
            return Err(io::Error::other(format!("it has more than {most} bytes")));
        }
        hasher.update(piece);
        if most < LARGEST_PART {
            bytes.extend_from_slice(piece);
        }
    }
    Ok(Part { hex: Digest::from_bytes(hasher.finalize().into()).hex(), bytes })
}

fn text(read: &mut impl FnMut(&str, u64) -> io::Result<Part>) -> io::Result<String> {
    String::from_utf8(read(SUMS, LARGEST_SUMS)?.bytes).map_err(io::Error::other)
}

fn compare(
    sums: &str,
    names: &[String],
    mut read: impl FnMut(&str, u64) -> io::Result<Part>,
) -> Result<Verified, String> {
    let mut listed = BTreeMap::new();
    for line in sums.lines() {
        let (hex, name) =
            line.split_once("  ").ok_or_else(|| format!("{SUMS}: `{line}` is no line of it"))?;
        // Nothing beside the export is opened.
        let inside = !name.starts_with('/') && name.split('/').all(|part| !part.is_empty() && part != "..");
        if !inside || name.contains('\\') {
            return Err(format!("{SUMS}: `{name}` is not a name in an export"));
        }
        listed.insert(name.to_owned(), hex.to_owned());
    }
    let mut wrong = Vec::new();
    for (name, hex) in &listed {
        match read(name, LARGEST_PART) {
            Ok(part) if part.hex == *hex => {}
            Ok(part) => wrong.push(format!("{name}: changed: it is {} and was {hex}", part.hex)),
            Err(_) if !names.contains(name) => wrong.push(format!("{name}: missing")),
            Err(error) => wrong.push(format!("{name}: cannot be read: {error}")),
        }
    }
    let unlisted =
        names.iter().filter(|name| *name != SUMS && *name != SIGNATURE && !listed.contains_key(*name));
    wrong.extend(unlisted.map(|name| format!("{name}: not in {SUMS}")));
    Ok((wrong, format!("{} parts, {SUMS} {}", listed.len(), Digest::of(sums.as_bytes()))))
}
