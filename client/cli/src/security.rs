//! Certificates, keys, logins and tokens: from arguments and files to what the roles and the SDK take.

use std::{net::SocketAddr, path::Path, sync::Arc};

use strata_client::{Client, Options};
use strata_coordinator::{
    access::{
        gate::Gate,
        jwt::Expected,
        oidc::{Grant, KeySource, Oidc, OidcConfig},
    },
    ports::Tokens,
    service::Tls,
};
use strata_proto::{
    endpoint::{NatsEndpoint, NatsLogin, RedisEndpoint, Secret, TlsFiles, TlsTexts},
    seal::ClusterKeys,
};

use crate::{
    args::{ClusterArgs, ConnectionArgs, ServeArgs},
    command::announce,
    exit::Failure,
    settings::Settings,
};

/// Largest certificate bundle, key or token, in bytes.
const LARGEST: u64 = 4 << 20;

/// Connects to a server as the arguments say.
///
/// # Errors
/// When a file cannot be read, nothing answers, or the server cannot prove who it is.
pub async fn connect(url: &str, args: &ConnectionArgs, settings: &Settings) -> Result<Client, Failure> {
    let options = options(args, settings)?;
    Ok(Client::connect_with(url, &options).await?)
}

/// As [`connect`], when the first call needs it: a server that is away is no reason not to scan.
///
/// # Errors
/// When a file cannot be read, or the URL cannot be used.
pub fn connect_lazily(url: &str, args: &ConnectionArgs, settings: &Settings) -> Result<Client, Failure> {
    let options = options(args, settings)?;
    Ok(Client::connect_lazy_with(url, &options)?)
}

fn options(args: &ConnectionArgs, settings: &Settings) -> Result<Options, Failure> {
    let token = match (&settings.token, &args.token_file) {
        (Some(token), _) => Some(token.expose().to_owned()),
        (None, Some(file)) => Some(text(file, "the token")?),
        (None, None) => None,
    };
    Ok(Options {
        authorities: args.cacert.as_deref().map(authorities).transpose()?,
        identity: pair(args.client_cert.as_deref(), args.client_key.as_deref())?,
        token,
        token_in_the_clear: args.token_in_the_clear,
    })
}

/// Who is let in to the service.
///
/// # Errors
/// When the OIDC settings cannot be meant, or the bootstrap token cannot be used.
pub async fn gate(tokens: Arc<dyn Tokens>, args: &ServeArgs) -> Result<Arc<Gate>, Failure> {
    let oidc = match (&args.oidc_issuer, &args.oidc_audience) {
        (Some(issuer), Some(audience)) => {
            let expected = Expected { issuer: issuer.clone(), audience: audience.clone() };
            Some(Oidc::new(oidc(expected, args)?).await.map_err(Failure::usage)?)
        }
        _ => None,
    };
    let gate = Gate::new(tokens, oidc);
    if let Some(file) = &args.bootstrap_token_file {
        let token = text(file, "the bootstrap token")?;
        gate.adopt(&token).await.map_err(|error| {
            Failure::usage(format!("failed to use the bootstrap token in {}: {error}", file.display()))
                .hint("make one with: printf 'strata_%s_%s' $(openssl rand -hex 6) $(openssl rand -hex 32)")
        })?;
    }
    Ok(Arc::new(gate))
}

fn oidc(expected: Expected, args: &ServeArgs) -> Result<OidcConfig, Failure> {
    let (keys, authorities) = (key_source(args.jwks.as_deref()), oidc_authorities(args)?);
    let usual = ["strata:read=read", "strata:scan=scan", "strata:admin=admin"].map(str::to_owned);
    let grants: &[String] = if args.oidc_grant.is_empty() { &usual } else { &args.oidc_grant };
    let grants = grants.iter().map(|text| text.parse()).collect::<Result<Vec<Grant>, _>>();
    let grants = grants.map_err(Failure::usage)?;
    Ok(OidcConfig { expected, keys, claim: args.oidc_claim.clone(), grants, authorities })
}

/// Where an issuer's keys are: a file, a URL, or where the issuer says.
pub(crate) fn key_source(text: Option<&str>) -> KeySource {
    match text {
        None => KeySource::Discovery,
        Some(url) if url.contains("://") => KeySource::Url(url.to_owned()),
        Some(file) => KeySource::File(file.into()),
    }
}

/// Authorities of issuers, beside the system's.
pub(crate) fn oidc_authorities(args: &ServeArgs) -> Result<Option<Vec<u8>>, Failure> {
    args.oidc_cacert.as_deref().map(authorities).transpose()
}

/// The service's certificates, where it has some.
///
/// # Errors
/// When a file cannot be read.
pub fn tls(args: &ServeArgs) -> Result<Option<Tls>, Failure> {
    let Some((certificate, key)) = pair(args.tls_cert.as_deref(), args.tls_key.as_deref())? else {
        return Ok(None);
    };
    let client_authorities = args.tls_client_ca.as_deref().map(authorities).transpose()?;
    Ok(Some(Tls { certificate, key, client_authorities }))
}

