//! `strata advise`: the prediction is what a real build on the other base comes to.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use strata_cli::command::build;
use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage},
    registry::Options,
};
use strata_worker::advisories::DatabaseFile;
use tempfile::TempDir;

use crate::{
    black_box::{Beside, serve},
    servers,
    strata::User,
};

const BOOKWORM: &[u8] = b"ID=debian\nVERSION_ID=\"12\"\n";
const BULLSEYE: &[u8] = b"ID=debian\nVERSION_ID=\"11\"\n";
const ALPINE: &[u8] = b"ID=alpine\nVERSION_ID=3.20.0\n";
const LODASH: &[u8] = br#"{"name":"lodash","version":"1.0.0"}"#;

fn status(packages: &[(&str, &str)]) -> String {
    let stanza = |(name, version): &(&str, &str)| {
        format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
    };
    packages.iter().map(stanza).collect()
}

fn advisory(id: &str, ecosystem: &str, package: &str, fixed: &str) -> (String, String) {
    let text = json!({
        "id": id, "modified": "2026-11-01T00:00:00Z", "database_specific": {"severity": "HIGH"},
        "affected": [{"package": {"ecosystem": ecosystem, "name": package},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}],
    });
    (format!("{ecosystem}/{id}.json"), text.to_string())
}

fn layer(files: &[(&str, &[u8])]) -> Blob {
    Blob::of_files(files, Compression::Gzip).expect("a layer")
}

/// Bases 1 to 4, applications on the first (one copies files, one runs a package manager), and these built anew on the second.
fn with_images() -> (User, Beside) {
    let user = User::without_database();
    let texts = [
        advisory("TEST-OPENSSL", "Debian:11", "openssl", "2.0-1"),
        advisory("TEST-OPENSSL-12", "Debian:12", "openssl", "2.0-1"),
        advisory("TEST-BASH", "Debian:12", "bash", "9"),
        advisory("TEST-GIT-11", "Debian:11", "git", "3"),
        advisory("TEST-GIT-12", "Debian:12", "git", "3"),
        advisory("TEST-LODASH", "npm", "lodash", "2.0.0"),
    ];
    let texts: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    build::write(&build::compile_texts(&texts).expect("sound"), &user.database()).expect("a database");
    let dpkg = "var/lib/dpkg/status";
    let old = [("openssl", "1.0-1"), ("bash", "5.0-1"), ("perl", "5.32-1")];
    let new = [("openssl", "2.0-1"), ("bash", "5.2-1"), ("zlib", "1.3-1")];
    let (old_text, new_text) = (status(&old), status(&new));
    let installed = status(&[&old[..2], &[("git", "2.30-1")]].concat());
    let rebuilt = status(&[&new[..], &[("git", "2.30-1")]].concat());
    let apk = "P:busybox\nV:1.36.1-r0\nA:x86_64\n\n";
    let (release, app) = ("etc/os-release", "app/node_modules/lodash/package.json");
    let bases = [
        layer(&[(release, BULLSEYE), (dpkg, old_text.as_bytes())]),
        layer(&[(release, BOOKWORM), (dpkg, new_text.as_bytes())]),
        layer(&[(release, ALPINE), ("lib/apk/db/installed", apk.as_bytes())]),
        layer(&[("app/readme", b"no system at all")]),
    ];
    let (copy, run) = (layer(&[(app, LODASH)]), layer(&[(app, LODASH), (dpkg, installed.as_bytes())]));
    let run_again = layer(&[(app, LODASH), (dpkg, rebuilt.as_bytes())]);
    let mut fixed = Fixed::new();
    let mut image = |repository: &str, tag: &str, layers: &[&Blob]| {
        let layers: Vec<Blob> = layers.iter().map(|&layer| layer.clone()).collect();
        fixed.image(&FixedImage { repository, tag, layers: &layers, arch: Arch::Amd64, docker: false });
    };
    for (number, base) in bases.iter().enumerate() {
        image("base", &(number + 1).to_string(), &[base]);
    }
    image("copy", "1", &[&bases[0], &copy]);
    image("copy", "2", &[&bases[1], &copy]);
    image("run", "1", &[&bases[0], &run]);
    image("run", "2", &[&bases[1], &run_again]);
    (user, serve(fixed, Options::default()))
}

