//! Databases that come after the first one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

/// What a database says that the one before did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Something of a package that no image has: no report is another one.
    Unrelated,
    /// Something of every package that it knew, and of one no more: every report with a finding is another one.
    All,
}

impl Change {
    /// Which images the sweep after it is about.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Unrelated => "unaffected",
            Self::All => "affected",
        }
    }
}

/// A database like the one that ships (its advisories are there already), and changed.
pub(super) fn changed_database(strata: &Path, home: &Path, change: Change) -> anyhow::Result<PathBuf> {
    let from = home.join("advisories");
    match change {
        Change::Unrelated => add(&from)?,
        Change::All => change_all(&from)?,
    }
    let output = home.join(format!("{}.strata", change.prefix()));
    let mut command = std::process::Command::new(strata);
    command.args(["db", "build", "--from"]).arg(&from).arg("--output").arg(&output);
    let built = command.env("STRATA_DATA_DIR", home).output().context("build a database")?;
    ensure!(built.status.success(), "build a database: {}", String::from_utf8_lossy(&built.stderr));
    Ok(output)
}

fn add(from: &Path) -> anyhow::Result<()> {
    let advisory = json!({
        "schema_version": "1.6.0",
        "id": "GHSA-0000-0000-0000",
        "modified": "2026-01-01T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "summary": "a package that no image has",
        "affected": [{
            "package": { "ecosystem": "npm", "name": "no-image-has-this" },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }] }],
        }],
    });
    let file = from.join("npm").join("GHSA-0000-0000-0000.json");
    fs::write(&file, advisory.to_string()).with_context(|| format!("write {}", file.display()))
}

fn change_all(from: &Path) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for directory in from.read_dir().context("find the advisories")? {
        for file in directory.context("find the advisories")?.path().read_dir().context("list advisories")? {
            files.push(file.context("list advisories")?.path());
        }
    }
    files.sort();
    let (gone, left) = files.split_last().context("find an advisory")?;
    for file in left {
        let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        let mut advisory: Value =
            serde_json::from_str(&text).with_context(|| format!("read {}", file.display()))?;
        let fields = advisory.as_object_mut().with_context(|| format!("read {}", file.display()))?;
        fields.insert("modified".to_owned(), json!("2026-02-02T00:00:00Z"));
        fs::write(file, advisory.to_string()).with_context(|| format!("write {}", file.display()))?;
    }
    fs::remove_file(gone).with_context(|| format!("remove {}", gone.display()))
}
