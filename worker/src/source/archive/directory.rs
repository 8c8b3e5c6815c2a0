//! A root file system → the tar of the one layer that it is: files that an analysis wants, and all links.
//!
//! Everything is opened relative to its directory's descriptor and never through a link, so that nothing outside is read,
//! whoever changes the tree meanwhile. Special files are left alone, and so are the kernel's own file systems. What cannot
//! be read is a problem of the image.

use std::{
    ffi::CString,
    fs::File,
    io::{self, BufWriter, Read, Write},
    os::fd::OwnedFd,
    path::Path,
    rc::Rc,
};

use rustix::fs::{self, AtFlags, Dir, FileType, FsWord, Mode, OFlags, Stat};
use sha2::{Digest as _, Sha256};
use strata_analysis::{layer, model::Problem};
use strata_proto::digest::Digest;

use super::prepared;
use crate::{error::JobError, ports::io_error};

/// Entries of the tree.
const MAX_ENTRIES: u64 = 20_000_000;
/// Directories within directories.
const MAX_DEPTH: usize = 512;
/// Entries of one directory.
const MAX_LISTED: usize = 4_000_000;
/// Things that could not be read, each listed; more are counted.
const MAX_PROBLEMS: usize = 200;
/// Where the problems stand in the tar, so that its digest covers them.
const PROBLEMS: &str = ".strata-problems";
const BLOCK: usize = 512;

/// File systems that the kernel makes up (Linux's `magic.h`): proc, sysfs, cgroup, cgroup2, devpts, debugfs, tracefs,
/// securityfs, pstore, bpf, configfs, mqueue, hugetlbfs, selinux, binfmt_misc, nsfs, efivarfs.
const MADE_UP: [FsWord; 17] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x1cd1,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0x6165_676c,
    0xcafe_4a11,
    0x6265_6570,
    0x1980_0202,
    0x9584_58f6,
    0xf97c_ff8c,
    0x4249_4e4d,
    0x6e73_6673,
    0xde5e_81e4,
];

/// A directory as a layer.
pub(super) struct Packed {
    pub(super) file: File,
    pub(super) size: u64,
    pub(super) digest: Digest,
    pub(super) problems: Vec<Problem>,
}

/// Packs a directory into an unnamed file. Blocks.
///
/// # Errors
/// When the directory itself cannot be read, it has too much in it, or there is no room.
pub(super) fn pack(root: &Path, spool: &Path, limit: u64) -> Result<Packed, JobError> {
    let shown = root.display();
    let failed = |error: io::Error| io_error(&format!("read {shown}"), &error);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = fs::open(root, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let device = fs::fstat(&top).map_err(|error| failed(error.into()))?.st_dev;
    let room = tempfile::tempfile_in(spool)
        .map_err(|error| io_error(&format!("make room for {shown} in {}", spool.display()), &error))?;
    let mut packer = Packer {
        out: Hashing {
            out: BufWriter::with_capacity(256 << 10, room),
            hasher: Sha256::new(),
            written: 0,
            limit,
        },
        entries: 0,
        problems: Vec::new(),
        left_out: 0,
        chunk: vec![0; 256 << 10],
    };
    packer.tree(top, device).map_err(|error| stopped(root, error))?;
    packer.finish().map_err(|error| stopped(root, error))
}

fn stopped(root: &Path, error: io::Error) -> JobError {
    let message = format!("failed to read {}: {error}", root.display());
    match error.kind() {
        io::ErrorKind::QuotaExceeded => JobError::never("limit", message),
        io::ErrorKind::StorageFull => JobError::later("spool", message),
        _ => io_error(&format!("read {}", root.display()), &error),
    }
}

fn too_much(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, format!("it has more than {what}"))
}

/// A directory that is yet to be read.
struct Open {
    parent: Option<(Rc<OwnedFd>, CString)>,
    path: Vec<u8>,
    depth: usize,
    device: u64,
}

struct Packer {
    out: Hashing,
    entries: u64,
    problems: Vec<Problem>,
    left_out: u64,
    /// What is read of a file at once; one for all of them.
    chunk: Vec<u8>,
}

