//! Where results go: one format on stdout and any number of them in files, all from one scan. Names and places are checked
//! before the scan begins; a file is written whole or not at all.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::{
    exit::Failure,
    format::{self, Format},
    results::Results,
};

/// What stands for stdout.
const STDOUT: &str = "-";

/// What is written where.
pub struct Outputs {
    stdout: Option<&'static Format>,
    files: Vec<(&'static Format, PathBuf)>,
}

impl Outputs {
    /// From `--format` and every `-o`: `FORMAT=FILE` is one more file, `FILE` takes `--format` away from stdout.
    ///
    /// # Errors
    /// When a format is not known, or a file could not be written.
    pub fn new(format: &str, outputs: &[PathBuf]) -> Result<Self, Failure> {
        let format = format::by_name(format)?;
        let (mut stdout, mut taken, mut files) = (Some(format), false, Vec::new());
        for output in outputs {
            let (chosen, path) = split(output)?.unwrap_or_else(|| {
                stdout = stdout.filter(|_| taken);
                (format, output.clone())
            });
            if path.as_os_str() == STDOUT {
                if taken {
                    return Err(Failure::usage("stdout takes one format only"));
                }
                (stdout, taken) = (Some(chosen), true);
                continue;
            }
            if files.iter().any(|(_, other)| *other == path) {
                return Err(Failure::usage(format!("two outputs are to go to {}", path.display())));
            }
            check(&path).map_err(|error| failed(&path, &error))?;
            files.push((chosen, path));
        }
        Ok(Self { stdout, files })
    }

    /// The format on stdout; `None` where all goes to files.
    #[must_use]
    pub fn stdout(&self) -> Option<&'static Format> {
        self.stdout
    }

    /// Whether there are files.
    #[must_use]
    pub fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Writes every file, then stdout unless it has been written line by line. One that fails does not keep the others.
    ///
    /// # Errors
    /// The first failure.
    pub fn write(&self, results: &mut Results, with_stdout: bool) -> Result<(), Failure> {
        let mut done = Ok(());
        // A file has no width, wherever this runs.
        let screen = std::mem::take(&mut results.screen);
        for (format, path) in &self.files {
            let written = replace(path, format, results).map_err(|error| failed(path, &error));
            done = done.and(written);
        }
        results.screen = screen;
        if let (true, Some(format)) = (with_stdout, self.stdout) {
            done = done.and(print(format, results));
        }
        done
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("failed to write the results to {}: {error}", path.display()))
}

/// `sarif=report.sarif`. What stands before the sign must look like a format's name: `./a=b` is a path.
fn split(output: &Path) -> Result<Option<(&'static Format, PathBuf)>, Failure> {
    let Some((name, path)) = output.to_str().and_then(|text| text.split_once('=')) else { return Ok(None) };
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return Ok(None);
    }
    if path.is_empty() {
        return Err(Failure::usage(format!("`{name}=` names no file")).hint(format!("-o {name}=FILE")));
    }
    Ok(Some((format::by_name(name)?, PathBuf::from(path))))
}

/// Whether something can be written there, without leaving a trace.
fn check(path: &Path) -> io::Result<()> {
    match place(path)? {
        Place::Stream => Ok(()),
        Place::File(target) => beside(&target).map(drop),
    }
}

enum Place {
    /// A file, there or not, with links followed.
    File(PathBuf),
    /// A pipe or a device: nothing can take its place.
    Stream,
}

fn place(path: &Path) -> io::Result<Place> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if found.is_file() => fs::canonicalize(path).map(Place::File),
        Ok(_) => Ok(Place::Stream),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Place::File(path.to_owned())),
        Err(error) => Err(error),
    }
}

/// A new file in the same directory, with the rights of an ordinary one.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".strata-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Less what the user's mask takes away.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    // The error in full names the temporary file, which means nothing to anybody.
    builder.tempfile_in(directory).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            io::Error::new(io::ErrorKind::NotFound, format!("there is no directory {}", directory.display()))
        }
        kind => kind.into(),
    })
}

fn replace(path: &Path, format: &Format, results: &Results) -> io::Result<()> {
    replace_with(path, &mut |out| (format.write)(results, out))
}

/// Checks that a file can be written there, without leaving a trace.
///
/// # Errors
/// When it cannot.
pub fn check_file(path: &Path) -> Result<(), Failure> {
    check(path).map_err(|error| failed(path, &error))
}

/// Writes a file whole or not at all.
///
/// # Errors
/// When it cannot be written; then what was there is as it was.
pub fn write_file(path: &Path, write: &mut Writer<'_>) -> Result<(), Failure> {
    replace_with(path, write).map_err(|error| failed(path, &error))
}

/// What writes a file's content.
type Writer<'w> = dyn FnMut(&mut dyn Write) -> io::Result<()> + 'w;