fn set(list: &Value, key: &str) -> BTreeSet<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|one| one[key].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn a_prediction_is_what_a_real_build_comes_to() {
    let (user, beside) = with_images();
    let image = |name: &str| format!("{}/{name}", beside.registry.host());
    let candidates = [image("base:4"), image("base:1"), image("base:3"), image("base:2")];
    for (application, introduced) in [("copy", vec!["TEST-BASH"]), ("run", vec!["TEST-BASH", "TEST-GIT-12"])]
    {
        let (now, rebuilt) = (image(&format!("{application}:1")), image(&format!("{application}:2")));
        let args =
            [&["advise", now.as_str(), "--candidates"], candidates.each_ref().map(String::as_str).as_slice()]
                .concat();
        let (run, advice) = user.json(&args);
        run.expect(0, &[]);
        assert_eq!(advice["base"]["layers"], 1, "base:1 is a part of it");
        let list = advice["candidates"].as_array().expect("candidates");
        let of =
            |name: &str| list.iter().find(|one| one["name"] == image(name).as_str()).expect("a candidate");
        let (same, better) = (of("base:1"), of("base:2"));
        assert_eq!((set(&same["fixed"], "id"), set(&same["introduced"], "id")), Default::default());
        // Bases whose findings nobody can know are not the best ones, though they have none.
        let last: BTreeSet<_> =
            list.iter().skip(2).map(|one| one["name"].as_str().expect("a name").to_owned()).collect();
        assert_eq!(last, BTreeSet::from([image("base:3"), image("base:4")]), "{application}");
        assert!(set(&better["fixed"], "id").contains("TEST-OPENSSL"));
        let lodash =
            better["remains"].as_array().expect("a list").iter().find(|one| one["id"] == "TEST-LODASH");
        assert_eq!(lodash.expect("it remains")["origin"], "application");
        assert_eq!(set(&better["introduced"], "id"), introduced.iter().map(|&id| id.to_owned()).collect());
        // Built in earnest.
        let (_, real) = user.json(&["diff", &now, &rebuilt]);
        for word in ["fixed", "introduced"] {
            assert_eq!(better[word], real["findings"][word], "{application} {word}");
        }
        assert_eq!(set(&better["remains"], "id"), set(&real["findings"]["unchanged"], "id"));
        assert_eq!(better["packages"], real["packages"], "{application}");
        assert_eq!(better["predicted"]["findings"], real["after"]["findings"]);
        let foreign = of("base:3")["notes"].to_string().contains("install dpkg packages");
        assert_eq!(
            foreign,
            application == "run",
            "only a package manager's layer needs its own kind of base"
        );
    }
}

#[test]
fn the_base_is_named_found_or_not_known() {
    let (user, beside) = with_images();
    let image = |name: &str| format!("{}/{name}", beside.registry.host());
    let (now, better) = (image("copy:1"), image("base:2"));
    let advise = ["advise", now.as_str(), "--candidates", better.as_str()];
    user.run(&advise).expect(2, &["not known which of the layers", "--base"]);
    let named = |base: &str| user.run(&[&advise[..], &["--base", &image(base)]].concat());
    named("base:1").expect(0, &["1 fixed, 1 introduced, 1 remain", "FIXED    HIGH       TEST-OPENSSL"]);
    named("base:3").expect(2, &["not built on"]);
    // The base is in the archive now.
    user.run(&advise).expect(0, &["shares them with", "base:1", "1 fixed"]);
    // Who has no reports finds the base among those of a server.
    let port = servers::free_port();
    let (other, url) = (TempDir::new().expect("a cache"), format!("http://127.0.0.1:{port}"));
    let _server = user.role(&["server", "--listen", &format!("127.0.0.1:{port}")], Some(port));
    let cache = other.path().display().to_string();
    let elsewhere = [&advise[..], &["--cache-dir", &cache]].concat();
    user.run(&elsewhere).expect(2, &["not known which of the layers"]);
    user.run(&[&elsewhere[..], &["--server", &url]].concat())
        .expect(0, &["shares them with", "base:1", "1 fixed, 1 introduced, 1 remain", "the server's"]);
    // Who has no database either has the server's, once.
    let stranger = User::without_database();
    let remote = [&advise[..], &["--server", &url, "-f", "json"]].concat();
    let digest = DatabaseFile::open(&user.database()).expect("a database").digest().to_owned();
    for _ in 0..2 {
        let run = stranger.run(&remote);
        run.expect(0, &["shares them with", &digest, "the server's"]);
    }
    let kept = std::fs::read_dir(stranger.home.path().join("databases")).expect("a directory");
    assert_eq!(kept.count(), 1, "what was fetched is kept, and nothing else");
    let named = user.database().display().to_string();
    stranger.run(&[&remote[..], &["--db", &named]].concat()).expect(0, &["named by --db, not the server's"]);
}
