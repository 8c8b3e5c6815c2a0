//! The cases of `testdata/squash/*.txt`: layers as lists of entries, then what their squash must say. Their grammar is
//! `layer_entry` and `expectation` below; a new case needs no Rust.

use std::{fmt::Write as _, fs, path::Path};

use proptest::prelude::*;

use super::squash;
use crate::{
    model::{Contents, FileFacts, Inventory, Link, Package},
    testing::{Archive, indexed},
};

#[test]
fn every_case_gives_what_it_expects() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/squash");
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let (layers, expected) = text.split_once("\nexpect\n").unwrap();
        let inventories: Vec<Inventory> =
            layers.split("layer\n").skip(1).map(|layer| indexed(&archive(layer)).unwrap()).collect();
        let contents = squash(&inventories.iter().collect::<Vec<_>>());
        let mut expected: Vec<&str> = expected.lines().filter(|line| !line.is_empty()).collect();
        expected.sort_unstable();
        assert_eq!(described(&contents), expected, "{}", path.display());
        count += 1;
    }
    assert!(count >= 20, "only {count} cases were found");
}

/// The entries of one layer, a line each.
fn archive(layer: &str) -> Vec<u8> {
    let mut archive = Archive::default();
    for line in layer.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        archive = layer_entry(archive, &line.split_whitespace().collect::<Vec<_>>());
    }
    archive.end()
}

fn layer_entry(archive: Archive, words: &[&str]) -> Archive {
    match words {
        // What follows the end of an archive is not part of it.
        ["end"] => Archive { bytes: archive.end() },
        ["gnu", path, entry @ ..] => {
            let name = format!("{path}\0");
            let archive = archive.entry(b'L', b"././@LongLink", "", 0o644, name.as_bytes());
            archive.entry(b'0', path.as_bytes(), "", 0o644, &special(entry))
        }
        ["pax", path, entry @ ..] => {
            archive.pax(&[("path", path)]).entry(b'0', b"cut", "", 0o644, &special(entry))
        }
        ["raw", path, entry @ ..] => archive.entry(b'0', &unescaped(path), "", 0o644, &special(entry)),
        ["file", path, content @ ..] => archive.file(path, content.join(" ")),
        ["program", path, content @ ..] => archive.program(path, content.join(" ")),
        ["dir", path] => archive.directory(path),
        ["link", path, target] => archive.symlink(path, target),
        ["hard", path, target] => archive.hard_link(path, target),
        ["os-release", path, id, version] => archive.file(path, format!("ID={id}\nVERSION_ID={version}\n")),
        ["npm", path, name, version] => {
            archive.file(path, format!(r#"{{"name":"{name}","version":"{version}"}}"#))
        }
        ["python", path, name, version] => {
            archive.file(path, format!("Name: {name}\nVersion: {version}\n\n"))
        }
        ["dpkg", path, packages @ ..] => archive.file(path, status(packages)),
        ["apk", path, lines @ ..] => archive.file(path, lines.join("\n").replace('|', "\n") + "\n\n"),
        ["list", path, owned @ ..] => archive.file(path, owned.join("\n") + "\n"),
        _ => panic!("no entry: {words:?}"),
    }
}

/// The content of an entry whose name is written in a special way.
fn special(words: &[&str]) -> Vec<u8> {
    match words {
        ["npm", name, version] => format!(r#"{{"name":"{name}","version":"{version}"}}"#).into_bytes(),
        ["file"] => Vec::new(),
        _ => panic!("no content: {words:?}"),
    }
}

/// Bytes of a name in which `\xNN` stands for a byte.
fn unescaped(name: &str) -> Vec<u8> {
    let mut parts = name.split("\\x");
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

/// Stanzas for `name=version`, or `name=version=maintainer@domain`.
fn status(packages: &[&str]) -> String {
    let mut text = String::new();
    for package in packages {
        let mut fields = package.split('=');
        let (name, version) = (fields.next().unwrap(), fields.next().unwrap());
        let maintainer = fields.next().unwrap_or("someone@debian.org");
        write!(text, "Package: {name}\nStatus: install ok installed\nMaintainer: X <{maintainer}>\n")
            .unwrap();
        write!(text, "Architecture: amd64\nVersion: {version}\n\n").unwrap();
    }
    text
}

/// What a case can expect: the distribution and the notes on it, packages with the layer that brought them, problems with theirs.
fn described(contents: &Contents) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(distribution) = &contents.distribution {
        lines.push(format!("distribution {} {}", distribution.id, distribution.version));
        // What the rows note beside the fields of the release file, whose names are upper case.
        let notes = distribution
            .fields
            .iter()
            .filter(|(key, _)| key.starts_with(|letter: char| letter.is_lowercase()));
        lines.extend(notes.map(|(key, note)| format!("note {key} {note}")));
    }
    for installed in &contents.packages {
        let Package { name, version, .. } = &installed.package;
        lines
            .push(format!("{} {name} {version} {} {}", installed.ecosystem, installed.file, installed.layer));
    }
    for (problem, layer) in &contents.problems {
        let layer = layer.map_or_else(|| "-".to_owned(), |layer| layer.to_string());
        lines.push(format!("problem {} {layer} {}", problem.code, problem.file).trim_end().to_owned());
    }
    lines.sort_unstable();
    lines
}

/// A few paths that meet: directories, files and links of the same names.
fn path() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a/package.json",
        "a/b/package.json",
        "a/b",
        "a",
        "b/package.json",
        "b",
        "lib/apk/db/installed",
        "lib",
        "usr/lib/apk/db/installed",
        "etc/os-release",
        "usr/lib/os-release",
    ])
    .prop_map(str::to_owned)
}

