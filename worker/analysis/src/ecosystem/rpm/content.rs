//! What Red Hat's build system leaves in an image about its origin: from which repositories the packages are (content
//! manifests), which product it is (`labels.json`), and which build (`Dockerfile-*`).

use serde::Deserialize;

use super::{Facts, File, dockerfile};
use crate::json;

const DIRECTORIES: [&str; 2] = ["root/buildinfo/", "usr/share/buildinfo/"];
const MANIFESTS: [&str; 2] = ["root/buildinfo/content_manifests/", "usr/share/buildinfo/"];
const LABELS: &str = "labels.json";

/// The note of the repositories, by their identifiers: `rhel-8-for-x86_64-appstream-rpms`.
const SETS: &str = "content-sets";
/// The note of the product: `cpe:/a:redhat:openshift:4.16::el9`.
const PRODUCT: &str = "cpe";
/// The note of the build: name, version and release, then the architecture.
const BUILD: &str = "build";

/// Repositories or products that count: an image has a dozen.
const MAX: usize = 256;
/// Bytes of one name.
const NAME_BYTES: usize = 256;

/// The streams of longer support: each is a product of its own for each minor release.
const STREAMS: &[&str] = &["aus", "e4s", "eus", "tus"];

#[derive(Deserialize)]
struct Manifest {
    #[serde(default, deserialize_with = "json::list")]
    content_sets: Vec<String>,
}

#[derive(Deserialize)]
struct Labels {
    #[serde(default)]
    cpe: String,
}

enum Kind {
    Manifest,
    Labels,
    Dockerfile,
}

fn kind(path: &str) -> Option<Kind> {
    let (_, name) = path.rsplit_once('/')?;
    let within =
        |directories: &[&str]| directories.iter().any(|directory| path.strip_prefix(directory) == Some(name));
    if name == LABELS {
        within(&DIRECTORIES).then_some(Kind::Labels)
    } else if name.ends_with(".json") {
        within(&MANIFESTS).then_some(Kind::Manifest)
    } else {
        (name.starts_with("Dockerfile-") && within(&DIRECTORIES)).then_some(Kind::Dockerfile)
    }
}

/// Whether a path is such a file.
pub(super) fn wants(path: &str) -> bool {
    kind(path).is_some()
}

/// Notes what the file says.
pub(super) fn parse(file: File<'_>, facts: &mut Facts) {
    match kind(file.path) {
        Some(Kind::Manifest) => {
            let Some(mut manifest) = json::read::<Manifest>(file, "malformed", facts) else { return };
            let named = manifest.content_sets.len();
            manifest.content_sets.retain(|name| name.len() <= NAME_BYTES);
            manifest.content_sets.truncate(MAX);
            if manifest.content_sets.len() < named {
                let message = format!("names more than {MAX} repositories, or very long names");
                facts.problem("limit", file, message);
            }
            if !manifest.content_sets.is_empty() {
                facts.notes.insert(SETS.to_owned(), manifest.content_sets.join(" "));
            }
        }
        Some(Kind::Labels) => {
            let Some(labels) = json::read::<Labels>(file, "malformed", facts) else { return };
            // Some builds keep the quotes of the Dockerfile.
            let cpe = labels.cpe.trim_matches('"');
            if !cpe.is_empty() && cpe.len() <= NAME_BYTES {
                facts.notes.insert(PRODUCT.to_owned(), cpe.to_owned());
            }
        }
        Some(Kind::Dockerfile) => {
            if let Some(build) = dockerfile::build(file) {
                facts.notes.insert(BUILD.to_owned(), build);
            }
        }
        None => {}
    }
}

/// OSV's ecosystems of the products whose packages the image may have beside those of the distribution itself, which
/// every subscription carries: OSV ends an ecosystem as the product's CPE does.
pub(super) fn ecosystems(fields: &std::collections::BTreeMap<String, String>) -> Vec<String> {
    let note = |key: &str| fields.get(key).map_or("", String::as_str);
    let streams = note(SETS).split_whitespace().take(MAX).filter_map(|set| stream(set, note("VERSION_ID")));
    let products = note(PRODUCT).split_whitespace().take(MAX).filter_map(|cpe| {
        let product = cpe.strip_prefix("cpe:/a:redhat:").or_else(|| cpe.strip_prefix("cpe:/o:redhat:"))?;
        // The distribution's own repositories are asked anyway.
        (!product.starts_with("enterprise_linux:")).then(|| format!("Red Hat:{product}"))
    });
    let mut ecosystems: Vec<String> = streams.chain(products).collect();
    ecosystems.sort_unstable();
    ecosystems.dedup();
    ecosystems
}

