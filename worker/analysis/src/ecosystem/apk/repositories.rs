//! The repositories from which an image takes its packages (apk-repositories(5)): which release's advisories answer for
//! them. An image that was built on one release and then pointed at another has packages of the other, whatever its
//! os-release says.

use super::{Facts, File};

/// The note under which the repositories reach the distribution: `[@TAG ]RELEASE/COMPONENT`, one a line.
pub(super) const NOTE: &str = "repositories";

/// Repositories that count, of one file and of an image; there are three for each release.
const MAX: usize = 256;

/// Whether a path is a list of repositories.
pub(super) fn wants(path: &str) -> bool {
    let listed = |directory: &str| {
        path.strip_prefix(directory).is_some_and(|name| name.ends_with(".list") && !name.contains('/'))
    };
    path == "etc/apk/repositories"
        || ["etc/apk/repositories.d/", "lib/apk/repositories.d/", "usr/lib/apk/repositories.d/"]
            .into_iter()
            .any(listed)
}

/// Notes the distribution's own repositories; others (a vendor's, a directory) have no releases.
pub(super) fn parse(file: File<'_>, facts: &mut Facts) {
    let Some(text) = facts.text(file) else { return };
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().flat_map(repositories) {
        if lines.len() == MAX {
            facts.problem("limit", file, format!("names more than {MAX} repositories"));
            break;
        }
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    if lines.is_empty() {
        return;
    }
    let note = lines.join("\n");
    let mut releases: Vec<&str> =
        entries(&note).filter(|entry| entry.has_advisories("")).map(|entry| entry.release).collect();
    releases.sort_unstable();
    releases.dedup();
    if releases.len() > 1 {
        let message =
            format!("mixes releases ({}): it is unknown which one a package is from", releases.join(", "));
        facts.problem("mixed-releases", file, message);
    }
    facts.notes.insert(NOTE.to_owned(), note);
}

/// The repositories of one line: `[ndx|v2|v3] [@tag] url [component…]`.
fn repositories(line: &str) -> Vec<String> {
    let mut words = line.split_whitespace().peekable();
    if words.peek().is_some_and(|word| word.starts_with('#') || *word == "set") {
        return Vec::new();
    }
    words.next_if(|word| matches!(*word, "ndx" | "v2" | "v3"));
    let tag = words.next_if(|word| word.starts_with('@'));
    let Some(url) = words.next() else { return Vec::new() };
    let mut path = url.split('/').skip_while(|part| !is_release(part));
    let Some(release) = path.next() else { return Vec::new() };
    let components: Vec<&str> = match path.find(|part| !part.is_empty()) {
        Some(component) => vec![component],
        None => words.collect(),
    };
    let own = components.into_iter().filter(|name| matches!(*name, "main" | "community" | "testing"));
    let start = tag.map_or_else(String::new, |tag| format!("{tag} "));
    own.map(|component| format!("{start}{release}/{component}")).collect()
}

/// `edge`, or `v` and two numbers. `latest-stable` moves: which release it was, no file says.
fn is_release(part: &str) -> bool {
    part == "edge" || numbers(part).is_some()
}

fn numbers(release: &str) -> Option<(u32, u32)> {
    let (major, minor) = release.strip_prefix('v')?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

struct Entry<'a> {
    /// With its `@`; empty for a repository that is used by default.
    tag: &'a str,
    release: &'a str,
    component: &'a str,
}

impl Entry<'_> {
    /// Whether packages may be from here whose flaws are published: those in `testing` have no security database.
    fn has_advisories(&self, tag: &str) -> bool {
        self.tag == tag && self.component != "testing"
    }
}

fn entries(note: &str) -> impl Iterator<Item = Entry<'_>> {
    note.lines().take(MAX).filter_map(|line| {
        let (tag, repository) = line.split_once(' ').unwrap_or(("", line));
        let (release, component) = repository.split_once('/')?;
        Some(Entry { tag, release, component })
    })
}

/// The release of the package's repository: of the tagged one that it is pinned to, else of those that are used by default.
///
/// Of several releases the newest counts, since apk installs the newest version that it finds; but of those that have the
/// repository `main`, where there is one: everything rests on it.
pub(super) fn release<'a>(note: &'a str, tag: Option<&str>) -> Option<&'a str> {
    let tag = tag.map_or_else(String::new, |tag| format!("@{}", tag.trim_start_matches('@')));
    let newest = |wanted: &dyn Fn(&Entry<'_>) -> bool| {
        entries(note)
            .filter(wanted)
            .map(|entry| entry.release)
            .max_by_key(|release| (*release == "edge", numbers(release)))
    };
    if !tag.is_empty() {
        return newest(&|entry| entry.tag == tag);
    }
    newest(&|entry| entry.has_advisories("") && entry.component == "main")
        .or_else(|| newest(&|entry| entry.has_advisories("")))
}

#[cfg(test)]
mod tests {
    use super::{release, repositories};

    #[test]
    fn lines() {
        for (line, expected) in [
            ("https://mirror.example/alpine/v3.18/main", &["v3.18/main"][..]),
            ("  ftp://mirror.example/a/b/edge/community/ ", &["edge/community"]),
            ("@edge http://mirror.example/alpine/edge/main", &["@edge edge/main"]),
            (
                "v3 @new http://mirror.example/alpine/v3.22 main community x",
                &["@new v3.22/main", "@new v3.22/community"],
            ),
            ("ndx http://mirror.example/alpine/edge/main/x86_64/APKINDEX.tar.gz", &["edge/main"]),
            ("# https://mirror.example/alpine/v3.18/main", &[]),
            ("set mirror=https://mirror.example/alpine/v3.18/main", &[]),
            ("https://mirror.example/alpine/latest-stable/main", &[]),
            ("https://packages.example/os", &[]),
            ("/media/cdrom/apks", &[]),
            ("@lonely", &[]),
            ("v3", &[]),
            ("", &[]),
        ] {
            assert_eq!(repositories(line), expected, "{line}");
        }
    }

    #[test]
    fn which_release_counts() {
        for (note, tag, expected) in [
            ("v3.18/main\nv3.18/community", None, Some("v3.18")),
            ("v3.9/main\nv3.10/main", None, Some("v3.10")),
            ("v3.18/main\nedge/main", None, Some("edge")),
            ("v3.18/main\nedge/community", None, Some("v3.18")),
            ("edge/community", None, Some("edge")),
            ("v3.18/main\nedge/testing", None, Some("v3.18")),
            ("edge/testing", None, None),
            ("v3.18/main\n@new edge/testing", Some("new"), Some("edge")),
            ("v3.18/main\n@new edge/main", Some("@new"), Some("edge")),
            ("v3.18/main\n@new edge/main", Some("other"), None),
            ("v3.18/main\n@new edge/main", None, Some("v3.18")),
            ("", None, None),
        ] {
            assert_eq!(release(note, tag), expected, "{note} {tag:?}");
        }
    }
}
