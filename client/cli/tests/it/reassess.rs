//! `strata report show --reassess`: what was known of an image then and is known now, when the image itself is gone.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::{Value, json};
use strata_cli::command::build;
use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage},
    registry::Options,
};

use crate::{black_box::serve, servers, strata::User};

fn write_database(user: &User, known: &[(&str, &str)]) {
    let texts: Vec<(String, String)> = known
        .iter()
        .map(|(id, package)| {
            let text = json!({
                "id": id, "modified": "2026-11-01T00:00:00Z", "database_specific": {"severity": "HIGH"},
                "affected": [{"package": {"ecosystem": "npm", "name": package},
                    "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}],
            });
            (format!("npm/{id}.json"), text.to_string())
        })
        .collect();
    let texts: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    build::write(&build::compile_texts(&texts).expect("sound"), &user.database()).expect("a database");
}

fn ids(list: &Value) -> BTreeSet<&str> {
    list.as_array().expect("findings").iter().map(|one| one["id"].as_str().expect("an id")).collect()
}

#[test]
fn a_report_outlives_its_image_and_tells_what_became_known() {
    let user = User::without_database();
    write_database(&user, &[("TEST-STAYS", "lodash"), ("TEST-GOES", "minimist")]);
    let file = |name: &str| format!(r#"{{"name":"{name}","version":"1.0.0"}}"#);
    let packages = ["lodash", "minimist", "ws"]
        .map(|name| (format!("app/node_modules/{name}/package.json"), file(name)));
    let files: Vec<(&str, &[u8])> =
        packages.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
    let layer = Blob::of_files(&files, Compression::Gzip).expect("a layer");
    let mut fixed = Fixed::new();
    fixed.image(&FixedImage {
        repository: "app",
        tag: "1",
        layers: &[layer],
        arch: Arch::Amd64,
        docker: false,
    });
    let beside = serve(fixed, Options::default());
    let image = format!("{}/app:1", beside.registry.host());
    user.run(&["scan", &image]).expect(0, &["TEST-STAYS", "TEST-GOES"]);
    let checked = ["report", "search", "--check"];
    user.run(&checked).expect(0, &["there"]);
    let (run, found) = user.json(&["report", "search"]);
    run.expect(0, &[]);
    let id = found[0]["report"].as_str().expect("an id");
    let shown = ["report", "show", id, "--check"];
    user.run(&shown).expect(0, &["TEST-STAYS", "note: the image of report", ": there"]);
    drop(beside);
    user.run(&shown).expect(0, &["TEST-STAYS", ": unknown: failed to"]);
    let (_, unanswered) = user.json(&checked);
    assert_eq!(unanswered[0]["image"]["state"], "unknown", "nobody says that it is gone: {unanswered}");
    write_database(&user, &[("TEST-STAYS", "lodash"), ("TEST-NEW", "ws")]);
    let show = ["report", "show", id, "--reassess"];
    let check = || {
        let (run, diff) = user.json(&show);
        run.expect(0, &[]);
        assert_eq!(ids(&diff["findings"]["introduced"]), BTreeSet::from(["TEST-NEW"]));
        assert_eq!(ids(&diff["findings"]["fixed"]), BTreeSet::from(["TEST-GOES"]));
        assert_eq!(ids(&diff["findings"]["unchanged"]), BTreeSet::from(["TEST-STAYS"]));
        assert_eq!((&diff["before"]["packages"], &diff["after"]["packages"]), (&json!(3), &json!(3)));
        diff["notes"].to_string()
    };
    let listed = "the packages that the report lists were assessed";
    let notes = check();
    assert!(!notes.contains(listed), "the analyses of the layers are there: {notes}");
    // Without them the report's own packages say the same.
    let cache = user.home.path().join("cache");
    for entry in fs::read_dir(&cache).expect("the cache directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            fs::remove_dir_all(path).expect("inventories go");
        }
    }
    let notes = check();
    assert!(notes.contains(listed), "{notes}");
    // What fails is what is known now.
    user.run(&[&show[..], &["--fail-on", "HIGH"]].concat())
        .expect(1, &["TEST-NEW", "then, by the", "now, by the"]);
    user.run(&[&show[..], &["-f", "sarif"]].concat()).expect(2, &["no format of --reassess"]);
    // The report itself says what was known then.
    let then = user.run(&["report", "show", id]);
    then.expect(0, &["TEST-GOES"]);
    assert!(!then.out.contains("TEST-NEW"), "{}", then.out);
}

#[test]
fn an_image_that_its_registry_does_not_have_any_more_is_said_to_be_gone() {
    if servers::skipped("reassess") {
        return;
    }
    let user = User::without_database();
    write_database(&user, &[("TEST-STAYS", "lodash")]);
    let file = ("app/package.json", &br#"{"name":"lodash","version":"1.0.0"}"#[..]);
    let layer = Blob::of_files(&[file], Compression::Gzip).expect("a layer");
    let mut fixed = Fixed::new();
    fixed.image(&FixedImage {
        repository: "app",
        tag: "1",
        layers: &[layer],
        arch: Arch::Amd64,
        docker: false,
    });
    let (source, registry) = (serve(fixed, Options::default()), servers::registry());
    let host = format!("127.0.0.1:{}", registry.port);
    let mut copy = Command::new("skopeo");
    copy.args(["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"]);
    copy.args([format!("docker://{}/app:1", source.registry.host()), format!("docker://{host}/app:1")]);
    let copied = servers::output(&mut copy);
    assert!(copied.status.success(), "skopeo: {}", String::from_utf8_lossy(&copied.stderr));
    user.run(&["scan", &format!("{host}/app:1")]).expect(0, &[]);
    let state = || {
        let (run, found) = user.json(&["report", "search", "--check"]);
        run.expect(0, &[]);
        found[0]["image"]["state"].as_str().expect("a state").to_owned()
    };
    assert_eq!(state(), "there");
    // What a DELETE of the manifest does.
    let repository = registry.directory.path().join("data/docker/registry/v2/repositories/app");
    let (kept, away) = (repository.join("_manifests"), repository.join("away"));
    fs::rename(&kept, &away).expect("the registry's manifests");
    assert_eq!(state(), "gone");
    user.run(&["report", "search", "--check"]).expect(0, &["image gone, asked 20"]);
    fs::rename(&away, &kept).expect("they come back");
    assert_eq!(state(), "there");
}
