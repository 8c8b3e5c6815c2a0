//! The grammar of `strata tag` and `strata docker`.

use clap::{Args as Group, Subcommand};

use super::{ArchiveArgs, RegistryArgs, SourceArgs};

/// Arguments of `strata tag`.
#[derive(Debug, Clone, Group)]
pub struct TagArgs {
    /// The image: a reference, or an image id (`sha256:…`) of one that was not pushed.
    #[arg(long, value_name = "REF|IMAGE-ID")]
    pub image: String,
    /// Digest that the image has in its registry; of an index, all images that it holds are meant. Without it the registry is
    /// asked.
    #[arg(long, value_name = "DIGEST")]
    pub digest: Option<String>,
    /// Digest of the image's configuration: the same before and after a push.
    #[arg(long, value_name = "DIGEST")]
    pub image_id: Option<String>,
    /// Do not ask the registry: a reference alone then means the image that was last scanned under it, or the first that will be.
    #[arg(long)]
    pub no_registry: bool,
    /// Platform to choose from an image index, when the registry is asked.
    #[arg(long, default_value = "linux/amd64", value_name = "OS/ARCH[/VARIANT]")]
    pub platform: String,
    /// Any certificate of a registry, or plain HTTP where it is not on loopback.
    #[arg(long, visible_alias = "allow-insecure-registry")]
    pub insecure: bool,
    /// Registries' certificates and logins.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Where it was built from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Where that is kept.
    #[command(flatten)]
    pub archive: ArchiveArgs,
}

/// Commands under the name that other tools give them.
#[derive(Debug, Subcommand)]
pub enum DockerCommand {
    /// As `strata tag`.
    Tag(Box<TagArgs>),
}
