//! Where NATS and Redis are and how a process logs in: plain values that both roles are configured with, and the few
//! rules about them. Secrets print as `…`.

use std::{fmt, path::PathBuf, time::Duration};

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for whoever logs in with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// How a process logs in to NATS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NatsLogin {
    /// Not at all.
    #[default]
    Anonymous,
    /// With a token.
    Token(Secret),
    /// With a name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// With the seed of an nkey.
    Nkey(Secret),
    /// With a credentials file (a JWT and its seed), as `nsc` writes it.
    File(PathBuf),
}

/// Certificates of a TLS connection, PEM files. With none of them the system's authorities are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities to trust beside the system's.
    pub authorities: Option<PathBuf>,
    /// The client's certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A NATS server or cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsEndpoint {
    /// `nats://host:4222` or `tls://host:4222`; several with commas between them.
    pub url: String,
    /// How to log in.
    pub login: NatsLogin,
    /// Certificates.
    pub tls: TlsFiles,
    /// What the server calls the connection: role and host.
    pub name: String,
    /// How long the first connection may take before the process gives up.
    pub patience: Duration,
}

impl NatsEndpoint {
    /// A server with the login that its URL holds: `user:password@`, or `token@`.
    #[must_use]
    pub fn new(url: &str, name: &str) -> Self {
        Self {
            url: url.to_owned(),
            login: login_of(url),
            tls: TlsFiles::default(),
            name: name.to_owned(),
            patience: Duration::from_secs(30),
        }
    }
}

impl fmt::Debug for NatsEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsEndpoint")
            .field("url", &redacted(&self.url))
            .field("login", &self.login)
            .field("tls", &self.tls)
            .field("name", &self.name)
            .field("patience", &self.patience)
            .finish()
    }
}

/// Certificates of a TLS connection as PEM texts. With none of them the system's authorities are trusted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsTexts {
    /// Authorities to trust instead of the system's.
    pub authorities: Option<Vec<u8>>,
    /// The client's certificate and its key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

/// A Redis server.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisEndpoint {
    /// `redis://[user:password@]host:6379[/database]`, or `rediss://` for TLS.
    pub url: String,
    /// Certificates, for `rediss://`.
    pub tls: TlsTexts,
}

impl RedisEndpoint {
    /// A server without certificates of its own.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), tls: TlsTexts::default() }
    }
}

impl fmt::Debug for RedisEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisEndpoint").field("url", &redacted(&self.url)).finish()
    }
}

/// Whether what a client of NATS or Redis says cannot become right by waiting: a certificate or a login that is refused.
#[must_use]
pub fn is_hopeless(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    ["certificate", "wrongpass", "noauth", "authentication failed", "password"]
        .iter()
        .any(|sign| reason.contains(sign))
}

/// The login in the first URL that has one.
fn login_of(urls: &str) -> NatsLogin {
    let in_url = |url: &str| {
        let (_, rest) = url.split_once("://")?;
        let (user, _) = rest.rsplit_once('@')?;
        Some(match user.split_once(':') {
            Some((user, password)) => {
                NatsLogin::Password { user: decoded(user), password: Secret(decoded(password)) }
            }
            None => NatsLogin::Token(Secret(decoded(user))),
        })
    };
    urls.split(',').find_map(in_url).unwrap_or_default()
}

/// Undoes percent-encoding (RFC 3986, 2.1); what is no valid escape stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, after.get(2..)) {
            (Some(byte), Some(tail)) => {
                bytes.push(byte);
                rest = tail;
            }
            _ => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// URLs (with commas between them) without the names and passwords in them.
#[must_use]
pub fn redacted(urls: &str) -> String {
    let one = |url: &str| {
        let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
        let host = rest.rsplit_once('@').map(|(_, host)| format!("…@{host}"));
        let host = host.unwrap_or_else(|| rest.to_owned());
        if scheme.is_empty() { host } else { format!("{scheme}://{host}") }
    };
    urls.split(',').map(one).collect::<Vec<_>>().join(",")
}

