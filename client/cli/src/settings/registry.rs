//! What the environment says of registries: how they are treated, and where logins for them are. The environment itself is
//! an argument.

use std::{path::PathBuf, str::FromStr};

use strata_worker::source::{
    auth::{Aws, Azure, Credentials, Google, Login},
    registry::{PaceConfig, ProxyConfig, RegistryConfig},
    secret::Secret,
};

use crate::exit::Failure;

/// Looks a variable up; empty ones are not set.
type Get<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where clouds keep the identity of their machines: link-local, the same on every machine.
const METADATA: &str = "169.254.169.254";
/// Where Amazon's containers get their keys.
const CONTAINER: &str = "http://169.254.170.2";

/// Reads all of it.
///
/// # Errors
/// When a value is not what its variable may hold.
pub(super) fn read(get: Get<'_>) -> Result<RegistryConfig, Failure> {
    let default = PaceConfig::default();
    let pace = PaceConfig {
        concurrency: number(get, "STRATA_REGISTRY_CONCURRENCY")?.unwrap_or(default.concurrency),
        rate: number(get, "STRATA_REGISTRY_RATE")?,
        ..default
    };
    Ok(RegistryConfig {
        pace,
        kinds: kinds(&get("STRATA_REGISTRY_KIND").unwrap_or_default())?,
        private_redirects: flag(get, "STRATA_REGISTRY_PRIVATE_REDIRECTS")?,
        proxy: proxy(get),
        credentials: credentials(get)?,
        ..RegistryConfig::default()
    })
}

fn credentials(get: Get<'_>) -> Result<Credentials, Failure> {
    let secrets = get("STRATA_REGISTRY_SECRETS").unwrap_or_default();
    Ok(Credentials {
        entries: entry(get)?.into_iter().collect(),
        inline_config: get("DOCKER_AUTH_CONFIG").map(Secret::new),
        config_files: std::env::split_paths(&secrets).filter(|path| !path.as_os_str().is_empty()).collect(),
        aws: aws(get),
        google: Google {
            key_file: get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from),
            metadata: get("GCE_METADATA_HOST").unwrap_or_else(|| "metadata.google.internal".to_owned()),
        },
        azure: Azure {
            tenant: get("AZURE_TENANT_ID").unwrap_or_default(),
            client: get("AZURE_CLIENT_ID").unwrap_or_default(),
            secret: get("AZURE_CLIENT_SECRET").map(Secret::new),
            token_file: get("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
            authority: get("AZURE_AUTHORITY_HOST").unwrap_or_default(),
            metadata: METADATA.to_owned(),
            registry: String::new(),
        },
        ..Credentials::default()
    })
}

fn entry(get: Get<'_>) -> Result<Option<(String, Login)>, Failure> {
    let parts = ["HOST", "USERNAME", "PASSWORD"].map(|part| get(&format!("STRATA_REGISTRY_{part}")));
    match parts {
        [Some(host), Some(username), Some(password)] => {
            Ok(Some((host, Login::Basic { username, password: Secret::new(password) })))
        }
        [None, None, None] => Ok(None),
        _ => Err(Failure::usage(
            "failed to read the registry's login: STRATA_REGISTRY_HOST, _USERNAME and _PASSWORD go together",
        )),
    }
}

fn aws(get: Get<'_>) -> Aws {
    let keys = match (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
        (Some(access), Some(secret)) => {
            Some((access, Secret::new(secret), get("AWS_SESSION_TOKEN").map(Secret::new)))
        }
        _ => None,
    };
    let web_identity = get("AWS_ROLE_ARN").zip(get("AWS_WEB_IDENTITY_TOKEN_FILE").map(PathBuf::from));
    let relative = get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{CONTAINER}{path}"));
    Aws {
        keys,
        web_identity,
        container: relative.or_else(|| get("AWS_CONTAINER_CREDENTIALS_FULL_URI")),
        container_token: get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(PathBuf::from),
        metadata: get("AWS_EC2_METADATA_DISABLED").is_none_or(|text| !text.eq_ignore_ascii_case("true")),
        ..Aws::default()
    }
}

