//! The shared fixtures: real databases and layers whose contents are known from elsewhere. Skipped where they are not there.

use std::{collections::BTreeSet, fs, io::Read as _, path::PathBuf};

use serde_json::Value;

use super::{Archive, entries, fixture, indexed};
use crate::{
    layer::LayerError,
    model::{Contents, Inventory},
    squash::squash,
};

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// `name version source source-version` as native tools say it: a source that is not named is the package itself.
fn with_sources(contents: &Contents) -> BTreeSet<String> {
    let or = |value: &str, other: &str| if value.is_empty() { other.to_owned() } else { value.to_owned() };
    let line = |installed: &crate::model::Installed| {
        let package = &installed.package;
        let source = or(&package.source_name, &package.name);
        let source_version = or(&package.source_version, &package.version);
        format!("{} {} {} {source} {source_version}", package.name, package.version, package.architecture)
    };
    contents.packages.iter().map(line).collect()
}

/// The same of an expected list of packages in JSON.
fn expected(packages: &Value) -> BTreeSet<String> {
    let text = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let line = |package: &Value| {
        ["Name", "Version", "Arch", "SrcName", "SrcVersion"].map(|key| text(package, key)).join(" ")
    };
    packages.as_array().unwrap().iter().map(line).collect()
}

fn one_file(path: &str, content: &[u8]) -> Contents {
    squash(&[&indexed(&Archive::default().file(path, content).end()).unwrap()])
}

/// The layers of a docker-archive, lowest first.
fn layers(archive: &[u8]) -> Vec<Inventory> {
    let entries = entries(archive);
    let content = |name: &str| entries.iter().find(|(entry, _)| entry == name).unwrap().1;
    let manifest: Value = serde_json::from_slice(content("manifest.json")).unwrap();
    let names = manifest[0]["Layers"].as_array().unwrap();
    names.iter().map(|name| indexed(content(name.as_str().unwrap())).unwrap()).collect()
}

#[test]
fn alpine_has_its_14_packages() {
    let (Some(image), Some(list)) =
        (fixture("images/alpine-3.10.tar.gz"), fixture("expected/alpine-3.10.packages.json"))
    else {
        return;
    };
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(&*fs::read(image).unwrap()).read_to_end(&mut tar).unwrap();
    let layers = layers(&tar);
    let contents = squash(&layers.iter().collect::<Vec<_>>());
    assert_eq!(contents.packages.len(), 14);
    assert_eq!(with_sources(&contents), expected(&json(list)));
    assert!(contents.problems.is_empty(), "{:?}", contents.problems);
    let distribution = contents.distribution.unwrap();
    assert_eq!((distribution.id.as_str(), distribution.version.as_str()), ("alpine", "3.10.2"));
    assert!(contents.packages.iter().all(|package| package.layer == 0));
    let keys = |package: &crate::model::Installed| {
        let row = crate::ecosystem::by_name(package.ecosystem).unwrap();
        (row.advisory_keys)(&package.package, Some(&distribution))
    };
    let libssl = contents.packages.iter().find(|package| package.package.name == "libssl1.1").unwrap();
    assert_eq!(libssl.purl, "pkg:apk/alpine/libssl1.1@1.1.1c-r0?arch=x86_64&distro=alpine-3.10.2");
    assert_eq!(
        (keys(libssl)[0].ecosystem.as_str(), keys(libssl)[0].name.as_str()),
        ("Alpine:v3.10", "openssl")
    );
}

#[test]
fn deletions_of_a_real_image_are_seen() {
    let Some(image) = fixture("images/whiteouts.tar") else { return };
    let layers = layers(&fs::read(image).unwrap());
    let deleted: Vec<&str> = layers.iter().flat_map(|layer| &layer.whiteouts).map(String::as_str).collect();
    let opaque: Vec<&str> = layers.iter().flat_map(|layer| &layer.opaques).map(String::as_str).collect();
    assert_eq!((deleted, opaque.len()), (vec!["home/app/Gemfile", "home/app2"], 0));
    assert_eq!(squash(&layers.iter().collect::<Vec<_>>()).packages.len(), 14);
}

