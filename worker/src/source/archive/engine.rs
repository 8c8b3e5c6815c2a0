//! Images of a container engine on this machine: Docker's Engine API, which Podman speaks too, over a Unix socket.
//! `GET /images/{name}/get` answers with a docker-archive.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::StreamExt as _;
use reqwest::StatusCode;

use super::{ArchiveConfig, blocking, name::Kind};
use crate::{error::JobError, ports::io_error};

/// Packing a large image takes an engine some time.
const PATIENCE: Duration = Duration::from_secs(300);
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes of an error's text.
const MAX_ERROR: usize = 16 << 10;

/// Whether a text may be the name of an engine's image: `alpine:3.20`, an id, a digest.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
    !text.is_empty()
        && text.len() <= 512
        && text.bytes().all(plain)
        && text.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

/// The reference of an engine's image.
pub(super) fn reference(image: &str) -> Result<String, JobError> {
    if is_name(image) {
        return Ok(format!("{}{image}", Kind::Engine.scheme()));
    }
    let shown: String = image.chars().take(100).collect();
    Err(JobError::never(
        "bad-reference",
        format!("failed to read docker-daemon:{shown}: it is no image's name"),
    ))
}

/// Exports an image from the first engine that has it into an unnamed file.
///
/// # Errors
/// When there is no engine, none has the image, or it is too large.
pub(super) async fn export(image: &str, config: &ArchiveConfig) -> Result<File, JobError> {
    reference(image)?;
    let there: Vec<&PathBuf> = config.engines.iter().filter(|socket| socket.exists()).collect();
    if there.is_empty() {
        let tried = config.engines.iter().map(|socket| socket.display().to_string()).collect::<Vec<_>>();
        return Err(JobError::never(
            "no-engine",
            format!(
                "failed to read docker-daemon:{image}: there is no engine's socket at {}",
                tried.join(", ")
            ),
        ));
    }
    let mut missing = None;
    for socket in there {
        match ask(image, socket, config).await {
            Err(error) if error.code == "not-found" => missing = Some(error),
            answer => return answer,
        }
    }
    Err(missing
        .unwrap_or_else(|| JobError::never("not-found", format!("failed to read docker-daemon:{image}"))))
}

async fn ask(image: &str, socket: &Path, config: &ArchiveConfig) -> Result<File, JobError> {
    let shown = socket.display().to_string();
    let failed = |error: &dyn std::fmt::Display| {
        JobError::later("engine", format!("failed to read docker-daemon:{image} through {shown}: {error}"))
    };
    let client = reqwest::Client::builder()
        .unix_socket(socket)
        .connect_timeout(CONNECT)
        .read_timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| failed(&error))?;
    let get = async |path: String| {
        let answer = client.get(format!("http://localhost/{path}")).send().await;
        answer.map_err(|error| failed(&cause(&error)))
    };
    let mut answer = get(format!("images/{image}/get")).await?;
    // Where it speaks as Docker, Podman takes a short name for Docker Hub's alone; its own way knows `localhost/` too.
    let is_podman = answer.headers().contains_key("libpod-api-version");
    if answer.status() == StatusCode::NOT_FOUND && is_podman {
        answer = get(format!("v4.0.0/libpod/images/{image}/get?format=docker-archive")).await?;
    }
    if answer.status() != StatusCode::OK {
        return Err(refusal(image, &shown, answer).await);
    }
    let mut body = answer.bytes_stream();
    let (spool, limit) = (config.spool.clone(), config.spool_bytes);
    let mut file = blocking({
        let spool = spool.clone();
        move || {
            tempfile::tempfile_in(&spool)
                .map_err(|error| io_error(&format!("make room for an image in {}", spool.display()), &error))
        }
    })
    .await?;
    let mut total: u64 = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| failed(&cause(&error)))?;
        total = total.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if total > limit {
            let message = format!("failed to read docker-daemon:{image}: it has more than {limit} bytes");
            return Err(JobError::never("limit", message));
        }
        file = blocking(move || {
            file.write_all(&chunk).map_err(|error| io_error("keep an engine's image", &error))?;
            Ok(file)
        })
        .await?;
    }
    Ok(file)
}

/// What an engine says in place of an image.
async fn refusal(image: &str, socket: &str, answer: reqwest::Response) -> JobError {
    let status = answer.status();
    let mut body = answer.bytes_stream();
    let mut text = Vec::new();
    while let Some(Ok(chunk)) = body.next().await {
        text.extend_from_slice(&chunk);
        if text.len() > MAX_ERROR {
            break;
        }
    }
    let code = if status == StatusCode::NOT_FOUND { "not-found" } else { "engine" };
    let said = said(&text).unwrap_or_else(|| status.to_string());
    JobError::never(code, format!("failed to read docker-daemon:{image} through {socket}: {said}"))
}

/// The innermost cause: the outer ones say that a request failed.
pub(super) fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// `{"message": "No such image: …"}`.
fn said(text: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(text).ok()?;
    Some(answer.get("message")?.as_str()?.chars().filter(|c| !c.is_control()).take(300).collect())
}