/// Refuses to serve everybody who can reach an address, and says who is let in.
///
/// # Errors
/// When calls need nothing and the address is not loopback.
pub async fn check_address(
    address: SocketAddr,
    gate: &Gate,
    tls: Option<&Tls>,
    allow_anonymous: bool,
) -> Result<(), Failure> {
    let unknown = |error: strata_coordinator::ports::PortError| Failure::usage(error.to_string());
    let closed = gate.is_closed().await.map_err(unknown)?;
    let known_clients = tls.is_some_and(|tls| tls.client_authorities.is_some());
    let far = !address.ip().is_loopback();
    if far && !closed && !known_clients && !allow_anonymous {
        return Err(Failure::usage(format!(
            "refused to serve {address}: calls need no token yet, and everybody on the network could make them"
        ))
        .hint(
            "make a token with `strata token create --name admin --scope admin`, or set --oidc-issuer; \
             --allow-anonymous serves everybody until then",
        ));
    }
    if far && tls.is_none() {
        announce("warning: calls and tokens cross the network in the clear: set --tls-cert and --tls-key");
    }
    if !closed && !known_clients {
        announce("warning: calls need no token: `strata token create` makes the first one");
    }
    Ok(())
}

/// Where NATS is, and how to log in.
///
/// # Errors
/// When a file cannot be read.
pub fn nats(args: &ClusterArgs, endpoint: NatsEndpoint) -> Result<NatsEndpoint, Failure> {
    let login = match (&args.nats_creds, &args.nats_nkey) {
        (Some(file), _) => NatsLogin::File(readable(file)?),
        (None, Some(file)) => NatsLogin::Nkey(Secret::new(text(file, "the nkey's seed")?)),
        (None, None) => endpoint.login.clone(),
    };
    let client = match (&args.nats_cert, &args.nats_key) {
        (Some(certificate), Some(key)) => Some((readable(certificate)?, readable(key)?)),
        _ => None,
    };
    let authorities =
        args.nats_cacert.as_deref().map(|file| self::authorities(file).map(|_| file.to_owned()));
    Ok(NatsEndpoint { login, tls: TlsFiles { authorities: authorities.transpose()?, client }, ..endpoint })
}

/// Where Redis is, and with which certificates.
///
/// # Errors
/// When a file cannot be read, or is given for a connection without TLS.
pub fn redis(args: &ClusterArgs) -> Result<RedisEndpoint, Failure> {
    let tls = TlsTexts {
        authorities: args.redis_cacert.as_deref().map(authorities).transpose()?,
        client: pair(args.redis_cert.as_deref(), args.redis_key.as_deref())?,
    };
    if tls != TlsTexts::default() && !args.redis.starts_with("rediss://") {
        return Err(Failure::usage(
            "certificates for Redis were given, and its URL does not start with rediss://",
        ));
    }
    Ok(RedisEndpoint { tls, ..RedisEndpoint::new(&args.redis) })
}

/// The keys that values in Redis are tagged with. Says so where there is none.
///
/// # Errors
/// When a file cannot be read, or holds no key.
pub fn cluster_keys(args: &ClusterArgs) -> Result<ClusterKeys, Failure> {
    let mut texts = Vec::new();
    for file in &args.cluster_key {
        texts.push(read(file, "the cluster key")?);
    }
    let keys = ClusterKeys::new(&texts)
        .map_err(|error| Failure::usage(error).hint("`openssl rand -hex 32` makes one"))?;
    if keys.is_empty() {
        announce("warning: no --cluster-key: who can write to Redis can make an image look clean");
    }
    Ok(keys)
}

/// Says so when an argument holds a password: everybody on the machine can read arguments.
pub fn look_at_arguments(arguments: impl Iterator<Item = String>) {
    let password = |text: &str| {
        let authority = text.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
        let login = authority.and_then(|authority| authority.rsplit_once('@'));
        login
            .is_some_and(|(login, _)| login.split_once(':').is_some_and(|(_, password)| !password.is_empty()))
    };
    if arguments.into_iter().any(|argument| password(&argument)) {
        announce(
            "warning: a password among the arguments is seen by everybody on this machine: \
             set STRATA_NATS, STRATA_REDIS or STRATA_ARCHIVE instead",
        );
    }
}

/// A certificate and its key, PEM.
type Identity = (Vec<u8>, Vec<u8>);

fn pair(certificate: Option<&Path>, key: Option<&Path>) -> Result<Option<Identity>, Failure> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((pem(certificate, "CERTIFICATE")?, pem(key, "KEY")?))),
        _ => Ok(None),
    }
}

pub(crate) fn authorities(file: &Path) -> Result<Vec<u8>, Failure> {
    pem(file, "CERTIFICATE")
}

/// A PEM file that holds what it should: TLS libraries take an empty one for no authority at all.
fn pem(file: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    let bytes = read(file, "a certificate or key")?;
    let text = String::from_utf8_lossy(&bytes);
    let holds = text.lines().any(|line| line.starts_with("-----BEGIN ") && line.contains(what));
    if holds { Ok(bytes) } else { Err(Failure::usage(format!("{} holds no PEM {what}", file.display()))) }
}

fn readable(file: &Path) -> Result<std::path::PathBuf, Failure> {
    read(file, "credentials").map(|_| file.to_owned())
}

pub(crate) fn text(file: &Path, what: &str) -> Result<String, Failure> {
    let bytes = read(file, what)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::usage(format!("{what} in {} is no text", file.display())))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::usage(format!("{what} in {} is empty", file.display())));
    }
    Ok(text.to_owned())
}

pub(crate) fn read(file: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    let failed =
        |reason: String| Failure::usage(format!("failed to read {what} in {}: {reason}", file.display()));
    let length = std::fs::metadata(file).map_err(|error| failed(error.to_string()))?.len();
    if length > LARGEST {
        return Err(failed(format!("it has {length} bytes")));
    }
    std::fs::read(file).map_err(|error| failed(error.to_string()))
}