/// `rhel-8-for-x86_64-appstream-eus-rpms__8_DOT_6` is `rhel_eus:8.6::appstream`, and `rhel-7-server-aus-rpms__7_DOT_6__x86_64`
/// is `rhel_aus:7.6::server`. A set that does not name the minor release is of the image's own.
fn stream(set: &str, release: &str) -> Option<String> {
    let (repository, end) = set.split_once("-rpms")?;
    let named =
        end.strip_prefix("__").map(|end| end.split("__").next().unwrap_or_default().replace("_DOT_", "."));
    let release = if end.is_empty() { release.to_owned() } else { named? };
    let (major, minor) = release.split_once('.')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (start, stream) = repository.rsplit_once('-')?;
    let (of, name) = start.strip_prefix("rhel-")?.split_once('-')?;
    let name = match name.strip_prefix("for-") {
        Some(rest) => rest.split_once('-')?.1,
        None => name,
    };
    (of == major && number(major) && number(minor) && STREAMS.contains(&stream))
        .then(|| format!("Red Hat:rhel_{stream}:{release}::{name}"))
}

#[cfg(test)]
mod tests {
    use super::{ecosystems, stream, wants};

    #[test]
    fn paths() {
        for (path, expected) in [
            ("root/buildinfo/content_manifests/ubi8-container-8.5-1.json", true),
            ("usr/share/buildinfo/content-sets.json", true),
            ("root/buildinfo/labels.json", true),
            ("usr/share/buildinfo/labels.json", true),
            ("root/buildinfo/Dockerfile-ubi8-8.5-1", true),
            ("root/buildinfo/other.json", false),
            ("root/buildinfo/content_manifests/deeper/a.json", false),
            ("root/buildinfo/Dockerfile", false),
            ("home/root/buildinfo/labels.json", false),
            ("labels.json", false),
        ] {
            assert_eq!(wants(path), expected, "{path}");
        }
    }

    #[test]
    fn streams_of_longer_support() {
        for (set, expected) in [
            ("rhel-8-for-x86_64-appstream-eus-rpms__8_DOT_6", Some("Red Hat:rhel_eus:8.6::appstream")),
            ("rhel-9-for-aarch64-baseos-e4s-rpms__9_DOT_2", Some("Red Hat:rhel_e4s:9.2::baseos")),
            ("rhel-7-server-aus-rpms__7_DOT_6__x86_64", Some("Red Hat:rhel_aus:7.6::server")),
            ("rhel-8-for-x86_64-baseos-tus-rpms", Some("Red Hat:rhel_tus:8.4::baseos")),
            ("rhel-9-for-x86_64-baseos-eus-rpms", None),
            ("rhel-8-for-x86_64-appstream-rpms", None),
            ("rhel-8-for-x86_64-appstream-rpms__8_DOT_6", None),
            ("rhel-8-for-x86_64-appstream-eus-rpms__8", None),
            ("rhel-8-for-x86_64-appstream-eus-rpms__8_DOT_x", None),
            ("", None),
        ] {
            assert_eq!(stream(set, "8.4").as_deref(), expected, "{set}");
        }
    }

    #[test]
    fn products_are_asked_beside_the_distribution() {
        let fields = [
            ("content-sets".to_owned(), "rhel-8-for-x86_64-baseos-aus-rpms__8_DOT_2 x\nx".to_owned()),
            (
                "cpe".to_owned(),
                "cpe:/a:redhat:openshift:4.16::el9\ncpe:/a:redhat:enterprise_linux:9::appstream\nnone"
                    .to_owned(),
            ),
        ];
        let expected = ["Red Hat:openshift:4.16::el9", "Red Hat:rhel_aus:8.2::baseos"];
        assert_eq!(ecosystems(&fields.into()), expected);
    }
}
