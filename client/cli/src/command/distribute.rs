//! `strata db push` and `strata db pull`: the advisory database as an OCI artefact, in the registry that holds the images.

use std::{io::Write as _, path::Path, time::Duration};

use futures::StreamExt as _;
use oci_client::{
    Client, Reference as Target,
    client::{ClientConfig, ClientProtocol, Config, ImageLayer},
    manifest::{OciDescriptor, OciImageManifest},
    secrets::RegistryAuth,
};
use strata_proto::reference::Reference;
use strata_worker::{
    advisories::DatabaseFile,
    source::auth::{self, Login},
};

use crate::{exit::Failure, settings::Settings, wiring};

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
    async fn new(text: &str, settings: &Settings) -> Result<Self, Failure> {
        let bare = text.strip_prefix("oci://").unwrap_or(text);
        let parsed: Reference = bare.parse().map_err(|error| Failure::usage(format!("{error}")))?;
        let shown = parsed.to_string();
        let target = shown.parse::<Target>();
        let target =
            target.map_err(|error| Failure::usage(format!("`{text}` is not a reference: {error}")))?;
        let protocol = if parsed.is_loopback() { ClientProtocol::Http } else { ClientProtocol::Https };
        let config = ClientConfig {
            protocol,
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
            Some(Login::Identity(_)) => {
                return Err(Failure::usage(format!(
                    "failed to log in to {}: identity tokens are not supported for databases yet",
                    parsed.host
                )));
            }
        };
        Ok(Self { client, target, auth, text: shown })
    }

    fn failed(&self, action: &str, reason: impl std::fmt::Display) -> Failure {
        Failure::incomplete(format!("failed to {action} {}: {reason}", self.text))
    }
}

/// Pushes a database that was checked to its last byte.
///
/// # Errors
/// When the database is damaged, or the registry refuses it.
pub(super) async fn push(path: &Path, reference: &str, settings: &Settings) -> Result<(), Failure> {
    let digest = check(path)?;
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::usage(format!("failed to read {}: {error}", path.display())))?;
    let place = Place::new(reference, settings).await?;
    let layers = [ImageLayer::new(bytes, DATABASE.to_owned(), None)];
    let config = Config::new(&b"{}"[..], EMPTY.to_owned(), None);
    let mut manifest = OciImageManifest::build(&layers, &config, None);
    manifest.artifact_type = Some(ARTIFACT.to_owned());
    let pushed = place.client.push(&place.target, &layers, config, &place.auth, Some(manifest)).await;
    pushed.map_err(|error| place.failed("push the database to", error))?;
    let _ = writeln!(std::io::stdout(), "{}: {digest}", place.text);
    Ok(())
}

/// Pulls a database, checks it to its last byte, and puts it in the place of the old one.
///
/// # Errors
/// When the artefact is no database, is damaged, or cannot be had.
pub(super) async fn pull(reference: &str, output: &Path, settings: &Settings) -> Result<(), Failure> {
    let place = Place::new(reference, settings).await?;
    let pulled = place.client.pull_image_manifest(&place.target, &place.auth).await;
    let (manifest, _) = pulled.map_err(|error| place.failed("pull the database from", error))?;
    let layer = match manifest.layers.as_slice() {
        [layer] if layer.media_type == DATABASE => layer,
        _ => return Err(place.failed("pull the database from", "this artefact is not an advisory database")),
    };
    let directory = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unwritten =
        |error: std::io::Error| Failure::usage(format!("failed to write {}: {error}", output.display()));
    std::fs::create_dir_all(directory).map_err(unwritten)?;
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(unwritten)?;
    download(&place, layer, &mut file).await?;
    file.as_file().sync_all().map_err(unwritten)?;
    let digest = check(file.path())?;
    super::build::publish(file, output)?;
    let _ = writeln!(std::io::stdout(), "{}: {digest}", output.display());
    Ok(())
}

async fn download(
    place: &Place,
    layer: &OciDescriptor,
    file: &mut tempfile::NamedTempFile,
) -> Result<(), Failure> {
    let failed = |reason: String| place.failed("pull the database from", reason);
    let size = u64::try_from(layer.size).ok().filter(|size| *size <= MAX_DATABASE);
    let size = size.ok_or_else(|| failed(format!("its size of {} bytes is not plausible", layer.size)))?;
    let opened = place.client.pull_blob_stream(&place.target, layer).await;
    let mut stream = opened.map_err(|error| failed(error.to_string()))?.stream;
    let mut have = 0_u64;
    // The stream's last item fails when the digest does not agree: it is read to its end.
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| failed(error.to_string()))?;
        have += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if have > size {
            return Err(failed("the registry sent more than the manifest says".to_owned()));
        }
        file.write_all(&chunk).map_err(|error| failed(error.to_string()))?;
    }
    if have != size {
        return Err(failed(format!("it ended after {have} of {size} bytes")));
    }
    Ok(())
}

/// Checks every byte of a database against its digest.
fn check(path: &Path) -> Result<String, Failure> {
    let file = DatabaseFile::open(path).map_err(|error| super::db::unusable(&error))?;
    let verified = file.view().and_then(|view| view.verify());
    verified.map_err(|error| Failure::incomplete(format!("failed to verify {}: {error}", path.display())))?;
    Ok(file.digest().to_owned())
}