fn inventory() -> impl Strategy<Value = Inventory> {
    let entry = (path(), 0..7_u8, 0..3_u8, path());
    prop::collection::vec(entry, 0..6).prop_map(|entries| {
        let mut archive = Archive::default();
        for (path, kind, number, other) in entries {
            let name = path.rsplit('/').next().unwrap();
            let parent = path.strip_suffix(name).unwrap();
            archive = match kind {
                0 => archive.file(&format!("{parent}.wh.{name}"), ""),
                1 => archive.file(&format!("{path}/.wh..wh..opq"), ""),
                2 => archive.symlink(&path, &format!("/{other}")),
                3 => archive.hard_link(&path, &other),
                4 => archive.directory(&path),
                _ => archive.file(&path, content(&path, number)),
            };
        }
        indexed(&archive.end()).unwrap()
    })
}

fn content(path: &str, number: u8) -> String {
    match path.rsplit('/').next().unwrap() {
        "package.json" => format!(r#"{{"name":"p{number}","version":"1"}}"#),
        "installed" => format!("P:p{number}\nV:1\n\n"),
        _ => format!("ID=x{number}\nVERSION_ID=1\n"),
    }
}

proptest! {
    /// An empty layer anywhere changes nothing but the numbers of the layers above it.
    #[test]
    fn an_empty_layer_changes_nothing(layers in prop::collection::vec(inventory(), 0..4), at in 0..4_usize) {
        let empty = Inventory::default();
        let mut with: Vec<&Inventory> = layers.iter().collect();
        let at = at.min(with.len());
        let mut without = squash(&with);
        with.insert(at, &empty);
        for layer in without.packages.iter_mut().map(|package| &mut package.layer) {
            *layer += usize::from(*layer >= at);
        }
        for layer in without.problems.iter_mut().filter_map(|(_, layer)| layer.as_mut()) {
            *layer += usize::from(*layer >= at);
        }
        prop_assert_eq!(squash(&with), without);
    }

    /// The same layer again on top neither adds nor removes a package, unless it deletes or links what was below.
    #[test]
    fn a_layer_twice_is_a_layer_once(mut layer in inventory()) {
        layer.whiteouts.clear();
        layer.opaques.clear();
        layer.links.clear();
        let once = squash(&[&layer]);
        let twice = squash(&[&layer, &layer]);
        prop_assert_eq!(once.packages, twice.packages);
        prop_assert_eq!(once.distribution, twice.distribution);
    }

    /// Deleting what is not there changes nothing.
    #[test]
    fn deleting_the_absent_changes_nothing(layers in prop::collection::vec(inventory(), 1..4)) {
        let deletion = Inventory {
            whiteouts: vec!["nothing".to_owned(), "a/b/c/d".to_owned()],
            opaques: vec!["no/thing".to_owned()],
            ..Inventory::default()
        };
        let mut all: Vec<&Inventory> = layers.iter().collect();
        let before = squash(&all);
        all.push(&deletion);
        prop_assert_eq!(squash(&all), before);
    }

    /// Deleting everything leaves nothing.
    #[test]
    fn deleting_the_root_leaves_nothing(layers in prop::collection::vec(inventory(), 1..4)) {
        let deletion = Inventory { opaques: vec![String::new()], ..Inventory::default() };
        let mut all: Vec<&Inventory> = layers.iter().collect();
        all.push(&deletion);
        let contents = squash(&all);
        prop_assert!(contents.packages.is_empty());
        prop_assert!(contents.distribution.is_none());
    }

    /// Every package stands in a layer that names it at that path, unless a link stands there.
    #[test]
    fn packages_come_from_their_layers(layers in prop::collection::vec(inventory(), 1..5)) {
        let linked = |path: &str| layers.iter().flat_map(|layer| &layer.links).any(|link: &Link| link.path == path);
        for installed in squash(&layers.iter().collect::<Vec<_>>()).packages {
            let names = |facts: &FileFacts| facts.path == installed.file && facts.packages.contains(&installed.package);
            prop_assert!(linked(&installed.file) || layers[installed.layer].files.iter().any(names), "{:?}", installed);
        }
    }
}
