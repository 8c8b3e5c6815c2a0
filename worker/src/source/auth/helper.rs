//! Credential helpers: programs named `docker-credential-<name>` that Docker's configuration names for one registry
//! (`credHelpers`) or for all (`credsStore`). Asked over standard input, answer as JSON (docker-credential-helpers).

use std::process::Stdio;

use futures::FutureExt as _;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};

use super::{Credentials, Finding, Login, Secret, docker_config};
use crate::error::JobError;

/// Bytes of a helper's answer.
const MAX_ANSWER: u64 = 64 << 10;
/// The user name that marks the secret as a refresh token.
const TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

/// The login that a host's credential helper knows.
pub(super) fn find<'a>(credentials: &'a Credentials, host: &'a str) -> Finding<'a> {
    async move {
        let Some(path) = &credentials.docker_config else { return Ok(None) };
        let Some(config) = docker_config::read(path).await? else { return Ok(None) };
        let Some((helper, key)) = config.helper(host) else { return Ok(None) };
        let named = helper.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !named || helper.len() > 100 {
            return Err(JobError::never(
                "credentials",
                format!(
                    "failed to get the login for {host}: {} names a credential helper that is no plain name",
                    path.display()
                ),
            ));
        }
        let program = format!("docker-credential-{helper}");
        match tokio::time::timeout(credentials.helper_timeout, ask(&program, &key, host)).await {
            Ok(answer) => answer,
            Err(_) => Err(JobError::later(
                "credentials",
                format!(
                    "failed to get the login for {host}: {program} did not answer within {} s",
                    credentials.helper_timeout.as_secs()
                ),
            )),
        }
    }
    .boxed()
}

/// Runs the helper once. It is killed when this future is dropped.
pub(super) async fn ask(program: &str, key: &str, host: &str) -> Result<Option<Login>, JobError> {
    let failed = |reason: String| {
        JobError::never("credentials", format!("failed to get the login for {host}: {program} {reason}"))
    };
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("does not start: {error}")))?;
    let answer = talk(&mut child, key).await.map_err(|error| failed(format!("broke off: {error}")))?;
    let status = child.wait().await.map_err(|error| failed(format!("broke off: {error}")))?;
    if !status.success() {
        // The protocol's way to say that it has no login, by a sentence on standard output.
        let text = String::from_utf8_lossy(&answer);
        if text.contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed(format!("ended with {status}")));
    }
    let answer: Answer =
        serde_json::from_slice(&answer).map_err(|_| failed("answered no JSON of a login".to_owned()))?;
    if answer.secret.is_empty() {
        return Ok(None);
    }
    let secret = Secret::new(answer.secret);
    Ok(Some(match answer.username.as_str() {
        TOKEN_USER => Login::Identity(secret),
        _ => Login::Basic { username: answer.username, password: secret },
    }))
}

async fn talk(child: &mut Child, key: &str) -> std::io::Result<Vec<u8>> {
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its question may still answer.
        let _ = stdin.write_all(format!("{key}\n").as_bytes()).await;
    }
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    }
    Ok(answer)
}
