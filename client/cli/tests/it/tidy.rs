//! The repository's rules, kept by code rather than by habit.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::strata::root;

/// Longest file of Rust, in lines.
const LONGEST: usize = 400;

fn sources() -> Vec<(PathBuf, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "-co", "--exclude-standard", "*.rs"])
        .current_dir(root())
        .output();
    let listed = String::from_utf8(listed.expect("git runs").stdout).expect("paths");
    let files: Vec<_> = listed
        .lines()
        .filter(|path| root().join(path).exists())
        .map(|path| (PathBuf::from(path), fs::read_to_string(root().join(path)).expect("a source")))
        .collect();
    assert!(files.len() > 50, "only {} sources were found", files.len());
    files
}

#[test]
fn packages_import_only_what_they_may() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("strata-proto", &[][..]),
        ("strata-analysis", &[][..]),
        ("strata-nats", &["strata-proto"][..]),
        ("strata-worker", &["strata-analysis", "strata-nats", "strata-proto"][..]),
        ("strata-counts", &["strata-analysis"][..]),
        ("strata-coordinator", &["strata-nats", "strata-proto"][..]),
        ("strata-client", &["strata-proto"][..]),
        ("strata-loadtest", &["strata-client", "strata-coordinator", "strata-proto"][..]),
    ]);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert_eq!(packages.len(), 9, "the workspace has nine packages");
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let Some(allowed) = allowed.get(name) else { continue };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let (what, kind) = (dependency["name"].as_str().expect("a name"), &dependency["kind"]);
            let ours = what.starts_with("strata-") && kind.is_null();
            assert!(!ours || allowed.contains(&what), "{name} must not import {what}");
        }
    }
}

#[test]
fn one_crypto_provider_and_one_tls_stack() {
    // The lock file also names what no feature turns on; the graph does not.
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--edges=normal,build,dev", "--prefix=none", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let graph = String::from_utf8(output.stdout).expect("names");
    let has = |name: &str| graph.lines().any(|line| line.split(' ').next() == Some(name));
    assert!(has("aws-lc-rs") && has("rustls"), "the chosen ones are in the graph");
    for rival in ["ring", "native-tls", "openssl", "openssl-sys"] {
        assert!(!has(rival), "{rival} is in the graph beside aws-lc-rs and rustls");
    }
}

#[test]
fn modules_keep_to_their_side() {
    // (sources below, texts that must not stand in them)
    let rules: &[(&str, &[&str])] = &[
        (
            "worker/analysis/src/ecosystem/",
            &["super::dpkg::", "crate::ecosystem::dpkg::", "tokio::", "std::fs"],
        ),
        ("worker/analysis/src/", &["tokio::", "async fn", "std::net", "std::time::Instant", "std::env::"]),
        ("worker/src/job/", &["crate::queue", "crate::cache::", "async_nats", "redis::", "reqwest::"]),
        ("worker/src/queue/", &["crate::cache", "crate::source", "crate::job"]),
        ("worker/src/cache/", &["crate::queue", "crate::source", "crate::job"]),
        ("worker/src/source/", &["crate::queue", "crate::cache", "crate::job"]),
        (
            "coordinator/src/plan",
            &["tokio::", "async fn", "std::time::Instant", "SystemTime", "sqlx", "async_nats"],
        ),
        ("coordinator/src/queue/", &["crate::archive", "crate::service", "crate::plan"]),
        ("coordinator/src/archive/", &["crate::queue", "crate::service", "crate::plan"]),
        (
            "client/cli/src/format/",
            &["crate::backend", "crate::settings", "crate::embedded", "crate::command"],
        ),
    ];
    for (path, text) in sources() {
        let name = path.to_string_lossy();
        if name.contains("/tests") || name.ends_with("tests.rs") || name.ends_with("simulation.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod").next().unwrap_or(&text);
        for (below, banned) in rules.iter().filter(|(below, _)| name.starts_with(below)) {
            for text in *banned {
                let found =
                    code.lines().find(|line| line.contains(text) && !line.trim_start().starts_with("//"));
                assert!(found.is_none(), "{name} (below {below}) must not use `{text}`: {found:?}");
            }
        }
    }
}

#[test]
fn only_settings_reads_the_environment() {
    for (path, text) in sources() {
        let name = path.to_string_lossy().into_owned();
        let may = ["settings.rs", "build.rs", "simulation.rs"].iter().any(|file| name.ends_with(file))
            || name.contains("test")
            // Programs of their own, each whole in one file.
            || name.starts_with("client/examples/");
        let reads = ["env::var(", "env::var_os(", "env::vars("].iter().any(|call| text.contains(call));
        assert!(may || !reads, "{name} reads the environment: only settings.rs may");
    }
}

#[test]
fn files_are_small_and_say_what_they_are() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines, more than {LONGEST}", path.display());
        assert!(
            text.starts_with("//!") || text.starts_with("#![") || path.ends_with("tests.rs"),
            "{} does not begin with what it is for",
            path.display()
        );
        let forbidden = format!("#[{}(", "allow");
        assert!(!text.contains(&forbidden), "{}: use #[expect(…, reason)]", path.display());
    }
}

#[test]
fn there_is_no_mod_rs() {
    for (path, _) in sources() {
        assert!(
            path.file_name() != Some(Path::new("mod.rs").as_os_str()),
            "{}: use foo.rs beside foo/",
            path.display()
        );
    }
}

/// The README's tables are the code's. `STRATA_BLESS=1` writes them.
#[test]
fn the_readme_lists_what_is_read() {
    let mut table = String::from("| ecosystem | read in an image |\n|---|---|\n");
    let rows = strata_analysis::ecosystem::TABLE;
    // Bills of materials are read alike, whatever their packages: one line for all of them.
    let of_bill = |name: &str| name.starts_with("sbom-");
    for row in rows.iter().filter(|row| !of_bill(row.name)) {
        table.push_str(&format!("| {} | {} |\n", row.name, row.reads));
    }
    let bills: Vec<_> = rows.iter().filter(|row| of_bill(row.name)).collect();
    let names: Vec<&str> = bills.iter().filter_map(|row| row.name.strip_prefix("sbom-")).collect();
    let reads = bills.first().expect("a bill of materials").reads;
    assert!(bills.iter().all(|row| row.reads == reads), "one line for all that is read");
    table.push_str(&format!("| sbom ({}) | {reads} |\n", names.join(", ")));
    check_table("coverage", &table);
    let mut table = String::from("| format | what it is |\n|---|---|\n");
    for row in strata_cli::format::TABLE {
        table.push_str(&format!("| `{}` | {} |\n", row.name, row.about));
    }
    check_table("formats", &table);
}

fn check_table(name: &str, table: &str) {
    let readme = root().join("README.md");
    let text = fs::read_to_string(&readme).expect("README.md");
    let end = format!("<!-- end of {name} -->");
    let (head, tail) = text.split_once(&end).expect("the table's end");
    let (head, now) = head.rsplit_once("checks it -->\n").expect("the table's start");
    if std::env::var_os("STRATA_BLESS").is_some() {
        fs::write(&readme, format!("{head}checks it -->\n{table}{end}{tail}")).expect("README.md");
        return;
    }
    assert_eq!(now, table, "README.md: run the test with STRATA_BLESS=1");
}
