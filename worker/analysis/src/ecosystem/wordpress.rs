//! WordPress itself, and its plugins and themes, by the headers in their main files.

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "wordpress",
    revision: 1,
    reads: "WordPress: wp-includes/version.php, headers of plugins and themes",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::BITNAMI,
    system: false,
};

const CORE: &str = "wp-includes/version.php";
/// WordPress itself reads no more of a file when it looks for its header.
const HEADER_BYTES: usize = 8 << 10;

/// What an entry may be: its kind, and the name of its directory.
fn kind(path: &str) -> Option<(&'static str, &str)> {
    let (_, inside) = path.rsplit_once("wp-content/")?;
    let mut parts = inside.split('/');
    let (kind, slug, file, end) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
    match kind {
        "plugins" if end.is_none() && file.ends_with(".php") => Some(("plugin", slug)),
        "themes" if end.is_none() && file == "style.css" => Some(("theme", slug)),
        _ => None,
    }
}

fn wants(candidate: Candidate<'_>) -> Want {
    let header = matches!(candidate.name, "style.css" | "version.php") || candidate.name.ends_with(".php");
    let wanted = header && (candidate.path.ends_with(CORE) || kind(candidate.path).is_some());
    if wanted { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let text = String::from_utf8_lossy(file.bytes.get(..HEADER_BYTES).unwrap_or(file.bytes));
    if file.path.ends_with(CORE) {
        match text.lines().find_map(core_version) {
            Some(version) => facts.package(file, Package::plain("wordpress", version).with("kind", "core")),
            None => facts.problem("malformed", file, "it sets no version of WordPress"),
        }
        return;
    }
    let Some((kind, slug)) = kind(file.path) else { return };
    let field = |name: &str| text.lines().find_map(|line| header(line, name));
    // Most files of a plugin have no header: one has.
    let title = field(if kind == "plugin" { "Plugin Name" } else { "Theme Name" });
    if let (Some(title), Some(version)) = (title, field("Version")) {
        facts.package(file, Package::plain(slug, version).with("kind", kind).with("title", title));
    }
}

/// `$wp_version = '6.2.2';`
fn core_version(line: &str) -> Option<&str> {
    let value = line.trim_start().strip_prefix("$wp_version")?.trim_start().strip_prefix('=')?;
    value.split('\'').nth(1).filter(|version| !version.is_empty())
}

/// ` * Version: 1.2` and the like.
fn header<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let line = line.trim_start_matches([' ', '\t', '*', '/', '#', '@']);
    let value = line.strip_prefix(name)?.trim_start().strip_prefix(':')?.trim();
    (!value.is_empty()).then_some(value)
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    let namespace: &[&str] = match package.properties.get("kind").map(String::as_str) {
        Some("plugin") => &["wordpress-plugin"],
        Some("theme") => &["wordpress-theme"],
        _ => &[],
    };
    purl("generic", namespace, &package.name, &package.version, &[])
}

/// Bitnami lists WordPress itself; plugins and themes stand in no ecosystem of OSV.
fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    let core = package.properties.get("kind").is_some_and(|kind| kind == "core");
    if core { AdvisoryKey::plain("Bitnami", package) } else { Vec::new() }
}
