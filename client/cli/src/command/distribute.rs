//! `strata db push` and `strata db pull`: the advisory database as an OCI artefact, in the registry that holds the images.

use std::{io::Write as _, path::Path, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use oci_client::{
    Client, Reference as Target,
    client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol, Config, ImageLayer},
    manifest::OciImageManifest,
    secrets::RegistryAuth,
};
use sha2::{Digest as _, Sha256};
use strata_proto::{reference::Reference, v1::SourceOptions};
use strata_worker::{
    advisories::DatabaseFile,
    error::JobError,
    ports::Images as _,
    source::{
        auth::{self, Login},
        registry::{Registries, RegistryConfig},
    },
};

use crate::{args::DistributeArgs, exit::Failure, settings::Settings, wiring};

/// Type of the artefact (OCI image specification, `artifactType`).
const ARTIFACT: &str = "application/vnd.strata.advisories.v1";
/// Type of its one layer: the database file as it is.
const DATABASE: &str = "application/vnd.strata.advisories.database.v1";
/// The empty configuration that the specification gives to artefacts.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// No database is nearly as large.
const MAX_DATABASE: u64 = 1 << 30;

/// A registry and what a reference names in it, with this user's login.
struct Place {
    client: Client,
    target: Target,
    auth: RegistryAuth,
    text: String,
}

impl Place {
    async fn new(args: &DistributeArgs, settings: &Settings) -> Result<Self, Failure> {
        let (text, parsed) = (&args.reference, reference(args)?);
        let shown = parsed.to_string();
        let target = shown.parse::<Target>();
        let target =
            target.map_err(|error| Failure::usage(format!("`{text}` is not a reference: {error}")))?;
        // The client below follows wherever it is led: whom it may trust, and where the login may go, is found out before.
        let registries = registries(settings)?;
        let way = registries.way(&parsed.host, args.insecure).await;
        let way = way.map_err(|error| failed(PUSH, &shown, &error.message))?;
        let config = ClientConfig {
            protocol: if way.plain { ClientProtocol::Http } else { ClientProtocol::Https },
            accept_invalid_certificates: way.any_certificate,
            extra_root_certificates: roots(&settings.registry.extra_roots),
            connect_timeout: Some(Duration::from_secs(10)),
            read_timeout: Some(Duration::from_secs(60)),
            ..ClientConfig::default()
        };
        // Not `Client::new`: it would go on with another configuration than the one it was given.
        let client = Client::try_from(config).map_err(|error| {
            Failure::usage(format!("failed to set up a connection to {}: {error}", parsed.host))
        })?;
        let login = auth::find(&wiring::credentials(settings), &parsed.host).await;
        let auth = match login.map_err(|error| Failure::usage(error.message))? {
            None => RegistryAuth::Anonymous,
            Some(Login::Basic { username, password }) => {
                RegistryAuth::Basic(username, password.expose().to_owned())
            }
            Some(Login::Bearer(token)) => RegistryAuth::Bearer(token.expose().to_owned()),
            // Exchanged here: the client below knows nothing of it.
            Some(Login::Identity(_)) => {
                let token = registries.push_token(&parsed.host, &parsed.repository, args.insecure).await;
                let token = token.map_err(|error| failed(PUSH, &shown, &error.message))?;
                token.map_or(RegistryAuth::Anonymous, |token| RegistryAuth::Bearer(token.expose().to_owned()))
            }
        };
        Ok(Self { client, target, auth, text: shown })
    }
}

const PUSH: &str = "push the database to";
const PULL: &str = "pull the database from";

fn failed(action: &str, place: &str, reason: &dyn std::fmt::Display) -> Failure {
    Failure::incomplete(format!("failed to {action} {place}: {reason}"))
}

fn reference(args: &DistributeArgs) -> Result<Reference, Failure> {
    bare(&args.reference).parse().map_err(|error| Failure::usage(format!("{error}")))
}

fn registries(settings: &Settings) -> Result<Registries, Failure> {
    let config = RegistryConfig { credentials: wiring::credentials(settings), ..settings.registry.clone() };
    Registries::new(config).map_err(|error| Failure::usage(error.message))
}

/// The reference itself.
pub(super) fn bare(text: &str) -> &str {
    text.strip_prefix("oci://").unwrap_or(text)
}