impl Packer {
    fn tree(&mut self, top: OwnedFd, device: u64) -> io::Result<()> {
        let mut top = Some(top);
        let mut open = vec![Open { parent: None, path: Vec::new(), depth: 0, device }];
        while let Some(directory) = open.pop() {
            let opened = match (&directory.parent, top.take()) {
                (None, Some(top)) => Ok(top),
                (Some((parent, name)), _) => {
                    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    fs::openat(parent.as_ref(), name, flags, Mode::empty()).map_err(io::Error::from)
                }
                (None, None) => continue,
            };
            let here = match opened {
                Ok(here) => Rc::new(here),
                Err(error) => {
                    self.problem(&directory.path, &format!("the directory could not be read: {error}"));
                    continue;
                }
            };
            let (stat, system) = (fs::fstat(here.as_ref())?, fs::fstatfs(here.as_ref())?);
            if stat.st_dev != directory.device && MADE_UP.contains(&system.f_type) {
                continue;
            }
            let names = match listed(&here) {
                Ok(names) => names,
                Err(error) if error.kind() == io::ErrorKind::QuotaExceeded => return Err(error),
                Err(error) => {
                    self.problem(&directory.path, &format!("the directory could not be listed: {error}"));
                    continue;
                }
            };
            let first = open.len();
            for name in names {
                if let Some(below) = self.entry(&here, &directory, name, stat.st_dev)? {
                    open.push(below);
                }
            }
            // In order: the last one is taken first.
            if let Some(new) = open.get_mut(first..) {
                new.reverse();
            }
        }
        Ok(())
    }

    /// Takes an entry in; a directory is given back.
    fn entry(
        &mut self,
        here: &Rc<OwnedFd>,
        directory: &Open,
        name: CString,
        device: u64,
    ) -> io::Result<Option<Open>> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(too_much(&format!("{MAX_ENTRIES} entries")));
        }
        // In a layer such a name would delete something.
        if name.to_bytes().starts_with(b".wh.") {
            return Ok(None);
        }
        let mut path = directory.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.to_bytes());
        let stat = match fs::statat(here.as_ref(), &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => {
                self.problem(&path, &format!("could not be looked at: {error}"));
                return Ok(None);
            }
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if directory.depth >= MAX_DEPTH => {
                self.problem(&path, &format!("lies deeper than {MAX_DEPTH} directories and was not read"));
            }
            FileType::Directory => {
                let (parent, depth) = (Some((Rc::clone(here), name)), directory.depth + 1);
                return Ok(Some(Open { parent, path, depth, device }));
            }
            FileType::Symlink => match fs::readlinkat(here.as_ref(), &name, Vec::new()) {
                Ok(target) => self.out.entry(b'2', &path, target.to_bytes(), 0o777, 0)?,
                Err(error) => self.problem(&path, &format!("the link could not be read: {error}")),
            },
            FileType::RegularFile => self.file(here, &name, &path, &stat)?,
            // Devices, pipes and sockets hold no packages.
            _ => {}
        }
        Ok(None)
    }

    fn file(&mut self, here: &OwnedFd, name: &CString, path: &[u8], stat: &Stat) -> io::Result<()> {
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let mode = stat.st_mode & 0o777;
        let text = String::from_utf8_lossy(path);
        if !layer::wants(&text, size, mode & 0o111 != 0) {
            return Ok(());
        }
        if size > prepared::file_limit() {
            self.problem(path, &format!("is larger than {} bytes and was not read", prepared::file_limit()));
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = fs::openat(here, name, flags, Mode::empty()).map_err(io::Error::from).map(File::from);
        // Another thing may stand there by now.
        let file = match opened.and_then(|file| file.metadata().map(|metadata| (file, metadata))) {
            Ok((file, metadata)) if metadata.is_file() => file,
            Ok(_) => {
                self.problem(path, "is no regular file any more");
                return Ok(());
            }
            Err(error) => {
                self.problem(path, &format!("could not be read: {error}"));
                return Ok(());
            }
        };
        self.out.entry(b'0', path, b"", mode, size)?;
        let mut left = size;
        let mut source = file.take(size);
        while left > 0 {
            let read = match source.read(&mut self.chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read,
            };
            let Ok(count @ 1..) = read else { break };
            self.out.write_all(self.chunk.get(..count).unwrap_or_default())?;
            left = left.saturating_sub(u64::try_from(count).unwrap_or(left));
        }
        if left > 0 {
            // The header has promised its size.
            io::copy(&mut io::repeat(0).take(left), &mut self.out)?;
            self.problem(path, "ended early or could not be read to its end");
        }
        self.out.pad(size)
    }

    fn problem(&mut self, path: &[u8], message: &str) {
        if self.problems.len() >= MAX_PROBLEMS {
            self.left_out += 1;
            return;
        }
        let file = String::from_utf8_lossy(path).into_owned();
        self.problems.push(Problem { code: "unreadable-file".into(), message: message.to_owned(), file });
    }

    fn finish(mut self) -> io::Result<Packed> {
        if self.left_out > 0 {
            let message = format!("{} further files that could not be read are not listed", self.left_out);
            self.problems.push(Problem { code: "limit".into(), message, file: String::new() });
        }
        let mut told = String::new();
        for Problem { message, file, .. } in &self.problems {
            told.push_str(&format!("{file}: {message}\n"));
        }
        if !told.is_empty() {
            let size = u64::try_from(told.len()).unwrap_or_default();
            self.out.entry(b'0', PROBLEMS.as_bytes(), b"", 0o644, size)?;
            self.out.write_all(told.as_bytes())?;
            self.out.pad(size)?;
        }
        self.out.write_all(&[0; 2 * BLOCK])?;
        let Hashing { out, hasher, written, .. } = self.out;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let digest = Digest::from_bytes(hasher.finalize().into());
        Ok(Packed { file, size: written, digest, problems: self.problems })
    }
}

