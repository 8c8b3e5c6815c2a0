//! `strata db update`: download the public export and compile it. Resumable, and checked against the server's sizes.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::StreamExt as _;
use reqwest::{Client, StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::{fs, io::AsyncWriteExt as _};

use crate::{exit::Failure, settings::Settings};

/// OSV's public export.
pub const EXPORT: &str = "https://osv-vulnerabilities.storage.googleapis.com";
/// Attempts at one file, each resuming where the last one broke.
const ATTEMPTS: u32 = 6;
/// Bytes of the list of ecosystems.
const MAX_LIST: usize = 1 << 20;
/// No export of one ecosystem is nearly as large.
const MAX_ZIP: u64 = 8 << 30;

/// What the server said of a file that was downloaded whole.
#[derive(Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
struct Downloaded {
    size: u64,
    etag: String,
}

/// Downloads every ecosystem's zip whose copy is not current, into `<data>/export`, and returns that directory.
///
/// # Errors
/// When the export cannot be listed, or a file cannot be had whole: a database is never built from a part.
pub async fn download(url: &str, only: &[String], settings: &Settings) -> Result<PathBuf, Failure> {
    let client = Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(60))
        .build()
        .map_err(|error| Failure::usage(format!("failed to set up HTTPS: {error}")))?;
    let base = url.trim_end_matches('/');
    let directory = settings.data_dir.join("export");
    let ecosystems = if only.is_empty() { list(&client, base).await? } else { only.to_vec() };
    for ecosystem in &ecosystems {
        let target = directory.join(ecosystem);
        fs::create_dir_all(&target).await.map_err(|error| write_failure(&target, &error))?;
        let from = format!("{base}/{}/all.zip", ecosystem.replace(' ', "%20"));
        let fresh = fetch(&client, &from, &target.join("all.zip")).await?;
        if !settings.quiet {
            let _ = writeln!(
                std::io::stderr(),
                "{ecosystem}: {}",
                if fresh { "downloaded" } else { "unchanged" }
            );
        }
    }
    Ok(directory)
}

/// Names of the export's ecosystems. Those with a colon are parts of another's file.
async fn list(client: &Client, base: &str) -> Result<Vec<String>, Failure> {
    let url = format!("{base}/ecosystems.txt");
    let answer = client.get(&url).send().await.and_then(reqwest::Response::error_for_status);
    let mut answer = answer.map_err(|error| network_failure(&url, &error.to_string()))?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| network_failure(&url, &error.to_string()))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_LIST {
            return Err(network_failure(&url, &format!("it has more than {MAX_LIST} bytes")));
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let names: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|name| {
            !name.is_empty() && name.len() < 100 && !name.contains([':', '/', '\\']) && !name.starts_with('.')
        })
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Err(network_failure(&url, "it lists no ecosystem"));
    }
    Ok(names)
}

/// Downloads one file unless the copy is current; true when it was downloaded.
async fn fetch(client: &Client, url: &str, path: &Path) -> Result<bool, Failure> {
    let want = head(client, url).await?;
    let (note, part) = (path.with_extension("json"), path.with_extension("part"));
    let have: Option<Downloaded> =
        fs::read(&note).await.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if have.as_ref() == Some(&want) && fs::metadata(path).await.is_ok_and(|data| data.len() == want.size) {
        return Ok(false);
    }
    let mut last = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
        }
        match resume(client, url, &part, &want).await {
            Ok(()) => {
                fs::rename(&part, path).await.map_err(|error| write_failure(path, &error))?;
                let text =
                    serde_json::to_vec(&want).map_err(|error| Failure::incomplete(error.to_string()))?;
                fs::write(&note, text).await.map_err(|error| write_failure(&note, &error))?;
                return Ok(true);
            }
            Err(Broken::Again(reason)) => last = reason,
            Err(Broken::Final(failure)) => return Err(failure),
        }
    }
    Err(network_failure(url, &format!("{ATTEMPTS} attempts failed, the last one because {last}")))
}

async fn head(client: &Client, url: &str) -> Result<Downloaded, Failure> {
    let answer = client.head(url).send().await.and_then(reqwest::Response::error_for_status);
    let answer = answer.map_err(|error| network_failure(url, &error.to_string()))?;
    let text = |name| {
        answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let size = text(header::CONTENT_LENGTH).parse::<u64>().ok().filter(|size| (1..=MAX_ZIP).contains(size));
    let size = size.ok_or_else(|| network_failure(url, "the server does not say a plausible size"))?;
    Ok(Downloaded { size, etag: text(header::ETAG) })
}

enum Broken {
    Again(String),
    Final(Failure),
}

/// Continues a partial file to its whole size. A part of an older version is started again: `If-Range` decides.
async fn resume(client: &Client, url: &str, part: &Path, want: &Downloaded) -> Result<(), Broken> {
    let disk = |error: std::io::Error| Broken::Final(write_failure(part, &error));
    let marker = part.with_extension("etag");
    let same = fs::read_to_string(&marker).await.is_ok_and(|etag| etag == want.etag && !etag.is_empty());
    let mut have = fs::metadata(part).await.map_or(0, |data| data.len());
    if !same || have > want.size {
        have = 0;
    }
    if have < want.size {
        let mut request = client.get(url);
        if have > 0 {
            request =
                request.header(header::RANGE, format!("bytes={have}-")).header(header::IF_RANGE, &want.etag);
        }
        let answer = request.send().await.and_then(reqwest::Response::error_for_status);
        let answer = answer.map_err(|error| Broken::Again(error.to_string()))?;
        let append = have > 0 && answer.status() == StatusCode::PARTIAL_CONTENT;
        fs::write(&marker, &want.etag).await.map_err(disk)?;
        let mut options = fs::OpenOptions::new();
        options.create(true).write(true).append(append).truncate(!append);
        let mut file = options.open(part).await.map_err(disk)?;
        have = if append { have } else { 0 };
        let mut body = answer.bytes_stream();
        while let Some(chunk) = body.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    file.flush().await.map_err(disk)?;
                    return Err(Broken::Again(error.to_string()));
                }
            };
            have += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            if have > want.size {
                return Err(Broken::Again("the server sent more than the size that it says".to_owned()));
            }
            file.write_all(&chunk).await.map_err(disk)?;
        }
        file.sync_all().await.map_err(disk)?;
    }
    if have != want.size {
        return Err(Broken::Again(format!("it ended after {have} of {} bytes", want.size)));
    }
    let _ = fs::remove_file(&marker).await;
    Ok(())
}

fn network_failure(url: &str, reason: &str) -> Failure {
    Failure::incomplete(format!("failed to download {url}: {reason}"))
        .hint("the database in use is unchanged; run the command again to resume")
}

fn write_failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("failed to write {}: {error}", path.display()))
}
