//! Running the executable as a user would.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use strata_cli::command::build;
use tempfile::TempDir;

use crate::servers::{self, Server};

/// A user with a home of its own and a database.
pub(crate) struct User {
    pub(crate) home: TempDir,
}

/// What a run came to.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl User {
    /// With the advisories that ship with the project at the default location.
    pub(crate) fn new() -> Self {
        let user = Self::without_database();
        let built =
            build::compile_texts(strata_loadtest::ADVISORIES).expect("the shipped advisories are sound");
        build::write(&built, &user.database()).expect("a database");
        user
    }

    pub(crate) fn without_database() -> Self {
        Self { home: TempDir::new().expect("a home") }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.home.path().join("advisories.strata")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strata"));
        command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home.path()).env("STRATA_DATA_DIR", self.home.path());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Run::of(servers::output(&mut self.command(args)))
    }

    /// Runs with `--format json` and reads the document.
    pub(crate) fn json(&self, args: &[&str]) -> (Run, Value) {
        let run = self.run(&[args, &["--format", "json"]].concat());
        let document = serde_json::from_str(&run.out)
            .unwrap_or_else(|error| panic!("{args:?}: no JSON ({error}): {}\n{}", run.out, run.err));
        (run, document)
    }

    /// Starts a role in the background.
    pub(crate) fn role(&self, args: &[&str], port: Option<u16>) -> Server {
        self.role_with(args, port, &[])
    }

    /// Starts a role with more in its environment.
    pub(crate) fn role_with(&self, args: &[&str], port: Option<u16>, environment: &[(&str, &str)]) -> Server {
        let directory = TempDir::new().expect("a directory");
        let mut command = self.command(args);
        command.arg("-v").envs(environment.iter().copied());
        match port {
            Some(port) => servers::start("strata", &mut command, port, directory),
            None => servers::start_quiet(&mut command, directory),
        }
    }
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts the exit code and that stderr says all of these.
    pub(crate) fn expect(&self, code: i32, says: &[&str]) -> &Self {
        assert_eq!(self.code, code, "exit code; stdout: {}\nstderr: {}", self.out, self.err);
        for text in says {
            assert!(
                self.err.contains(text) || self.out.contains(text),
                "`{text}` is not said in: {}\n{}",
                self.out,
                self.err
            );
        }
        self
    }
}

/// The images of a document without what may differ between two runs of the same scan.
pub(crate) fn images(document: &Value) -> Vec<Value> {
    document["images"].as_array().expect("images").clone()
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("client/cli has two parents").to_path_buf()
}

/// A file beside the repository that a test may use when it is there.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let file = root().parent()?.join("shared").join(path);
    if !file.exists() {
        eprintln!("SKIPPED: there is no {path} beside the repository");
        return None;
    }
    Some(file)
}
