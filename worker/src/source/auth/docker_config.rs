//! Docker's `config.json`: logins under `auths` (docker/cli, configuration files; `docker login` writes them).

use std::{collections::BTreeMap, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::FutureExt as _;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use super::{Credentials, Finding, HUB, HUB_KEY, Login, Secret, names_host};
use crate::error::JobError;

/// Bytes of a configuration; real ones have a few hundred.
const MAX_BYTES: u64 = 1 << 20;

/// What is read of the file.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DockerConfig {
    auths: Option<BTreeMap<String, Option<Auth>>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    #[serde(alias = "identityToken")]
    identitytoken: Option<String>,
    #[serde(alias = "registryToken")]
    registrytoken: Option<String>,
}

/// The file's own login for a host.
pub(super) fn find<'a>(credentials: &'a Credentials, host: &'a str) -> Finding<'a> {
    async move {
        let Some(path) = &credentials.docker_config else { return Ok(None) };
        match read(path).await? {
            Some(config) => config.login(path, host),
            None => Ok(None),
        }
    }
    .boxed()
}

/// Reads the file; `None` when there is none.
pub(super) async fn read(path: &Path) -> Result<Option<DockerConfig>, JobError> {
    let Some(bytes) = bytes(path).await? else { return Ok(None) };
    // An error's position helps; its text could quote a secret.
    parse(&bytes).map(Some).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        failed(path, &format!("it is malformed at line {line}, column {column}"))
    })
}

/// The file's content; `None` when there is none.
pub(super) async fn bytes(path: &Path) -> Result<Option<Vec<u8>>, JobError> {
    let file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, &error.to_string())),
    };
    let mut bytes = Vec::new();
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes).await;
    read.map_err(|error| failed(path, &error.to_string()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(failed(path, &format!("it is larger than {MAX_BYTES} bytes")));
    }
    Ok(Some(bytes))
}

fn failed(path: &Path, reason: &str) -> JobError {
    JobError::never("credentials", format!("failed to read the logins in {}: {reason}", path.display()))
}

pub(super) fn parse(bytes: &[u8]) -> Result<DockerConfig, serde_json::Error> {
    serde_json::from_slice(bytes)
}

/// The format before `config.json`: what is below `auths` today.
pub(super) fn parse_old(bytes: &[u8]) -> Result<DockerConfig, serde_json::Error> {
    Ok(DockerConfig { auths: Some(serde_json::from_slice(bytes)?), ..DockerConfig::default() })
}

impl DockerConfig {
    /// The name of the credential helper for a host, and the key to ask it for.
    pub(super) fn helper(&self, host: &str) -> Option<(&str, String)> {
        let own = self.cred_helpers.iter().flatten().find(|(key, _)| names_host(key, host));
        let helper = match own {
            Some((_, helper)) => helper,
            None => self.creds_store.as_ref()?,
        };
        if helper.is_empty() {
            return None;
        }
        let key = match own {
            _ if HUB.contains(&host) => HUB_KEY.to_owned(),
            Some((key, _)) => key.clone(),
            // A store keeps what `docker login` wrote, under the key that stands in `auths`.
            None => {
                let keys = self.auths.iter().flatten().map(|(key, _)| key);
                keys.into_iter().find(|key| names_host(key, host)).cloned().unwrap_or_else(|| host.to_owned())
            }
        };
        Some((helper, key))
    }

    /// The login that stands in the file itself.
    pub(super) fn login(&self, path: &Path, host: &str) -> Result<Option<Login>, JobError> {
        let entries = self.auths.iter().flatten();
        for (key, auth) in entries.filter(|(key, _)| names_host(key, host)) {
            let Some(auth) = auth else { continue };
            let login = auth.login().ok_or_else(|| {
                JobError::never(
                    "credentials",
                    format!(
                        "failed to read the logins in {}: the entry of {key} is malformed",
                        path.display()
                    ),
                )
            })?;
            if login.is_some() {
                return Ok(login);
            }
        }
        Ok(None)
    }
}

impl Auth {
    /// `None` when malformed; `Some(None)` when the entry is empty, as it is where a helper keeps the login.
    #[expect(clippy::option_option, reason = "malformed, absent and present are three things")]
    fn login(&self) -> Option<Option<Login>> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = filled(&self.registrytoken) {
            return Some(Some(Login::Bearer(Secret::new(token))));
        }
        if let Some(token) = filled(&self.identitytoken) {
            return Some(Some(Login::Identity(Secret::new(token))));
        }
        if let (Some(username), Some(password)) = (filled(&self.username), filled(&self.password)) {
            return Some(Some(Login::Basic { username, password: Secret::new(password) }));
        }
        let Some(auth) = filled(&self.auth) else { return Some(None) };
        let bytes = STANDARD.decode(auth.trim()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (username, password) = text.split_once(':')?;
        // Docker ends some passwords with a zero byte.
        let password = Secret::new(password.trim_end_matches('\0'));
        Some(Some(Login::Basic { username: username.to_owned(), password }))
    }
}
