//! What every worker is wired to, in a cluster and embedded alike.

use std::{path::PathBuf, sync::Arc, time::Duration};

use strata_analysis::{fingerprint, limits::Limits};
use strata_worker::{
    java_index::JavaIndexFile,
    job::{Context, parts::InParts},
    ports::{Advisories, Images, InventoryCache},
    precedence::Turn,
    source::{SourceConfig, Sources, archive::ArchiveConfig, auth::Credentials, registry::RegistryConfig},
    spool::DirectorySpool,
};

use crate::{
    args::{java_index::JavaIndexArgs, layers::LayerArgs},
    exit::Failure,
    settings::Settings,
};

/// How long a claim on a layer lasts without being renewed: a worker that died is replaced after this.
const LEASE: Duration = Duration::from_secs(30);

/// Where this user's logins are.
#[must_use]
pub fn credentials(settings: &Settings) -> Credentials {
    let own = || settings.docker_config.as_ref().map(|directory| directory.join("config.json"));
    let docker_config = settings.auth_file.clone().or_else(own);
    Credentials { docker_config, ..settings.registry.credentials.clone() }
}

/// Registries with this user's logins, and archives where they may be read.
///
/// # Errors
/// When the settings do not make sense.
pub fn sources(settings: &Settings, archives: bool) -> Result<Sources, Failure> {
    let registry = RegistryConfig { credentials: credentials(settings), ..settings.registry.clone() };
    let archives = archives.then(|| ArchiveConfig {
        spool: settings.spool_dir.clone(),
        engines: settings.engines.clone(),
        containerd: settings.containerd.clone(),
        limits: limits(),
        ..ArchiveConfig::default()
    });
    Sources::new(SourceConfig { registry, archives }).map_err(|error| Failure::usage(error.message))
}

/// The index of Java archives, where one is named.
///
/// # Errors
/// When it cannot be read or is no index.
pub fn java_index(named: &JavaIndexArgs) -> Result<Option<Arc<JavaIndexFile>>, Failure> {
    let open = |path: &PathBuf| JavaIndexFile::open(path).map(Arc::new);
    let opened = named.java_index.as_ref().map(open).transpose();
    opened.map_err(|error| {
        Failure::usage(error.to_string()).hint("`strata java-index build` compiles one from a list")
    })
}

/// With another limit on the files of layers, which is a part of the analysis.
#[must_use]
pub fn largest_file(context: Context, mib: u64) -> Context {
    let limits = Limits { spool_bytes: mib << 20, ..context.limits };
    Context { fingerprint: fingerprint::fingerprint_with(&limits), limits, ..context }
}

/// Where it is wanted, layers are read in parts, which is a part of the analysis.
#[must_use]
pub fn layers(context: Context, layers: LayerArgs) -> Context {
    if !layers.lazy_layers {
        return context;
    }
    Context {
        fingerprint: fingerprint::in_parts(&context.fingerprint),
        in_parts: Some(InParts::default()),
        ..context
    }
}

/// Bounds on hostile layers. Six jobs at once must not hold six large files in memory: what is larger is spooled.
fn limits() -> Limits {
    Limits { file_bytes: 16 << 20, budget_bytes: 48 << 20, ..Limits::default() }
}

/// What jobs may use.
#[must_use]
pub fn context(
    settings: &Settings,
    images: Arc<dyn Images>,
    cache: Arc<dyn InventoryCache>,
    advisories: Arc<dyn Advisories>,
    java_index: Option<Arc<JavaIndexFile>>,
) -> Context {
    let limits = limits();
    Context {
        images,
        cache,
        advisories,
        java_index,
        fingerprint: fingerprint::fingerprint_with(&limits),
        limits,
        spool: DirectorySpool::new(settings.spool_dir.clone()),
        name: settings.name.clone(),
        lease: LEASE,
        turn: Turn::default(),
        in_parts: None,
    }
}