#[test]
fn real_layers_are_read_to_their_ends() {
    for (name, whiteouts, opaques, problems) in [
        ("whiteout.tar", &["etc/profile"][..], &[][..], &[] as &[&str]),
        ("fanal-opq.tar", &["var/foo"], &["etc/test"], &[]),
        ("unpack-escape.tar", &[], &[], &["no-end-marker"]),
        ("overwrite-file.tar", &[], &[], &[]),
        ("symlink-basic.tar", &[], &[], &[]),
        ("symlink-dangling.tar", &[], &[], &[]),
    ] {
        let Some(path) = fixture(&format!("layers/{name}")) else { return };
        let inventory = indexed(&fs::read(path).unwrap()).unwrap();
        let codes: Vec<&str> = inventory.problems.iter().map(|problem| problem.code.as_ref()).collect();
        assert_eq!((inventory.whiteouts, inventory.opaques), (own(whiteouts), own(opaques)), "{name}");
        assert_eq!(codes, problems, "{name}");
    }
    let Some(path) = fixture("layers/empty.tar") else { return };
    let result = indexed(&fs::read(path).unwrap());
    assert!(matches!(&result, Err(LayerError::Malformed(_))) || result.is_ok_and(|empty| empty.entries == 0));
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn dpkg_is_what_dpkg_query_lists() {
    let (Some(archive), Some(list)) =
        (fixture("dpkg/valid.txtar"), fixture("expected/dpkg-trivy-valid.dpkg-query.tsv"))
    else {
        return;
    };
    let text = fs::read_to_string(archive).unwrap();
    let (_, status) = text.split_once("-- var/lib/dpkg/status --\n").unwrap();
    let contents = one_file("var/lib/dpkg/status", status.as_bytes());
    let listed = fs::read_to_string(list).unwrap();
    let listed: BTreeSet<String> =
        (listed.lines().map(|line| line.split('\t').map(str::trim).collect::<Vec<_>>()))
            .filter(|fields| fields.last() == Some(&"installed"))
            .map(|fields| fields[..5].join(" "))
            .collect();
    assert_eq!(contents.packages.len(), 90);
    assert_eq!(with_sources(&contents), listed);
}

#[test]
fn apk_lists_15_of_16() {
    let (Some(installed), Some(list)) = (fixture("apk/installed"), fixture("expected/apk.json")) else {
        return;
    };
    let contents = one_file("lib/apk/db/installed", &fs::read(installed).unwrap());
    assert_eq!(with_sources(&contents), expected(&json(list)["pkgs"]));
    assert!(contents.problems.iter().any(|(problem, _)| problem.code == "malformed"));
}

#[test]
fn python_and_npm_files() {
    for (file, path, expected) in [
        (
            "python/setuptools-51.3.3-py3.8.egg-info.PKG-INFO",
            "x/a.egg-info/PKG-INFO",
            Some(("setuptools", "51.3.3")),
        ),
        ("python/zipp-3.12.1.METADATA", "x/zipp-3.12.1.dist-info/METADATA", Some(("zipp", "3.12.1"))),
        ("python/distlib-0.3.1.METADATA", "x/distlib-0.3.1.dist-info/METADATA", Some(("distlib", "0.3.1"))),
        ("python/distlib-0.3.1-py3.9.egg-info", "x/distlib-0.3.1-py3.9.egg-info", Some(("distlib", "0.3.1"))),
        ("nodejs/package.json", "app/package.json", Some(("bootstrap", "5.0.2"))),
        ("nodejs/legacy_package.json", "app/package.json", Some(("angular", "4.1.2"))),
        ("nodejs/without_version_package.json", "app/package.json", None),
        ("nodejs/invalid_package.json", "app/package.json", None),
    ] {
        let Some(fixture) = fixture(&format!("lang/{file}")) else { return };
        let contents = one_file(path, &fs::read(fixture).unwrap());
        let found = contents
            .packages
            .first()
            .map(|found| (found.package.name.as_str(), found.package.version.as_str()));
        assert_eq!(found, expected, "{file}");
        let malformed = contents.problems.iter().any(|(problem, _)| problem.code == "malformed");
        assert_eq!(malformed, file.contains("invalid"), "{file}");
    }
}

#[test]
fn release_files_name_their_distributions() {
    for (name, expected) in [
        ("alpine", Some(("alpine", "3.15.4"))),
        ("mariner-2.0", Some(("mariner", "2.0"))),
        ("opensuseleap-15.2.1", Some(("opensuse-leap", "15.2.1"))),
        ("rhel", Some(("rhel", "9.4"))),
        ("rocky", Some(("rocky", "9.3"))),
        ("sles", Some(("sles", "15.3"))),
        ("no-id", None),
        ("no-version", None),
    ] {
        let Some(fixture) = fixture(&format!("lang/os-release/{name}")) else { return };
        let contents = one_file("usr/lib/os-release", &fs::read(fixture).unwrap());
        let found = contents.distribution.as_ref().map(|found| (found.id.as_str(), found.version.as_str()));
        assert_eq!(found, expected, "{name}");
        let unknown = contents.problems.iter().any(|(problem, _)| problem.code == "unknown-distribution");
        assert_eq!(unknown, expected.is_none(), "{name}");
    }
}
