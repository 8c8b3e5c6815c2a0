//! Databases on their way to the workers: `strata db publish`, and the file that a coordinator follows.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use futures::StreamExt as _;
use strata_analysis::database::outline;
use strata_client::v1::DatabaseChunk;
use strata_coordinator::{
    databases::Publisher,
    ports::{DatabaseInfo, Inspector},
};
use strata_proto::outline::Outline;
use strata_worker::advisories::DatabaseFile;
use tokio::io::AsyncReadExt as _;
use tokio_util::sync::CancellationToken;

use super::{db::unusable, roles::announce};
use crate::{args::ServerUrl, exit::Failure, security, settings::Settings};

/// Bytes of one message.
const PART: usize = 256 << 10;
/// How often a coordinator looks whether its file was replaced.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Sends a file that was checked here to a server.
///
/// # Errors
/// When it is no database, or the server refuses it.
pub(super) async fn send(path: &Path, server: &ServerUrl, settings: &Settings) -> Result<(), Failure> {
    let checked =
        DatabaseFile::open(path).and_then(|file| file.verify(&path.display().to_string()).map(|()| file));
    let checked = checked.map_err(|error| unusable(&error))?;
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|error| Failure::usage(format!("failed to read {}: {error}", path.display())))?;
    let parts = futures::stream::unfold(file, |mut file| async move {
        let mut data = vec![0; PART];
        match file.read(&mut data).await {
            // What cannot be read is missing at the end, which the server finds out.
            Ok(0) | Err(_) => None,
            Ok(count) => {
                data.truncate(count);
                Some((DatabaseChunk { data }, file))
            }
        }
    });
    let mut client = security::connect(&server.server, &server.connection, settings).await?;
    let published = client.publish_database(parts.boxed()).await?;
    if published.digest != checked.digest() {
        return Err(Failure::incomplete(format!(
            "failed to publish {}: the server has {} of it",
            path.display(),
            published.digest
        )));
    }
    let _ = writeln!(
        std::io::stdout(),
        "{}: scans now use {} (newest advisory of {})",
        server.server,
        published.digest,
        published.modified
    );
    Ok(())
}

/// What a coordinator is told of a database.
pub(crate) fn info(file: &DatabaseFile) -> DatabaseInfo {
    DatabaseInfo { digest: file.digest().to_owned(), modified: file.modified().to_owned(), size: file.size() }
}

/// Reads databases for a coordinator, which cannot.
pub(crate) struct Reader;

impl Inspector for Reader {
    fn inspect(&self, file: &File, name: &Path) -> Result<DatabaseInfo, String> {
        let name = name.display().to_string();
        let opened = DatabaseFile::of(file, &name).map_err(|error| error.to_string())?;
        opened.verify(&name).map_err(|error| error.to_string())?;
        Ok(info(&opened))
    }

    fn scheme(&self) -> Option<u32> {
        Some(outline::REVISION)
    }

    fn outline(&self, file: &File, name: &Path) -> Result<Outline, String> {
        let name = name.display().to_string();
        outline(&DatabaseFile::of(file, &name).map_err(|error| error.to_string())?)
    }
}

/// What a database says under each key, for the coordinator's archive.
pub(crate) fn outline(file: &DatabaseFile) -> Result<Outline, String> {
    let started = std::time::Instant::now();
    let made = file.view().and_then(|view| outline::Outline::of(&view));
    let entries = made.map_err(|error| format!("{}: {error}", file.digest()))?.entries;
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(digest = file.digest(), keys = entries.len(), ms, "a database was outlined");
    Ok(Outline { scheme: outline::REVISION, entries })
}

/// Publishes a coordinator's file, and again whenever it is replaced.
///
/// # Errors
/// When the file cannot be published at the start; later failures are logged, and the last one stays current.
pub(super) async fn follow(
    path: PathBuf,
    publisher: Publisher,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let mut seen = stamp(&path);
    let first =
        publisher.publish_unless_older(&path).await.map_err(|error| Failure::usage(error.to_string()))?;
    let mut last = first.as_ref().map(|info| info.digest.clone());
    if let Some(info) = first {
        announce(&format!("scans use the advisory database {}", info.digest));
    }
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let now = stamp(&path);
            if now.is_none() || now == seen {
                continue;
            }
            // The same content again is no news, and must not take back what `strata db publish` said meanwhile.
            if last.is_some() && DatabaseFile::open(&path).ok().map(|file| file.digest().to_owned()) == last {
                seen = now;
                continue;
            }
            match publisher.publish_file(&path).await {
                Ok(info) => (seen, last) = (now, Some(info.digest)),
                Err(error) => tracing::error!(%error, "the replaced database is not used; trying again"),
            }
        }
    });
    Ok(())
}

/// What changes when a file is replaced; `None` while there is none.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}
