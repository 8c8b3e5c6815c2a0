//! What Strata knows of each distribution that uses rpm: how package URLs and advisories name it.

use super::content;
use crate::{
    ecosystem::AdvisoryKey,
    model::{Distribution, Package},
};

/// One distribution.
pub(super) struct Row {
    /// `ID` of os-release.
    id: &'static str,
    /// Namespace in package URLs.
    pub(super) namespace: &'static str,
    /// OSV's ecosystems of the release; empty where OSV has none.
    ecosystems: fn(&Distribution) -> Vec<String>,
    /// Whether its advisories name source packages.
    by_source: bool,
}

const fn row(
    id: &'static str,
    namespace: &'static str,
    ecosystems: fn(&Distribution) -> Vec<String>,
    by_source: bool,
) -> Row {
    Row { id, namespace, ecosystems, by_source }
}

const TABLE: &[Row] = &[
    row("almalinux", "almalinux", |distribution| release("AlmaLinux:", major(distribution)), false),
    row("amzn", "amazon", amazon, false),
    row("azurelinux", "azurelinux", |distribution| release("Azure Linux:", major(distribution)), true),
    row("centos", "centos", red_hat, false),
    row("fedora", "fedora", |_| Vec::new(), false),
    row("mageia", "mageia", |distribution| release("Mageia:", major(distribution)), true),
    row("mariner", "mariner", |distribution| release("Azure Linux:", major(distribution)), true),
    row("ol", "oracle", |distribution| release("Oracle Linux:", major(distribution)), false),
    row("openeuler", "openeuler", open_euler, true),
    row("opensuse", "opensuse", leap, true),
    row("opensuse-leap", "opensuse", leap, true),
    row("opensuse-tumbleweed", "opensuse", |_| vec!["openSUSE:Tumbleweed".to_owned()], true),
    row("photon", "photon", |distribution| release("Photon OS:", &distribution.version), true),
    row("rhel", "redhat", red_hat, false),
    row("rocky", "rocky", |distribution| release("Rocky Linux:", major(distribution)), true),
    row("sl-micro", "suse", micro, true),
    row("sle-micro", "suse", micro, true),
    row("sled", "suse", suse, true),
    row("sles", "suse", suse, true),
    row("sles_sap", "suse", suse, true),
];

/// Repositories of Red Hat Enterprise Linux that one subscription carries, as OSV's ecosystems end; the paid streams of
/// longer support (`rhel_eus`, `rhel_aus`) are products of their own, asked where a content manifest names them.
const RED_HAT: &[&str] = &[
    "::baseos",
    "::appstream",
    "::crb",
    "::highavailability",
    "::nfv",
    "::realtime",
    "::resilientstorage",
    "::sap",
    "::sap_hana",
    "::supplementary",
];
/// The same of release 7 and older, by kind of machine.
const RED_HAT_OLD: &[&str] = &["::server", "::client", "::workstation", "::computenode"];

/// Modules of SUSE Linux Enterprise 15 that images get packages from.
const SUSE: &[&str] = &[
    "Module for Basesystem",
    "Module for Server Applications",
    "Module for Development Tools",
    "Module for Web and Scripting",
    "Module for Python 3",
    "Module for Containers",
    "Module for Desktop Applications",
    "Module for Legacy",
    "Module for Package Hub",
    "Module for Public Cloud",
    "Module for Certifications",
    "Server",
];

/// The distribution's row.
pub(super) fn find(distribution: &Distribution) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.id.eq_ignore_ascii_case(&distribution.id))
}

impl Row {
    /// Where OSV lists the package.
    pub(super) fn keys(&self, package: &Package, distribution: &Distribution) -> Vec<AdvisoryKey> {
        let or = |first: &String, second: &String| {
            if self.by_source && !first.is_empty() { first.clone() } else { second.clone() }
        };
        let name = or(&package.source_name, &package.name);
        let version = or(&package.source_version, &package.version);
        let key = |ecosystem| AdvisoryKey { ecosystem, name: name.clone(), version: version.clone() };
        (self.ecosystems)(distribution).into_iter().map(key).collect()
    }
}

fn release(prefix: &str, version: &str) -> Vec<String> {
    if version.is_empty() { Vec::new() } else { vec![format!("{prefix}{version}")] }
}

/// `8` of `8.4`.
fn major(distribution: &Distribution) -> &str {
    distribution.version.split('.').next().unwrap_or_default()
}

/// From 10 on the ecosystem carries the minor release and no repository.
fn red_hat(distribution: &Distribution) -> Vec<String> {
    let major = major(distribution);
    let suffixes = match major.parse::<u32>() {
        Ok(..=7) => RED_HAT_OLD,
        Ok(8..=9) => RED_HAT,
        Ok(_) => &[""],
        Err(_) => return Vec::new(),
    };
    let mut ecosystems: Vec<String> =
        suffixes.iter().map(|suffix| format!("Red Hat:enterprise_linux:{major}{suffix}")).collect();
    if major != distribution.version {
        ecosystems.push(format!("Red Hat:enterprise_linux:{}", distribution.version));
    }
    ecosystems.extend(content::ecosystems(&distribution.fields));
    ecosystems
}

/// Release 1 is numbered by its year and month: `2018.03`.
fn amazon(distribution: &Distribution) -> Vec<String> {
    let old = distribution.version.split_once('.').is_some_and(|(year, _)| year.len() == 4)
        && !distribution.version.starts_with("2022.")
        && !distribution.version.starts_with("2023.");
    release("Amazon Linux:", if old { "1" } else { major(distribution) })
}

fn leap(distribution: &Distribution) -> Vec<String> {
    release("openSUSE:Leap ", &distribution.version)
}

/// `15.5` is service pack 5 of 15; every module of a service pack is an ecosystem of its own. From 16 on there are minor
/// releases instead.
fn suse(distribution: &Distribution) -> Vec<String> {
    let (version, pack) = distribution.version.split_once('.').unwrap_or((&distribution.version, ""));
    let Ok(number) = version.parse::<u32>() else { return Vec::new() };
    if number >= 16 {
        return release("SUSE:Linux Enterprise Server ", &distribution.version);
    }
    let release = match pack {
        "" | "0" => version.to_owned(),
        pack => format!("{version} SP{pack}"),
    };
    let products: &[&str] = if number >= 15 { SUSE } else { &["Server"] };
    products.iter().map(|product| format!("SUSE:Linux Enterprise {product} {release}")).collect()
}

fn micro(distribution: &Distribution) -> Vec<String> {
    release("SUSE:Linux Enterprise Micro ", &distribution.version)
}

/// `VERSION` is `22.03 (LTS-SP3)`; OSV writes `openEuler:22.03-LTS-SP3`.
fn open_euler(distribution: &Distribution) -> Vec<String> {
    let title = distribution.fields.get("VERSION").map_or("", String::as_str);
    let suffix = title.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(suffix, _)| suffix);
    match suffix {
        Some(suffix) => release("openEuler:", &format!("{}-{suffix}", distribution.version)),
        None => release("openEuler:", &distribution.version),
    }
}
