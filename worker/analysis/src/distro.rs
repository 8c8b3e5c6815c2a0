//! The distribution's identity, from os-release and the older release files.
//!
//! What no file names is unknown, and stays so: an `ID` without a release is not completed by guessing.

use std::collections::BTreeMap;

use crate::model::{Distribution, Release};

mod text;

/// Release files in the order in which they are believed: the standard's two, then the older ones, those of derived
/// distributions before those of the distribution that they derive from.
const FILES: &[&str] = &[
    "etc/os-release",
    "usr/lib/os-release",
    "etc/alpine-release",
    "etc/lsb-release",
    "etc/almalinux-release",
    "etc/rocky-release",
    "etc/oracle-release",
    "etc/centos-release",
    "usr/lib/centos-release",
    "etc/fedora-release",
    "usr/lib/fedora-release",
    "etc/mariner-release",
    "etc/photon-release",
    "etc/system-release",
    "usr/lib/system-release",
    "etc/redhat-release",
    "usr/lib/redhat-release",
    "etc/SuSE-release",
    "etc/debian_version",
    "etc/arch-release",
];

/// `ID`s of distributions that have no releases.
const ROLLING: &[&str] =
    &["arch", "archarm", "gentoo", "nixos", "opensuse-tumbleweed", "void", "wolfi", "chainguard", "minimos"];

/// Whether *index* reads this file as a release file: the known paths, and where links of those commonly lead.
pub(crate) fn wants(path: &str, name: &str) -> bool {
    name == "os-release" || path.starts_with("usr/lib/os.release.d/") || FILES.contains(&path)
}

/// Reads a release file of any kind, without judging it.
pub(crate) fn read(path: &str, bytes: &[u8]) -> Release {
    let text = String::from_utf8_lossy(bytes.get(..MAX_BYTES).unwrap_or(bytes));
    let name = path.rsplit('/').next().unwrap_or_default();
    let fields = if name.starts_with("os-release") || name == "lsb-release" || path.contains("/os.release.d/")
    {
        let mut fields = text::assignments(&text);
        fields.retain(|key, value| FIELDS.contains(&key.as_str()) && value.len() <= MAX_FIELD);
        fields
    } else {
        let line = text.lines().next().unwrap_or_default().trim();
        BTreeMap::from([("TEXT".to_owned(), if line.len() <= MAX_FIELD { line } else { "" }.to_owned())])
    };
    Release { path: path.to_owned(), fields }
}

/// The fields that are kept: what tells a distribution and its release. Whatever else an image's builder put into the file
/// stays there.
const FIELDS: &[&str] = &[
    "CPE_NAME",
    "DISTRIB_CODENAME",
    "DISTRIB_DESCRIPTION",
    "DISTRIB_ID",
    "DISTRIB_RELEASE",
    "ID",
    "ID_LIKE",
    "PLATFORM_ID",
    "PRETTY_NAME",
    "VARIANT_ID",
    "VERSION",
    "VERSION_CODENAME",
    "VERSION_ID",
];

/// No field is longer.
const MAX_FIELD: usize = 1_024;

/// No release file is longer.
const MAX_BYTES: usize = 64 << 10;

/// What the release files of an image say, and why that may not be enough.
pub(crate) enum Identity {
    /// Identified.
    Known(Distribution),
    /// A file names a distribution, but no release of it; or it does not name one.
    Incomplete(String),
    /// There is no release file.
    Absent,
}

/// Decides: the first file that names a distribution and its release. `find` gives what stands at a path, links followed.
pub(crate) fn identify<'a>(find: impl Fn(&str) -> Option<&'a Release>) -> Identity {
    let mut reason = None;
    for path in FILES {
        let Some(release) = find(path) else { continue };
        match judge(path, &release.fields) {
            Ok(distribution) => return Identity::Known(distribution),
            Err(why) => {
                reason.get_or_insert(why);
            }
        }
    }
    reason.map_or(Identity::Absent, Identity::Incomplete)
}

fn judge(path: &str, fields: &BTreeMap<String, String>) -> Result<Distribution, String> {
    let get = |key: &str| fields.get(key).map_or("", String::as_str);
    let (id, version, title) = match path {
        "etc/os-release" | "usr/lib/os-release" => {
            (get("ID").to_lowercase(), get("VERSION_ID").to_owned(), get("PRETTY_NAME").to_owned())
        }
        "etc/lsb-release" => (
            get("DISTRIB_ID").to_lowercase(),
            get("DISTRIB_RELEASE").to_owned(),
            get("DISTRIB_DESCRIPTION").to_owned(),
        ),
        _ => text::release(path, get("TEXT")),
    };
    if id.is_empty() {
        return Err(format!("{path} names no distribution"));
    }
    let named = !version.is_empty() || !get("VERSION_CODENAME").is_empty() || ROLLING.contains(&id.as_str());
    if !named {
        return Err(format!("{path} names {id}, but no release of it"));
    }
    Ok(Distribution { id, version, title, fields: fields.clone() })
}

#[cfg(test)]
mod tests;