/// The names of a directory, in order.
fn listed(here: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(here)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if names.len() >= MAX_LISTED {
            return Err(too_much(&format!("{MAX_LISTED} entries in one directory")));
        }
        names.push(name.to_owned());
    }
    names.sort();
    Ok(names)
}

/// The tar as it grows, with its digest and its bound.
struct Hashing {
    out: BufWriter<File>,
    hasher: Sha256,
    written: u64,
    limit: u64,
}

impl Write for Hashing {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.out.write(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        self.written = self.written.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if self.written > self.limit {
            return Err(too_much(&format!("{} bytes in wanted files", self.limit)));
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Hashing {
    /// A header (POSIX ustar), with GNU's entries before it for names that are too long for it.
    fn entry(&mut self, kind: u8, path: &[u8], link: &[u8], mode: u32, size: u64) -> io::Result<()> {
        for (long, name) in [(b'L', path), (b'K', link)] {
            if name.len() > 100 {
                let length = u64::try_from(name.len()).unwrap_or_default() + 1;
                self.write_all(&header(long, b"././@LongLink", b"", 0o644, length))?;
                self.write_all(name)?;
                self.write_all(&[0])?;
                self.pad(length)?;
            }
        }
        let short = |name: &'_ [u8]| name.get(..name.len().min(100)).unwrap_or_default().to_vec();
        self.write_all(&header(kind, &short(path), &short(link), mode, size))
    }

    /// Fills the last block up.
    fn pad(&mut self, size: u64) -> io::Result<()> {
        let block = u64::try_from(BLOCK).unwrap_or(1);
        let rest = usize::try_from((block - size % block) % block).unwrap_or_default();
        self.write_all([0; BLOCK].get(..rest).unwrap_or_default())
    }
}

fn header(kind: u8, path: &[u8], link: &[u8], mode: u32, size: u64) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(field) = header.get_mut(at..at + bytes.len()) {
            field.copy_from_slice(bytes);
        }
    };
    put(0, path);
    put(100, format!("{mode:07o}\0").as_bytes());
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link);
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    if let Some(field) = header.get_mut(148..156) {
        field.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    header
}