fn replace_with(path: &Path, write: &mut Writer<'_>) -> io::Result<()> {
    let target = match place(path)? {
        Place::File(target) => target,
        Place::Stream => return fill(&File::options().write(true).open(path)?, write),
    };
    let file = beside(&target)?;
    fill(file.as_file(), write)?;
    file.as_file().sync_all()?;
    file.persist(&target).map_err(|error| error.error)?;
    Ok(())
}

fn fill(file: &File, write: &mut Writer<'_>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.flush()
}

/// Whether who reads stdout wants more: the reader of a pipe may have enough (`| head`), which is no failure.
///
/// # Errors
/// When it cannot be written: a disk that is full must not look like an answer that is short.
pub fn goes_on(written: io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::usage(format!("failed to write to stdout: {error}"))),
    }
}

fn print(format: &Format, results: &Results) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    match (format.write)(results, &mut out).and_then(|()| out.flush()) {
        // The reader of a pipe may have enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::usage(format!("failed to write the results to stdout: {error}"))),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_may_have_enough_and_a_disk_may_not() {
        let failed = |kind: io::ErrorKind| goes_on(Err(kind.into())).map_err(|failure| failure.to_string());
        assert_eq!(goes_on(Ok(())).map_err(|failure| failure.to_string()), Ok(true));
        assert_eq!(failed(io::ErrorKind::BrokenPipe), Ok(false));
        let full = failed(io::ErrorKind::StorageFull).expect_err("a failure");
        assert!(full.starts_with("failed to write to stdout: "), "{full}");
    }

    fn outputs(format: &str, outputs: &[&str]) -> Result<(Option<&'static str>, Vec<&'static str>), Failure> {
        let outputs: Vec<PathBuf> = outputs.iter().map(PathBuf::from).collect();
        let made = Outputs::new(format, &outputs)?;
        let files = made.files.iter().map(|(format, _)| format.name).collect();
        Ok((made.stdout.map(|format| format.name), files))
    }

    #[test]
    fn every_output_has_its_place() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name).display().to_string();
        let (a, b) = (format!("json={}", at("a")), format!("sarif={}", at("b=c")));
        for (format, given, expected) in [
            ("table", vec![], (Some("table"), vec![])),
            ("json", vec![at("x")], (None, vec!["json"])),
            ("table", vec![a.clone(), b.clone()], (Some("table"), vec!["json", "sarif"])),
            ("csv", vec![a.clone(), at("x=y")], (None, vec!["json", "csv"])),
            ("table", vec![a.clone(), "sarif=-".to_owned()], (Some("sarif"), vec!["json"])),
            ("json", vec!["-".to_owned()], (Some("json"), vec![])),
        ] {
            let given: Vec<&str> = given.iter().map(String::as_str).collect();
            assert_eq!(outputs(format, &given).expect("good"), expected, "{format} {given:?}");
        }
        assert_eq!(
            fs::read_dir(directory.path()).expect("a directory").count(),
            0,
            "checking leaves nothing"
        );
    }

    #[test]
    fn what_cannot_be_written_is_refused_and_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name).display().to_string();
        for (given, says) in [
            (vec!["pdf=x".to_owned()], "`pdf` is not an output format"),
            (vec!["json=".to_owned()], "`json=` names no file"),
            (vec![format!("json={}", at("missing/x"))], "missing/x"),
            (vec![directory.path().display().to_string()], "directory"),
            (vec!["json=-".to_owned(), "csv=-".to_owned()], "stdout takes one format only"),
            (vec![format!("json={}", at("x")), at("x")], "two outputs are to go to"),
        ] {
            let given: Vec<&str> = given.iter().map(String::as_str).collect();
            let failure = outputs("table", &given).expect_err("bad");
            assert_eq!(failure.code, crate::exit::USAGE);
            assert!(failure.message.contains(says), "{given:?}: {}", failure.message);
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_through_its_link() {
        fn half(_: &Results, out: &mut dyn Write) -> io::Result<()> {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        }
        fn whole(_: &Results, out: &mut dyn Write) -> io::Result<()> {
            out.write_all(b"whole")
        }
        let format = |write| Format { name: "x", about: "", streams: false, write };
        let directory = tempfile::tempdir().expect("a directory");
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "before").expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        assert!(replace(&link, &format(half), &Results::default()).is_err());
        assert_eq!(fs::read_to_string(&file).expect("a file"), "before");
        replace(&link, &format(whole), &Results::default()).expect("written");
        assert_eq!(fs::read_to_string(&file).expect("a file"), "whole");
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 2, "nothing is left over");
        replace(Path::new("/dev/null"), &format(whole), &Results::default()).expect("a device stays one");
        assert!(!fs::metadata("/dev/null").expect("a device").is_file());
    }
}
