//! Every language row against files of real projects and what their publishers expect of them, where the checkout has
//! them beside it; and every row's advisory keys.

use std::{fs, path::PathBuf};

use super::{Facts, File, by_name};
use crate::{limits::Limits, model::Package};

/// Fixture, path in an image, row, expected packages, expected problems.
const FIXTURES: &[(&str, &str, &str, &[&str], usize)] = &[
    ("ruby/normal00.gemspec", "specifications/rake-13.0.3.gemspec", "gem", &["rake 13.0.3"], 0),
    ("ruby/normal01.gemspec", "specifications/async-1.25.0.gemspec", "gem", &["async 1.25.0"], 0),
    ("ruby/malformed00.gemspec", "specifications/x.gemspec", "gem", &[], 1),
    (
        "dotnet/happy.deps.json",
        "app/a.deps.json",
        "dotnet",
        &["ExampleApp1 1.0.0", "Newtonsoft.Json 13.0.1"],
        0,
    ),
    (
        "dotnet/self-contained.deps.json",
        "app/a.deps.json",
        "dotnet",
        &[
            "ExampleApp1 1.0.0",
            "Microsoft.AspNetCore.App.Runtime.linux-x64 8.0.0",
            "Microsoft.NETCore.App.Runtime.linux-x64 8.0.0",
            "Newtonsoft.Json 13.0.1",
        ],
        0,
    ),
    ("dotnet/invalid.deps.json", "app/a.deps.json", "dotnet", &[], 1),
    ("conda/_libgcc_mutex-0.1-main.json", "conda-meta/a.json", "conda", &["_libgcc_mutex 0.1"], 0),
    ("conda/libgomp-11.2.0-h1234567_1.json", "conda-meta/a.json", "conda", &["libgomp 11.2.0"], 0),
    ("conda/invalid_json.json", "conda-meta/a.json", "conda", &[], 1),
    ("conda/invalid_package.json", "conda-meta/a.json", "conda", &[], 1),
];

#[test]
fn published_expectations_are_met() {
    let shared = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/lang");
    if !shared.is_dir() {
        println!("skipped: {} is not there", shared.display());
        return;
    }
    for &(fixture, path, row, expected, problems) in FIXTURES {
        let bytes = fs::read(shared.join(fixture)).unwrap();
        let mut facts = Facts::default();
        (by_name(row).unwrap().parse)(File { path, bytes: &bytes, limits: &Limits::default() }, &mut facts);
        let mut actual: Vec<String> =
            facts.packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
        actual.sort();
        assert_eq!(
            (actual.iter().map(String::as_str).collect::<Vec<_>>(), facts.problems.len()),
            (expected.to_vec(), problems),
            "{fixture}"
        );
    }
}

#[test]
fn keys_are_spelled_as_the_advisories_are() {
    for (row, name, expected) in [
        ("gem", "rake", "RubyGems rake"),
        ("composer", "Symfony/Http-Kernel", "Packagist symfony/http-kernel"),
        ("dotnet", "Newtonsoft.Json", "NuGet Newtonsoft.Json"),
        ("r", "readxl", "CRAN readxl"),
        ("erlang", "plug", "Hex plug"),
        ("julia", "HTTP", "Julia HTTP"),
        ("swift", "github.com/apple/swift-nio", "SwiftURL github.com/apple/swift-nio"),
        ("dart", "agent_dart", "Pub agent_dart"),
        ("python", "Zope.Interface", "PyPI zope-interface"),
        ("java", "org.example:lib", "Maven org.example:lib"),
        ("java", "lib", ""),
        ("go", "github.com/Masterminds/semver/v3", "Go github.com/Masterminds/semver/v3"),
        ("conda", "pip", ""),
        ("lua", "lpeg", ""),
        ("sbom-bitnami", "nginx", "Bitnami nginx"),
        ("sbom-maven", "org.example:lib", "Maven org.example:lib"),
    ] {
        let keys = (by_name(row).unwrap().advisory_keys)(&Package::plain(name, "1"), None);
        let key = keys.first().map_or_else(String::new, |key| format!("{} {}", key.ecosystem, key.name));
        assert_eq!(key, expected, "{row}");
    }
}

#[test]
fn names_of_rows_are_unique() {
    let mut names: Vec<&str> = super::TABLE.iter().map(|row| row.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn programs_with_a_version_in_their_name_may_be_owned() {
    for (path, expected) in [
        ("usr/bin/perl5.36.0", true),
        ("usr/bin/python3.11", true),
        ("usr/sbin/nginx", true),
        ("usr/lib/x86_64-linux-gnu/libcrypto.so.3", true),
        ("usr/share/doc/python3.11", false),
        ("usr/bin/tool.conf", false),
        // A name that a signature knows is a program whatever its extension.
        ("usr/lib/erlang/erts-13.1.5/bin/beam.smp", true),
    ] {
        assert_eq!(super::may_hold_packages(path), expected, "{path}");
    }
}
