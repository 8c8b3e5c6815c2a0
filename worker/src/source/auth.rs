//! Logins for registries: where they are looked up, in the order of a table. They are looked up when a registry
//! asks for one, in the worker that talks to it, and travel nowhere else.
//!
//! A further scheme is one file below `auth/` and one row of [`SCHEMES`].

use std::{fmt, path::PathBuf, time::Duration};

use futures::future::BoxFuture;

use super::secret::Secret;
use crate::error::JobError;

pub use self::{
    aws::{Aws, Endpoints},
    azure::Azure,
    google::Google,
};

pub(crate) mod aws;
pub(crate) mod azure;
mod docker_config;
mod fixed;
pub(crate) mod google;
mod helper;
mod mounted;
mod sigv4;
mod web;

/// How to prove to a registry who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// User name and password.
    Basic {
        /// User name.
        username: String,
        /// Password or access token.
        password: Secret,
    },
    /// A refresh token, which the registry's token service exchanges (`identitytoken` in Docker's configuration).
    Identity(Secret),
    /// A token that is sent as it is (`registrytoken`).
    Bearer(Secret),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { username, .. } => write!(f, "Basic({username}, [redacted])"),
            Self::Identity(_) => f.write_str("Identity([redacted])"),
            Self::Bearer(_) => f.write_str("Bearer([redacted])"),
        }
    }
}

/// Where logins may come from. Nothing is read from the environment here: whoever reads settings fills this in.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Logins that the settings name, by registry host (`host[:port]`).
    pub entries: Vec<(String, Login)>,
    /// Docker's configuration file (`config.json`), which need not exist.
    pub docker_config: Option<PathBuf>,
    /// The text of such a configuration (`DOCKER_AUTH_CONFIG`).
    pub inline_config: Option<Secret>,
    /// Further configurations that are mounted: files, or directories of Kubernetes secrets.
    pub config_files: Vec<PathBuf>,
    /// How long a credential helper may take.
    pub helper_timeout: Duration,
    /// Who this machine is for Amazon.
    pub aws: Aws,
    /// Who it is for Google.
    pub google: Google,
    /// Who it is for Azure.
    pub azure: Azure,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            docker_config: None,
            inline_config: None,
            config_files: Vec::new(),
            helper_timeout: Duration::from_secs(15),
            aws: Aws::default(),
            google: Google::default(),
            azure: Azure::default(),
        }
    }
}

/// One place that may hold a login.
pub struct Scheme {
    /// Name for messages and documents.
    pub name: &'static str,
    /// Looks a host's login up; `None` when this place has none.
    pub find: for<'a> fn(&'a Credentials, &'a str) -> Finding<'a>,
}

/// A look-up under way.
pub type Finding<'a> = BoxFuture<'a, Result<Option<Login>, JobError>>;

/// The first that has a login for the host wins.
pub const SCHEMES: [Scheme; 8] = [
    Scheme { name: "settings", find: fixed::find },
    Scheme { name: "environment", find: mounted::find_inline },
    Scheme { name: "mounted secrets", find: mounted::find },
    Scheme { name: "credential helper", find: helper::find },
    Scheme { name: "docker config", find: docker_config::find },
    Scheme { name: "Amazon ECR", find: aws::find },
    Scheme { name: "Google Artifact Registry", find: google::find },
    Scheme { name: "Azure Container Registry", find: azure::find },
];

/// The login for a registry, or `None`: then it is asked anonymously.
///
/// # Errors
/// When a place that should hold it cannot be read.
pub async fn find(credentials: &Credentials, host: &str) -> Result<Option<Login>, JobError> {
    for scheme in &SCHEMES {
        if let Some(login) = (scheme.find)(credentials, host).await? {
            tracing::debug!(host, scheme = scheme.name, "found a login");
            return Ok(Some(login));
        }
    }
    Ok(None)
}

/// Docker Hub goes by several names, and its login is kept under an old address.
const HUB: [&str; 4] = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
/// The key under which Docker keeps its Hub's login.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// Whether a key of a configuration (`host`, `https://host`, `https://host/v1/`) is about this registry. A key with
/// another path is about a part of a registry, and never taken for the whole.
fn names_host(key: &str, host: &str) -> bool {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (name, path) = bare.split_once('/').unwrap_or((bare, ""));
    if !matches!(path.trim_end_matches('/'), "" | "v1" | "v2") {
        return false;
    }
    name.eq_ignore_ascii_case(host) || (HUB.contains(&name) && HUB.contains(&host))
}

#[cfg(test)]
mod cloud_tests;
#[cfg(test)]
mod tests;
