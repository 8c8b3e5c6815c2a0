//! Erlang and Elixir: the resource file of each installed application, and Mix's lock file.
//!
//! A resource file is a term `{application, name, [{vsn, "1.2"}, …]}.`; a lock file maps names to terms
//! `{:hex, :name, "1.2", …}`.

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    bytes::find,
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "erlang",
    revision: 1,
    reads: "ebin/*.app, mix.lock",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::SEMVER,
    system: false,
};

fn wants(candidate: Candidate<'_>) -> Want {
    let application = candidate.name.ends_with(".app") && candidate.path.contains("ebin/");
    if application || candidate.name == "mix.lock" { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    if file.path.ends_with("mix.lock") {
        return lock(file, facts);
    }
    match application(file.bytes) {
        Some((name, version)) => facts.package(file, Package::plain(name, version).with("kind", "otp")),
        None => facts.problem("malformed", file, "it is no description of an application with a version"),
    }
}

fn application(bytes: &[u8]) -> Option<(String, String)> {
    let name = after(bytes, b"{application")?.trim_ascii_start().strip_prefix(b",")?.trim_ascii_start();
    let name = name.split(|&byte| byte == b',').next()?.trim_ascii();
    let name = name.strip_prefix(b"'").and_then(|name| name.strip_suffix(b"'")).unwrap_or(name);
    let version = after(bytes, b"{vsn")?.trim_ascii_start().strip_prefix(b",")?.trim_ascii_start();
    let version = version.strip_prefix(b"\"")?.split(|&byte| byte == b'"').next()?;
    let text = |bytes: &[u8]| str::from_utf8(bytes).ok().filter(|text| !text.is_empty()).map(str::to_owned);
    Some((text(name)?, text(version)?))
}

fn after<'a>(bytes: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    bytes.get(find(bytes, needle, 0)?.checked_add(needle.len())?..)
}

fn lock(file: File<'_>, facts: &mut Facts) {
    let Some(text) = facts.text(file) else { return };
    for line in text.lines() {
        let Some((_, term)) = line.split_once("{:hex,") else { continue };
        let mut fields = term.split(',').map(str::trim);
        let name = fields.next().and_then(|name| name.strip_prefix(':')).map(|name| name.trim_matches('"'));
        let version = fields.next().map(|version| version.trim_matches('"'));
        match (name, version) {
            (Some(name), Some(version)) if !name.is_empty() && !version.is_empty() => {
                facts.package(file, Package::plain(name, version));
            }
            _ => facts.problem("malformed", file, "a package without a name or a version"),
        }
    }
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    let kind = if package.properties.contains_key("kind") { "otp" } else { "hex" };
    purl(kind, &[], &package.name, &package.version, &[])
}

fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    AdvisoryKey::plain("Hex", package)
}
