//! Maven coordinates of an archive: from its properties, its manifest, its file name.

use super::known;

/// Group, artifact, version. The group may be unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Coordinates {
    pub(super) group: String,
    pub(super) artifact: String,
    pub(super) version: String,
}

impl Coordinates {
    /// `group:artifact`, as advisories write it; `artifact` alone without a group.
    pub(super) fn name(&self) -> String {
        if self.group.is_empty() {
            self.artifact.clone()
        } else {
            format!("{}:{}", self.group, self.artifact)
        }
    }
}

/// Maven's `pom.properties`. `None` when a coordinate is missing or was never filled in.
pub(super) fn properties(text: &[u8]) -> Option<Coordinates> {
    let text = String::from_utf8_lossy(text);
    let mut values = [const { String::new() }; 3];
    for line in text.lines() {
        let line = line.trim();
        let Some((key, value)) = line.split_once(['=', ':']).filter(|_| !line.starts_with(['#', '!'])) else {
            continue;
        };
        let [group, artifact, version] = &mut values;
        let target = match key.trim() {
            "groupId" => group,
            "artifactId" => artifact,
            "version" => version,
            _ => continue,
        };
        value.trim().clone_into(target);
    }
    let [group, artifact, version] = values;
    let sound = |value: &String| !value.is_empty() && !value.contains("${") && !value.contains([' ', ':']);
    let whole = [&group, &artifact, &version].into_iter().all(sound);
    whole.then_some(Coordinates { group, artifact, version })
}

/// The attributes of a manifest's main section that can tell where an archive comes from.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    attributes: Vec<(String, String)>,
}

impl Manifest {
    /// Reads the main section: `Name: value`, continued on lines that start with a space, ended by an empty line.
    pub(super) fn read(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let mut attributes: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix(' ') {
                if let Some((_, value)) = attributes.last_mut() {
                    value.push_str(rest);
                }
            } else if let Some((name, value)) = line.split_once(':') {
                attributes.push((name.to_ascii_lowercase(), value.trim_start().to_owned()));
            }
        }
        Self { attributes }
    }

    /// The first of the names that has a value, names in lower case.
    fn first(&self, names: &[&str]) -> &str {
        let of = |name: &&str| self.attributes.iter().find(|(known, _)| known == name);
        names
            .iter()
            .filter_map(of)
            .map(|(_, value)| value.trim())
            .find(|value| !value.is_empty())
            .unwrap_or_default()
    }
}

/// What the archive at `path` itself is, where none of its properties says so. `None` when one does, or nothing can be told.
pub(super) fn own(path: &str, poms: &[Coordinates], manifest: &Manifest) -> Option<Coordinates> {
    let name = path.rsplit('/').next()?;
    let (stem, extension) = name.rsplit_once('.')?;
    if poms.iter().any(|pom| names(stem, &pom.artifact)) {
        return None;
    }
    if let Some(plugin) = plugin(extension, manifest) {
        return Some(plugin);
    }
    let (artifact, version) = split(stem);
    let version = if version.is_empty() { manifest_version(manifest) } else { version };
    if version.is_empty() || artifact.is_empty() {
        return None;
    }
    let (group, artifact) = group(artifact, manifest);
    // With properties at hand that are not its own, only a full set of coordinates adds something certain.
    let certain = poms.is_empty() || !group.is_empty() && !poms.iter().any(|pom| pom.artifact == artifact);
    certain.then(|| Coordinates { group, artifact, version: version.to_owned() })
}

/// An archive that nothing names: its file name, and no version.
pub(super) fn unknown(path: &str) -> Coordinates {
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    Coordinates { group: String::new(), artifact: stem.to_owned(), version: String::new() }
}

/// Whether an archive's file name is that of an artifact: `guava`, `guava-29.0-jre`.
fn names(stem: &str, artifact: &str) -> bool {
    stem.strip_prefix(artifact).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '.']))
}

/// `commons-lang3-3.11` is version 3.11 of commons-lang3: the version starts at the first digit after a hyphen.
fn split(stem: &str) -> (&str, &str) {
    let starts = stem.match_indices('-').map(|(at, _)| at);
    for at in starts {
        if let (Some(artifact), Some(version)) = (stem.get(..at), stem.get(at + 1..))
            && version.starts_with(|first: char| first.is_ascii_digit())
        {
            return (artifact, version);
        }
    }
    (stem, "")
}

fn manifest_version(manifest: &Manifest) -> &str {
    let version = manifest.first(&["implementation-version", "bundle-version", "specification-version"]);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
    let version = version.split_whitespace().next().unwrap_or_default();
    if version.bytes().all(plain) && version.starts_with(|first: char| first.is_ascii_digit()) {
        version
    } else {
        ""
    }
}

/// A plugin of Jenkins says all about itself.
fn plugin(extension: &str, manifest: &Manifest) -> Option<Coordinates> {
    if !extension.eq_ignore_ascii_case("jpi") && !extension.eq_ignore_ascii_case("hpi") {
        return None;
    }
    let artifact = manifest.first(&["short-name", "extension-name"]);
    let version = manifest.first(&["plugin-version", "implementation-version"]).split_whitespace().next()?;
    let group = manifest.first(&["group-id"]);
    let sound = !artifact.is_empty() && is_group(group);
    sound.then(|| Coordinates {
        group: group.to_owned(),
        artifact: artifact.to_owned(),
        version: version.to_owned(),
    })
}

/// Group and artifact of an archive that its file name calls `artifact`.
fn group(artifact: &str, manifest: &Manifest) -> (String, String) {
    if let Some(group) = known::group(artifact) {
        return (group.to_owned(), artifact.to_owned());
    }
    // Tomcat's own archives carry no properties, and all but some drop the prefix of their artifacts.
    if manifest.first(&["implementation-title", "specification-title"]) == "Apache Tomcat" {
        let prefix = if artifact.starts_with("tomcat-") { "" } else { "tomcat-" };
        return ("org.apache.tomcat".to_owned(), format!("{prefix}{artifact}"));
    }
    let vendor = manifest.first(&["implementation-vendor-id"]);
    if is_group(vendor) && !UMBRELLAS.contains(&vendor) {
        return (vendor.to_owned(), artifact.to_owned());
    }
    let named = manifest.first(&["bundle-symbolicname", "automatic-module-name"]);
    let named = named.split(';').next().unwrap_or_default().trim();
    // `org.apache.commons.lang3` names the group of `commons-lang3` only if it ends like the artifact.
    let group = [artifact, artifact.rsplit('-').next().unwrap_or_default()]
        .into_iter()
        .find_map(|end| named.strip_suffix(end)?.strip_suffix('.'))
        .unwrap_or_default();
    let group = if is_group(group) && !UMBRELLAS.contains(&group) { group } else { "" };
    (group.to_owned(), artifact.to_owned())
}

/// Organisations that are no group themselves: each of their projects has its own.
const UMBRELLAS: [&str; 7] =
    ["com.google", "com.ibm", "com.oracle", "com.sun", "org.apache", "org.codehaus", "org.eclipse"];

/// A group is a name in dotted lower-case parts; a vendor's title is none.
fn is_group(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    text.contains('.') && text.split('.').all(part)
}
