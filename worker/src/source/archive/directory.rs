//! A root file system → the inventory of the one layer that it is: files that an analysis wants, and all links.
//!
//! Everything is opened relative to its directory's descriptor and never through a link, so that nothing outside is read,
//! whoever changes the tree meanwhile. Special files are left alone, and so are the kernel's own file systems. What cannot
//! be read is a problem of the image. Nothing is packed: files are read where they are, and programs only in part.
//!
//! A tree's digest is that of its inventory, so that two trees have one digest only where an analysis finds the same in both.

use std::{
    ffi::CString,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt as _},
    path::Path,
    rc::Rc,
};

use rustix::fs::{self, AtFlags, Dir, FileType, FsWord, Mode, OFlags, Stat};
use strata_analysis::{
    layer::{self, Body, LayerError, Taken, Tree},
    limits::Limits,
    model::{Inventory, Problem},
};
use strata_proto::digest::Digest;

use super::prepared;
use crate::{
    error::JobError,
    ports::{Made, io_error},
    spool::DirectorySpool,
    wire,
};

/// Entries of the tree.
const MAX_ENTRIES: u64 = 20_000_000;
/// Directories within directories.
const MAX_DEPTH: usize = 512;
/// Entries of one directory.
const MAX_LISTED: usize = 4_000_000;
/// Things that could not be read, each listed; more are counted.
const MAX_PROBLEMS: usize = 200;

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
pub(super) struct Indexed {
    pub(super) made: Made,
    /// Of the inventory.
    pub(super) digest: Digest,
}

/// How a directory is read.
pub(super) struct Bounds<'a> {
    /// Where files wait that are too large for memory.
    pub(super) spool: &'a Path,
    /// Bytes of all wanted files.
    pub(super) bytes: u64,
    /// Of the analysis.
    pub(super) limits: &'a Limits,
}

/// Analyses a directory. Blocks.
///
/// # Errors
/// When the directory itself cannot be read, it has too much in it, or there is no room.
pub(super) fn index(root: &Path, bounds: &Bounds<'_>) -> Result<Indexed, JobError> {
    let failed = |error: io::Error| io_error(&format!("read {}", root.display()), &error);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = fs::open(root, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let device = fs::fstat(&top).map_err(|error| failed(error.into()))?.st_dev;
    let spool = DirectorySpool::new(bounds.spool.to_owned());
    let mut walker = Walker {
        tree: Tree::new(bounds.limits, &spool),
        limit: bounds.bytes,
        entries: 0,
        read: 0,
        problems: Vec::new(),
        left_out: 0,
    };
    walker.tree(top, device).map_err(|error| stopped(root, error))?;
    let made = walker.finish();
    Ok(Indexed { digest: wire::digest(&made.inventory), made })
}

fn stopped(root: &Path, error: io::Error) -> JobError {
    if let Some(known) = error.get_ref().and_then(|inner| inner.downcast_ref::<JobError>()) {
        return known.clone();
    }
    let message = format!("failed to read {}: {error}", root.display());
    match error.kind() {
        io::ErrorKind::QuotaExceeded => JobError::never("limit", message),
        io::ErrorKind::StorageFull => JobError::later("spool", message),
        _ => io_error(&format!("read {}", root.display()), &error),
    }
}

/// An analysis that stopped, as an error of the walk.
fn ended(error: LayerError) -> io::Error {
    match error {
        LayerError::Read(error) => error,
        LayerError::Limit(reason) => too_much(&reason),
        LayerError::Malformed(_) => io::Error::other(error),
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

struct Walker<'l> {
    tree: Tree<'l>,
    /// Bytes of all that is taken in.
    limit: u64,
    entries: u64,
    /// Bytes of files that were read.
    read: u64,
    problems: Vec<Problem>,
    left_out: u64,
}

impl Walker<'_> {
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
                Ok(target) => {
                    self.tree.link(&path, target.to_bytes()).map_err(ended)?;
                    self.within_limit()?;
                }
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
        let mut body = Reading { file, count: 0 };
        let taken = self.tree.file(path, size, mode & 0o111 != 0, &mut body).map_err(ended)?;
        self.read = self.read.saturating_add(body.count);
        if taken == Taken::Cut {
            self.problem(path, "ended early or could not be read to its end");
        }
        self.within_limit()
    }

    fn within_limit(&self) -> io::Result<()> {
        if self.tree.bytes() > self.limit {
            return Err(too_much(&format!("{} bytes in wanted files", self.limit)));
        }
        Ok(())
    }

    fn problem(&mut self, path: &[u8], message: &str) {
        if self.problems.len() >= MAX_PROBLEMS {
            self.left_out += 1;
            return;
        }
        let file = String::from_utf8_lossy(path).into_owned();
        self.problems.push(Problem { code: "unreadable-file".into(), message: message.to_owned(), file });
    }

    fn finish(mut self) -> Made {
        if self.left_out > 0 {
            let message = format!("{} further files that could not be read are not listed", self.left_out);
            self.problems.push(Problem { code: "limit".into(), message, file: String::new() });
        }
        let mut inventory: Inventory = self.tree.finish();
        inventory.problems.append(&mut self.problems);
        inventory.problems.sort();
        Made { inventory, read: self.read }
    }
}

/// A file that is read, and how much was.
struct Reading {
    file: File,
    count: u64,
}

impl Body for Reading {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, offset)?;
        self.count = self.count.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
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
