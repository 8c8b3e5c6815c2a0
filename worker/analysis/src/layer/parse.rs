//! Wanted files → facts: a batch at a time, on all cores, in the batch's order.

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::{pending::Batch, sparse::Sparse, spool::Content};
use crate::{
    distro,
    ecosystem::{self, Ecosystem, Facts, File},
    limits::Limits,
    model::{FileFacts, Problem, Release},
};

/// Below this many bytes a batch is not worth dividing.
const WORTH_DIVIDING: usize = 1 << 20;

/// Bytes of a package's name, or of its version.
const MAX_TEXT: usize = 4_096;

/// A wanted file with its content.
pub(super) struct Wanted {
    /// Number of its entry.
    pub(super) entry: u64,
    pub(super) path: String,
    pub(super) rows: Vec<&'static Ecosystem>,
    /// Whether it is a release file.
    pub(super) release: bool,
    pub(super) sparse: Option<Sparse>,
    /// Bytes that the archive says it has for the file.
    pub(super) claimed: usize,
    pub(super) stored: Stored,
}

/// The bytes that the archive has for a file.
pub(super) enum Stored {
    /// Within the content of its batch.
    Within(Range<usize>),
    Apart(Content),
}

impl Stored {
    fn bytes<'b>(&'b self, content: &'b [u8]) -> &'b [u8] {
        match self {
            Self::Within(range) => content.get(range.clone()).unwrap_or_default(),
            Self::Apart(content) => (**content).as_ref(),
        }
    }
}

impl Batch {
    /// Bytes that the archive has for the files.
    pub(super) fn length(&self) -> usize {
        self.files.iter().map(|file| file.stored.bytes(&self.content).len()).sum()
    }
}

/// What a wanted file says.
#[derive(Default)]
pub(super) struct Parsed {
    /// Number of its entry.
    pub(super) entry: u64,
    pub(super) path: String,
    pub(super) facts: Vec<FileFacts>,
    pub(super) release: Option<Release>,
    pub(super) problems: Vec<Problem>,
}

/// Parses a batch; the results are in its order. Its memory is given back.
pub(super) fn batch(batch: Batch, limits: &Limits) -> (Vec<Parsed>, Vec<u8>) {
    let divided = batch.files.len() > 1 && batch.length() >= WORTH_DIVIDING;
    let Batch { files, content, .. } = batch;
    let parse = |file: Wanted| {
        let parsed = parse(&file, file.stored.bytes(&content), limits);
        Parsed { entry: file.entry, path: file.path, ..parsed }
    };
    let parsed = match divided {
        true => files.into_par_iter().map(parse).collect(),
        false => files.into_iter().map(parse).collect(),
    };
    (parsed, content)
}

fn parse(wanted: &Wanted, stored: &[u8], limits: &Limits) -> Parsed {
    let mut parsed = Parsed::default();
    let expanded;
    let bytes = match &wanted.sparse {
        None => stored,
        Some(sparse) => match sparse.expand(stored, limits.file_bytes) {
            Some(content) => {
                expanded = content;
                expanded.as_slice()
            }
            None => {
                let message = "is a sparse file whose map does not fit its content".to_owned();
                parsed.problems.push(Problem {
                    code: "malformed".into(),
                    message,
                    file: wanted.path.clone(),
                });
                return parsed;
            }
        },
    };
    if wanted.release {
        parsed.release = Some(distro::read(&wanted.path, bytes));
    }
    for row in &wanted.rows {
        run(row, File { path: &wanted.path, bytes, limits }, &mut parsed);
    }
    parsed
}

/// Runs one row's parser. A parser never panics; should one all the same, the layer's other files are not lost.
fn run(row: &Ecosystem, file: File<'_>, parsed: &mut Parsed) {
    let mut facts = Facts::default();
    if catch_unwind(AssertUnwindSafe(|| (row.parse)(file, &mut facts))).is_err() {
        facts = Facts::default();
        facts.problem("parser-failed", file, format!("the {} reader failed on this file", row.name));
    }
    leave_out_absurd(file, &mut facts);
    let mut owned = owned(std::mem::take(&mut facts.owned));
    if owned.len() > file.limits.records {
        owned.truncate(file.limits.records);
        facts.problem("limit", file, format!("owns more than {} files that matter", file.limits.records));
    }
    if !ecosystem::is_stand_in(row, file.path) {
        parsed.problems.append(&mut facts.problems);
    }
    if facts.packages.is_empty() && owned.is_empty() && facts.notes.is_empty() {
        return;
    }
    parsed.facts.push(FileFacts {
        path: file.path.to_owned(),
        ecosystem: row.name.to_owned(),
        packages: facts.packages,
        owned,
        owner: facts.owner,
        notes: facts.notes,
    });
}

/// A name or a version that fills pages is none.
fn leave_out_absurd(file: File<'_>, facts: &mut Facts) {
    let before = facts.packages.len();
    facts.packages.retain(|package| package.name.len() <= MAX_TEXT && package.version.len() <= MAX_TEXT);
    let left_out = before - facts.packages.len();
    if left_out > 0 {
        let message = format!("{left_out} packages have a name or a version of more than {MAX_TEXT} bytes");
        facts.problem("limit", file, message);
    }
}

/// Of an owner's paths, those that another row could want.
fn owned(paths: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = paths
        .into_iter()
        .filter_map(|path| {
            let path = path.trim_start_matches("./").trim_start_matches('/');
            ecosystem::may_hold_packages(path).then(|| path.to_owned())
        })
        .collect();
    kept.sort_unstable();
    kept.dedup();
    kept
}
