//! Databases of upper layers on another base, and the law that the same base changes nothing.

use proptest::prelude::*;

use super::*;
use crate::{model::Release, squash::squash};

const STATUS: &str = "var/lib/dpkg/status";

/// `name version` of each package of one database.
fn layer(path: &str, ecosystem: &str, packages: &[&str]) -> Inventory {
    let package = |text: &&str| {
        let (name, version) = text.split_once(' ').expect("a name and a version");
        Package { name: name.to_owned(), version: version.to_owned(), ..Package::default() }
    };
    let file = FileFacts {
        path: path.to_owned(),
        ecosystem: ecosystem.to_owned(),
        packages: packages.iter().map(package).collect(),
        ..FileFacts::default()
    };
    Inventory { files: vec![file], ..Inventory::default() }
}

fn dpkg(packages: &[&str]) -> Inventory {
    layer(STATUS, "dpkg", packages)
}

fn names(inventory: &Inventory) -> Vec<String> {
    let mut names: Vec<String> = inventory
        .files
        .iter()
        .flat_map(|file| &file.packages)
        .map(|package| format!("{} {}", package.name, package.version))
        .collect();
    names.sort();
    names
}

#[test]
fn a_step_leaves_the_new_base_and_its_own_changes() {
    let base = dpkg(&["openssl 1.0", "bash 5.0", "perl 5.30", "curl 7.1"]);
    // curl upgraded, perl removed, git installed, tzdata installed.
    let step = dpkg(&["openssl 1.0", "bash 5.0", "curl 7.5", "git 2.0", "tzdata 2024"]);
    for (onto, expected) in [
        (
            vec!["openssl 1.1", "bash 5.0", "perl 5.36", "curl 7.9"],
            vec!["bash 5.0", "curl 7.9", "git 2.0", "openssl 1.1", "tzdata 2024"],
        ),
        (vec!["openssl 1.1", "curl 7.3"], vec!["curl 7.5", "git 2.0", "openssl 1.1", "tzdata 2024"]),
        (vec!["zlib 1", "tzdata 2026", "git 1.0"], vec!["curl 7.5", "git 2.0", "tzdata 2026", "zlib 1"]),
    ] {
        let rebased = rebase(&[&base, &step], 1, &[&dpkg(&onto)]);
        assert_eq!(rebased.layers.iter().map(names).collect::<Vec<_>>(), [expected], "{onto:?}");
        assert!(rebased.foreign.is_empty());
    }
}

#[test]
fn a_base_of_another_kind_is_told() {
    let (base, step) = (dpkg(&["bash 5.0"]), dpkg(&["bash 5.0", "git 2.0"]));
    let alpine = layer("lib/apk/db/installed", "apk", &["busybox 1.36.1-r0"]);
    let rebased = rebase(&[&base, &step], 1, &[&alpine]);
    assert_eq!(names(&rebased.layers[0]), ["git 2.0"]);
    assert_eq!(rebased.foreign, BTreeSet::from(["dpkg".to_owned()]));
}

#[test]
fn language_packages_and_deletions_stay_and_releases_give_way() {
    let mut app = layer("app/node_modules/a/package.json", "npm", &["a 1.0.0"]);
    app.whiteouts.push("etc/x".to_owned());
    app.releases.push(Release { path: "etc/os-release".to_owned(), fields: BTreeMap::new() });
    let mut onto = dpkg(&["bash 5.2"]);
    let rebased = rebase(&[&dpkg(&["bash 5.0"]), &app], 1, &[&onto]);
    assert_eq!(rebased.layers, [app.clone()], "a base without a release file leaves the application's");
    onto.releases.push(Release { path: "etc/os-release".to_owned(), fields: BTreeMap::new() });
    let rebased = rebase(&[&dpkg(&["bash 5.0"]), &app], 1, &[&onto]);
    app.releases.clear();
    assert_eq!(rebased.layers, [app]);
}

#[test]
fn more_base_than_image_is_nothing_above() {
    assert_eq!(rebase(&[&dpkg(&["a 1"])], 5, &[]), Rebased::default());
}

proptest! {
    /// On its own base an image is what it is.
    #[test]
    fn the_same_base_changes_nothing(
        base in proptest::collection::btree_map("[a-e]", "[1-9]\\.[0-9]", 1..5),
        step in proptest::collection::btree_map("[a-e]", "[1-9]\\.[0-9]", 1..5),
    ) {
        let list = |map: &BTreeMap<String, String>| -> Vec<String> {
            map.iter().map(|(name, version)| format!("{name} {version}")).collect()
        };
        let of = |list: &[String]| dpkg(&list.iter().map(String::as_str).collect::<Vec<_>>());
        let (base, step) = (of(&list(&base)), of(&list(&step)));
        let rebased = rebase(&[&base, &step], 1, &[&base]);
        let before = squash(&[&base, &step]);
        let after: Vec<&Inventory> = std::iter::once(&base).chain(&rebased.layers).collect();
        prop_assert_eq!(squash(&after), before);
    }
}
