//! The grammar of `strata report`.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

use super::{ArchiveArgs, ExportArgs, OutputArgs, RegistryArgs};

/// Commands on reports.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Show one report, in any output format.
    Show {
        /// The report's id.
        report: String,
        /// Assess the report again, here, with the advisory database of this machine, or with --server that of the server's scans
        /// (which is fetched where it is not here), and show what has become known since: as
        /// `strata diff` does, the report as it was before and as it would be now after. The image is not read, and need not
        /// exist any more: the analyses of its layers are taken where the cache directory still has them, and else the packages
        /// that the report lists. Formats: table, json, markdown.
        #[arg(long)]
        reassess: bool,
        /// Advisory database that `--reassess` assesses with, whatever a server uses.
        #[arg(long, alias = "db-path", env = "STRATA_DB", value_name = "FILE")]
        db: Option<PathBuf>,
        /// Ask the registries whether the image is still there, as `report search --check` does, and say it on stderr.
        #[arg(long)]
        check: bool,
        /// Any certificate of a registry, or plain HTTP where it is not on loopback, for `--check`.
        #[arg(long, visible_alias = "allow-insecure-registry")]
        insecure: bool,
        /// Registries' certificates and logins, for `--check`.
        #[command(flatten)]
        registry: Box<RegistryArgs>,
        /// Where to look.
        #[command(flatten)]
        archive: ArchiveArgs,
        /// What comes out.
        #[command(flatten)]
        output: Box<OutputArgs>,
    },
    /// Find reports; every condition must hold.
    Search {
        /// What to look for.
        #[command(flatten)]
        search: Box<SearchArgs>,
        /// `table`, or `json` for programs.
        #[arg(short, long, default_value = "table", value_parser = ["table", "json"])]
        format: String,
        /// Ask the registries, from here and with one HEAD request for each image and repository, whether the images are still
        /// there. One that each of its repositories denies under its digest is shown as `image gone`, with the date; one of
        /// which a registry says nothing is unknown.
        #[arg(long)]
        check: bool,
        /// Any certificate of a registry, or plain HTTP where it is not on loopback, for `--check`.
        #[arg(long, visible_alias = "allow-insecure-registry")]
        insecure: bool,
        /// Registries' certificates and logins, for `--check`.
        #[command(flatten)]
        registry: Box<RegistryArgs>,
        /// Where to look.
        #[command(flatten)]
        archive: ArchiveArgs,
    },
    /// Write reports to one file for audits, as `strata archive export` does.
    Export(Box<ExportArgs>),
    /// Keep a report, and the scans that name it, whatever their age, until it is released. For administrators of a server.
    Hold {
        /// The report's id.
        report: String,
        /// Why: a case, an order.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Where it is.
        #[command(flatten)]
        archive: ArchiveArgs,
    },
    /// End a report's hold.
    Release {
        /// The report's id.
        report: String,
        /// Where it is.
        #[command(flatten)]
        archive: ArchiveArgs,
    },
    /// Submit a report that was made before to a server. The same again changes nothing.
    Submit {
        /// What `strata scan -f json` wrote, or the id of a report in this machine's archive.
        #[arg(value_name = "FILE|REPORT")]
        report: String,
        /// Reference that the image is to be pushed to (repeatable).
        #[arg(long, value_name = "REF")]
        push_ref: Vec<String>,
        /// The server, and where this machine's archive is.
        #[command(flatten)]
        archive: ArchiveArgs,
    },
}

/// What reports are found by.
#[derive(Debug, Clone, Group)]
pub struct SearchArgs {
    /// A finding's identifier or alias.
    #[arg(long, value_name = "ID")]
    pub cve: Option<String>,
    /// Exact name of a package.
    #[arg(long, value_name = "NAME")]
    pub package: Option<String>,
    /// Digest of the image's manifest, as a registry names it; also of one that was pushed after it had been scanned.
    #[arg(long, value_name = "DIGEST")]
    pub digest: Option<String>,
    /// Digest of the image's configuration: the same before and after a push.
    #[arg(long, value_name = "DIGEST")]
    pub image_id: Option<String>,
    /// Part of a reference.
    #[arg(long, value_name = "TEXT")]
    pub reference: Option<String>,
    /// Repository that it was built from (URL, or the end of it), or repository of the image with its host.
    #[arg(long, value_name = "REPOSITORY")]
    pub repo: Option<String>,
    /// Commit that the image was built from, or at least the first seven digits of it.
    #[arg(long, value_name = "COMMIT")]
    pub commit: Option<String>,
    /// Branch that it was built from.
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// Tag of the source that it was built from.
    #[arg(long, value_name = "NAME")]
    pub tag: Option<String>,
    /// Build that it comes from, with or without the attempt or job after the `/`.
    #[arg(long, value_name = "ID")]
    pub build: Option<String>,
    /// Stored on this day (`2026-11-22`) or at this moment (RFC 3339), or later.
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
    /// Stored before this day or moment.
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
    /// At most this many, the newest.
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
}