/// The oldest NATS server that has what the queue needs.
pub const OLDEST_SERVER: [u64; 3] = [2, 9, 10];
/// The oldest NATS server that is fit for production: older ones can lose acknowledged messages when they crash.
pub const SAFE_SERVER: [u64; 3] = [2, 10, 23];

/// A NATS server's version as comparable numbers; what follows a dash is ignored. `None` for a text that is no version.
#[must_use]
pub fn server_version(text: &str) -> Option<[u64; 3]> {
    let text = text.split('-').next().unwrap_or(text);
    let mut numbers = text.split('.').map(|part| part.parse::<u64>().ok());
    let version = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(version)
}

/// How long to wait before the n-th attempt to connect again: from 50 ms doubling to 1 s, and up to a quarter more, so
/// that the processes of a cluster do not come back in one instant. `seed` is any number that differs between them.
#[must_use]
pub fn reconnect_delay(attempt: usize, seed: u64) -> Duration {
    let attempt = u64::try_from(attempt).unwrap_or(u64::MAX);
    let base = 50_u64.saturating_mul(1 << attempt.min(6)).min(1000);
    let mixed = seed.wrapping_add(attempt).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    Duration::from_millis(base.saturating_add(mixed % (base / 4).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let mut nats = NatsEndpoint::new("nats://bob:hunter2@a:4222,tls://eve:hunter2@b", "worker");
        for login in [
            NatsLogin::Token(Secret::new("hunter2".to_owned())),
            NatsLogin::Password { user: "bob".to_owned(), password: Secret::new("hunter2".to_owned()) },
        ] {
            nats.login = login;
            let redis = RedisEndpoint::new("rediss://:hunter2@c:6379/1");
            let printed = format!("{nats:?} {redis:?}");
            assert!(!printed.contains("hunter2"), "{printed}");
            assert!(printed.contains("nats://…@a:4222,tls://…@b"), "{printed}");
            assert!(printed.contains("rediss://…@c:6379/1"), "{printed}");
        }
        assert_eq!(redacted("a:4222,nats://b"), "a:4222,nats://b");
    }

    #[test]
    fn a_url_may_hold_the_login() {
        let password = |user: &str, password: &str| NatsLogin::Password {
            user: user.to_owned(),
            password: Secret::new(password.to_owned()),
        };
        for (url, login) in [
            ("nats://a:4222", NatsLogin::Anonymous),
            ("a:4222", NatsLogin::Anonymous),
            ("nats://bob:p%40ss%3A@a:4222", password("bob", "p@ss:")),
            ("nats://a,nats://bob:100%@b", password("bob", "100%")),
            ("nats://bob:%é%4@b", password("bob", "%é%4")),
            ("nats://t0ken@a", NatsLogin::Token(Secret::new("t0ken".to_owned()))),
        ] {
            assert_eq!(NatsEndpoint::new(url, "n").login, login, "{url}");
        }
    }

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(server_version("2.9.10"), Some([2, 9, 10]));
        assert_eq!(server_version("2.14.0-RC.1"), Some([2, 14, 0]));
        assert!(server_version("2.10.27") > server_version("2.9.25"));
        for bad in ["", "2", "2.9", "2.9.x", "2.9.10.1"] {
            assert_eq!(server_version(bad), None, "{bad}");
        }
    }

    #[test]
    fn delays_grow_to_a_limit() {
        for seed in [0, 7, u64::MAX] {
            for attempt in [0, 1, 5, 63, 64, usize::MAX] {
                let delay = reconnect_delay(attempt, seed);
                assert!((50..1250).contains(&delay.as_millis()), "{attempt} {seed} {delay:?}");
            }
        }
        assert_ne!(reconnect_delay(9, 1), reconnect_delay(9, 2));
    }
}