fn proxy(get: Get<'_>) -> Option<ProxyConfig> {
    let either = |name: &str| get(name).or_else(|| get(&name.to_ascii_lowercase()));
    let url = either("HTTPS_PROXY")?;
    Some(ProxyConfig { url, except: either("NO_PROXY").unwrap_or_default() })
}

/// `HOST=KIND,…`.
fn kinds(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| match pair.split_once('=') {
            Some((host, kind)) if !host.is_empty() && !kind.is_empty() => {
                Ok((host.trim().to_owned(), kind.trim().to_owned()))
            }
            _ => {
                Err(Failure::usage(format!("failed to read STRATA_REGISTRY_KIND: `{pair}` is not HOST=KIND")))
            }
        })
        .collect()
}

fn number<T: FromStr + PartialOrd + From<u8>>(get: Get<'_>, name: &str) -> Result<Option<T>, Failure> {
    let Some(text) = get(name) else { return Ok(None) };
    match text.trim().parse() {
        Ok(number) if number >= T::from(1) => Ok(Some(number)),
        _ => Err(Failure::usage(format!("failed to read {name}: `{text}` is not a number from 1 on"))),
    }
}

fn flag(get: Get<'_>, name: &str) -> Result<bool, Failure> {
    match get(name).as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(text) => {
            Err(Failure::usage(format!("failed to read {name}: `{text}` is neither true nor false")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<RegistryConfig, Failure> {
        let map: BTreeMap<&str, &str> = pairs.iter().copied().collect();
        read(&|name| map.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn what_is_set_is_taken() {
        let plain = with(&[]).unwrap();
        assert_eq!(
            (plain.pace, plain.proxy.is_none(), plain.private_redirects),
            (PaceConfig::default(), true, false)
        );
        assert!(plain.credentials.aws.metadata && plain.credentials.aws.keys.is_none());
        let config = with(&[
            ("STRATA_REGISTRY_CONCURRENCY", "4"),
            ("STRATA_REGISTRY_RATE", "10"),
            ("STRATA_REGISTRY_KIND", "h.example=harbor, p.example:5000=plain"),
            ("STRATA_REGISTRY_PRIVATE_REDIRECTS", "true"),
            ("STRATA_REGISTRY_HOST", "r.example"),
            ("STRATA_REGISTRY_USERNAME", "u"),
            ("STRATA_REGISTRY_PASSWORD", "very secret"),
            ("STRATA_REGISTRY_SECRETS", "/a:/b"),
            ("AWS_ROLE_ARN", "role"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"),
            ("AWS_EC2_METADATA_DISABLED", "TRUE"),
            ("https_proxy", "http://proxy:3128"),
        ])
        .unwrap();
        assert_eq!((config.pace.concurrency, config.pace.rate), (4, Some(10)));
        assert_eq!(config.kinds.len(), 2);
        assert_eq!(config.kinds[1], ("p.example:5000".to_owned(), "plain".to_owned()));
        assert!(config.private_redirects && !config.credentials.aws.metadata);
        assert_eq!(config.credentials.config_files, [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(config.credentials.aws.container.as_deref(), Some("http://169.254.170.2/v2/x"));
        assert_eq!(config.proxy.as_ref().map(|proxy| proxy.url.as_str()), Some("http://proxy:3128"));
        assert!(!format!("{config:?}").contains("very secret"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (name, value) in [
            ("STRATA_REGISTRY_CONCURRENCY", "0"),
            ("STRATA_REGISTRY_RATE", "fast"),
            ("STRATA_REGISTRY_KIND", "harbor"),
            ("STRATA_REGISTRY_PRIVATE_REDIRECTS", "maybe"),
            ("STRATA_REGISTRY_PASSWORD", "alone"),
        ] {
            assert!(with(&[(name, value)]).is_err(), "{name}={value}");
        }
    }
}
