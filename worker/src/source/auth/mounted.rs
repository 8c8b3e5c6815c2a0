//! Logins that a platform mounts or hands over: Kubernetes secrets (`.dockerconfigjson`, `.dockercfg`) in files and
//! directories, and a whole configuration in the environment (`DOCKER_AUTH_CONFIG`).

use std::path::{Path, PathBuf};

use futures::FutureExt as _;

use super::{
    Credentials, Finding,
    docker_config::{self, DockerConfig},
};
use crate::error::JobError;

/// Names of the files in a mounted directory.
const NAMES: [&str; 3] = [".dockerconfigjson", "config.json", ".dockercfg"];
/// Directories in a mounted directory that are looked into, one for each secret.
const MAX_SECRETS: usize = 200;

/// The login in the configuration that the environment holds.
pub(super) fn find_inline<'a>(credentials: &'a Credentials, host: &'a str) -> Finding<'a> {
    async move {
        let Some(text) = &credentials.inline_config else { return Ok(None) };
        let place = Path::new("DOCKER_AUTH_CONFIG");
        let config = docker_config::parse(text.expose().as_bytes()).map_err(|_| malformed(place))?;
        config.login(place, host)
    }
    .boxed()
}

/// The login in mounted files, read anew each time: secrets are rotated under running processes.
pub(super) fn find<'a>(credentials: &'a Credentials, host: &'a str) -> Finding<'a> {
    async move {
        for path in &credentials.config_files {
            for file in files(path).await? {
                let Some(bytes) = docker_config::bytes(&file).await? else { continue };
                if let Some(login) = parse(&file, &bytes)?.login(&file, host)? {
                    return Ok(Some(login));
                }
            }
        }
        Ok(None)
    }
    .boxed()
}

/// The older format is the newer one's `auths` alone.
fn parse(path: &Path, bytes: &[u8]) -> Result<DockerConfig, JobError> {
    let is_old = path.file_name().is_some_and(|name| name == ".dockercfg");
    let config = if is_old { docker_config::parse_old(bytes) } else { docker_config::parse(bytes) };
    config.map_err(|_| malformed(path))
}

fn malformed(path: &Path) -> JobError {
    JobError::never(
        "credentials",
        format!("failed to read the logins in {}: it is malformed", path.display()),
    )
}

/// A file as it is; of a directory, the configurations in it and in the directories below it, in the order of their names.
async fn files(path: &Path) -> Result<Vec<PathBuf>, JobError> {
    let failed = |error: std::io::Error| {
        JobError::never("credentials", format!("failed to read the logins in {}: {error}", path.display()))
    };
    if !tokio::fs::metadata(path).await.map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut directories = Vec::new();
    let mut entries = tokio::fs::read_dir(path).await.map_err(failed)?;
    while let Some(entry) = entries.next_entry().await.map_err(failed)? {
        // Kubernetes keeps the versions of a secret in directories whose names begin with two dots.
        let hidden = entry.file_name().to_string_lossy().starts_with("..");
        if !hidden && tokio::fs::metadata(entry.path()).await.is_ok_and(|found| found.is_dir()) {
            directories.push(entry.path());
        }
        if directories.len() > MAX_SECRETS {
            let message = format!(
                "failed to read the logins in {}: it has more than {MAX_SECRETS} directories",
                path.display()
            );
            return Err(JobError::never("limit", message));
        }
    }
    directories.sort();
    directories.insert(0, path.to_owned());
    Ok(directories.iter().flat_map(|directory| NAMES.map(|name| directory.join(name))).collect())
}
