//! Which advisory database this process assesses with where it asks a server: the server's, unless one is named.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::StreamExt as _;
use strata_client::{Client, Error, v1::GetDatabaseResponse};
use strata_proto::digest::Digest;
use strata_worker::advisories::DatabaseFile;

use crate::{args::ArchiveArgs, exit::Failure, security, settings::Settings};

/// No database is nearly as large.
const LARGEST: u64 = 1 << 30;
/// A server that sends nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);
const HINT: &str = "--db names an advisory database of this machine to use in its place";
const ENDING: &str = "strata";

/// The chosen database.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// Its file; `None` is the default one.
    pub(crate) path: Option<PathBuf>,
    /// Whose it is, for people.
    pub(crate) whose: &'static str,
}

/// Chooses, and fetches what is not here.
///
/// # Errors
/// When the server's database cannot be had: with another one its findings would not be the server's.
pub(crate) async fn choose(
    named: Option<&PathBuf>,
    place: &ArchiveArgs,
    settings: &Settings,
) -> Result<Chosen, Failure> {
    let path = named.cloned();
    let Some(url) = &place.server else { return Ok(Chosen { path, whose: "this machine's" }) };
    if path.is_some() {
        return Ok(Chosen { path, whose: "named by --db, not the server's" });
    }
    let mut client = security::connect(url, &place.connection, settings).await?;
    let current = client.get_database().await.map_err(|error| not_had(error, url))?;
    if current.digest.is_empty() {
        return Err(Failure::usage(format!(
            "{url} has published no advisory database: its workers use what they have, which cannot be had from here"
        ))
        .hint(HINT));
    }
    let digest: Digest = current.digest.parse().map_err(|_| {
        Failure::incomplete(format!("{url} names an advisory database without a digest")).hint(HINT)
    })?;
    let directory = settings.data_dir.join("databases");
    let fetched = directory.join(format!("{}.{ENDING}", digest.hex()));
    let here = [settings.default_db(), fetched.clone()];
    let path = match here.into_iter().find(|path| is(path, &current.digest)) {
        Some(path) => path,
        None => {
            fetch(&mut client, url, &current, &fetched).await?;
            fetched
        }
    };
    Ok(Chosen { path: Some(path), whose: "the server's" })
}

fn not_had(error: Error, url: &str) -> Failure {
    match error {
        Error::Refused { .. } | Error::NotFound { .. } => {
            Failure::incomplete(format!("failed to have the advisory database of {url}: {error}")).hint(HINT)
        }
        error => error.into(),
    }
}

fn is(path: &Path, digest: &str) -> bool {
    DatabaseFile::open(path).is_ok_and(|file| file.digest() == digest)
}

/// Puts the server's database into a file, once it was checked to its last byte. Those that were fetched before go.
async fn fetch(
    client: &mut Client,
    url: &str,
    current: &GetDatabaseResponse,
    target: &Path,
) -> Result<(), Failure> {
    let failed = |reason: String| {
        Failure::incomplete(format!(
            "failed to fetch the advisory database {} of {url}: {reason}",
            current.digest
        ))
        .hint(HINT)
    };
    let unwritten = |error: std::io::Error| failed(format!("{}: {error}", target.display()));
    if current.size > LARGEST {
        return Err(failed(format!("it has {} bytes, and at most {LARGEST} are taken", current.size)));
    }
    let directory = target.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(directory).map_err(unwritten)?;
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(unwritten)?;
    let mut parts = client.fetch_database(&current.digest).await.map_err(|error| not_had(error, url))?;
    let mut size = 0_u64;
    while let Some(part) = tokio::time::timeout(PATIENCE, parts.next())
        .await
        .map_err(|_| failed(format!("nothing came for {PATIENCE:?}")))?
    {
        let part = part?;
        size = size.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        if size > current.size {
            return Err(failed(format!("it is longer than {} bytes", current.size)));
        }
        file.write_all(&part).map_err(unwritten)?;
    }
    let name = format!("of {url}");
    let opened =
        DatabaseFile::of(file.as_file(), &name).and_then(|opened| opened.verify(&name).map(|()| opened));
    let opened = opened.map_err(|error| failed(error.to_string()))?;
    if opened.digest() != current.digest {
        return Err(failed(format!("what came is {}", opened.digest())));
    }
    file.persist(target).map_err(|error| unwritten(error.error))?;
    forget(directory, target);
    Ok(())
}

/// Another process may use one of them: it has it mapped.
fn forget(directory: &Path, kept: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path != kept && path.extension().is_some_and(|ending| ending == ENDING) {
            // One that stays costs its place on the disk.
            let _ = std::fs::remove_file(path);
        }
    }
}
