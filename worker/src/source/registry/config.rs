//! Settings and limits of registry access.

use std::time::Duration;

pub use super::pace::PaceConfig;
use crate::source::auth::Credentials;

/// How registries are talked to. Every bound on what a registry may cost is here.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// Logins.
    pub credentials: Credentials,
    /// Certificates of private authorities (PEM, perhaps several in one), trusted besides the platform's.
    pub extra_roots: Vec<Vec<u8>>,
    /// Proxy for all registries that are not on loopback.
    pub proxy: Option<ProxyConfig>,
    /// How many requests at once and how often, for each registry.
    pub pace: PaceConfig,
    /// Kinds of registries by their hosts, where they cannot be told by name: `harbor`, `ecr`, `google`, `acr`; `plain` for none.
    pub kinds: Vec<(String, String)>,
    /// Whether a public registry may lead to addresses that are not public (a storage behind a private endpoint).
    pub private_redirects: bool,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time without a byte.
    pub idle_timeout: Duration,
    /// Time for a whole small answer: a manifest, a page, a token.
    pub request_timeout: Duration,
    /// Time for a whole layer.
    pub blob_timeout: Duration,
    /// Names that are asked for in one page.
    pub page_size: usize,
    /// Bytes of a page.
    pub page_bytes: usize,
    /// Bytes of a manifest or index.
    pub manifest_bytes: usize,
    /// Bytes of a configuration.
    pub config_bytes: usize,
    /// How often a broken download of a layer is taken up again.
    pub resumes: u32,
}

/// A proxy, as the settings name it.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// Its address.
    pub url: String,
    /// Hosts that are reached without it, in the form of `NO_PROXY`.
    pub except: String,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            credentials: Credentials::default(),
            extra_roots: Vec::new(),
            proxy: None,
            pace: PaceConfig::default(),
            kinds: Vec::new(),
            private_redirects: false,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(60),
            blob_timeout: Duration::from_secs(4 * 3_600),
            page_size: 1_000,
            page_bytes: 8 << 20,
            manifest_bytes: 4 << 20,
            config_bytes: 8 << 20,
            resumes: 5,
        }
    }
}