/// Bundles as single certificates, which is what the client takes.
fn roots(bundles: &[Vec<u8>]) -> Vec<Certificate> {
    const END: &str = "-----END CERTIFICATE-----";
    let texts = bundles.iter().map(|bundle| String::from_utf8_lossy(bundle).into_owned());
    let blocks = texts.flat_map(|text| {
        text.split_inclusive(END).filter(|block| block.ends_with(END)).map(str::to_owned).collect::<Vec<_>>()
    });
    blocks.map(|block| Certificate { encoding: CertificateEncoding::Pem, data: block.into_bytes() }).collect()
}

/// Pushes a database that was checked to its last byte.
///
/// # Errors
/// When the database is damaged, or the registry refuses it.
pub(super) async fn push(args: &DistributeArgs, settings: &Settings) -> Result<(), Failure> {
    let path = &args.db.clone().unwrap_or_else(|| settings.default_db());
    let digest = check(path)?;
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::usage(format!("failed to read {}: {error}", path.display())))?;
    let place = Place::new(args, settings).await?;
    let layers = [ImageLayer::new(bytes, DATABASE.to_owned(), None)];
    let config = Config::new(&b"{}"[..], EMPTY.to_owned(), None);
    let mut manifest = OciImageManifest::build(&layers, &config, None);
    manifest.artifact_type = Some(ARTIFACT.to_owned());
    let pushed = place.client.push(&place.target, &layers, config, &place.auth, Some(manifest)).await;
    pushed.map_err(|error| failed(PUSH, &place.text, &error))?;
    let _ = writeln!(std::io::stdout(), "{}: {digest}", place.text);
    Ok(())
}

/// Pulls a database, checks it to its last byte, and puts it in the place of the old one.
///
/// # Errors
/// When the artefact is no database, is damaged, or cannot be had.
pub(super) async fn pull(args: &DistributeArgs, settings: &Settings) -> Result<(), Failure> {
    let output = &args.db.clone().unwrap_or_else(|| settings.default_db());
    let reference = reference(args)?;
    let from = reference.to_string();
    let failed = |reason: &dyn std::fmt::Display| failed(PULL, &from, reason);
    // A registry may be hostile: what is read from it has the limits of images.
    let registries = registries(settings)?;
    let manifest = registries.manifest(&from, args.insecure).await.map_err(|error| failed(&error.message))?;
    let manifest: OciImageManifest = serde_json::from_slice(&manifest).map_err(|error| failed(&error))?;
    let layer = match manifest.layers.as_slice() {
        [layer] if layer.media_type == DATABASE => layer,
        _ => return Err(failed(&"this artefact is not an advisory database")),
    };
    let directory = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unwritten =
        |error: std::io::Error| Failure::usage(format!("failed to write {}: {error}", output.display()));
    std::fs::create_dir_all(directory).map_err(unwritten)?;
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(unwritten)?;
    let size = u64::try_from(layer.size).ok().filter(|size| *size <= MAX_DATABASE);
    let size = size.ok_or_else(|| failed(&format!("its size of {} bytes is not plausible", layer.size)))?;
    let options = SourceOptions { insecure: args.insecure };
    let opened = registries.blob(&from, &layer.digest, &options).await;
    let stream = opened.map_err(|error| failed(&error.message))?.stream;
    download(stream, &layer.digest, size, &mut file).await.map_err(|reason| failed(&reason))?;
    file.as_file().sync_all().map_err(unwritten)?;
    let digest = check(file.path())?;
    super::build::publish(file, output)?;
    let _ = writeln!(std::io::stdout(), "{}: {digest}", output.display());
    Ok(())
}

async fn download(
    mut stream: BoxStream<'static, Result<Bytes, JobError>>,
    digest: &str,
    size: u64,
    file: &mut tempfile::NamedTempFile,
) -> Result<(), String> {
    let (mut have, mut hash) = (0_u64, Sha256::new());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| error.message)?;
        have += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if have > size {
            return Err("the registry sent more than the manifest says".to_owned());
        }
        hash.update(&chunk);
        file.write_all(&chunk).map_err(|error| error.to_string())?;
    }
    if have != size {
        return Err(format!("it ended after {have} of {size} bytes"));
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let found = format!("sha256:{hex}");
    if found == digest { Ok(()) } else { Err(format!("it has the digest {found} instead of {digest}")) }
}

/// Checks every byte of a database against its digest.
fn check(path: &Path) -> Result<String, Failure> {
    let file = DatabaseFile::open(path).map_err(|error| super::db::unusable(&error))?;
    let verified = file.view().and_then(|view| view.verify());
    verified.map_err(|error| Failure::incomplete(format!("failed to verify {}: {error}", path.display())))?;
    Ok(file.digest().to_owned())
}
