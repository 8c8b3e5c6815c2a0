//! `strata tag`: whatever comes first of scan, push and tag, a real registry's image ends with its commit.

use serde_json::Value;
use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage, Manifest, Store as _},
    registry::Options,
};

use crate::{
    black_box::serve,
    servers::{Server, registry, skipped},
    strata::{Run, User},
    submit::{build, search, server, skopeo, submitted},
};

const COMMIT: &str = "9d91119100000000000000000000000000000002";

fn tag(user: &User, image: &str, more: &[&str]) -> Run {
    let source = ["--source-repo", "https://forge.example/acme/app", "--source-branch", "main"];
    let build = ["--source-commit", COMMIT, "--ci-build-id", "4242/1"];
    user.run(&[&["tag", "--image", image], &source[..], &build, more].concat())
}

fn push(archive: &str, registry: &Server) -> String {
    let image = format!("127.0.0.1:{}/team/app:1", registry.port);
    skopeo(&format!("docker-archive:{archive}"), &format!("docker://{image}"));
    image
}

/// Both reports of the image, by its commit.
fn both(user: &User, url: &str) -> Vec<Value> {
    let found = search(user, &["--server", url, "--commit", &COMMIT[..8], "--build", "4242"]);
    assert_eq!(found.len(), 2, "{found:?}");
    for one in &found {
        let mut origins = one["origins"].as_array().expect("origins").iter();
        let origin = origins.find(|origin| origin["declared"] == true).expect("it was told");
        assert_eq!(origin["source"]["repository"], "https://forge.example/acme/app", "{one}");
    }
    found
}

#[test]
fn an_image_that_is_tagged_first_or_last_has_its_commit() {
    if skipped("tags of an image that is pushed") {
        return;
    }
    let (ci, place) = (User::new(), tempfile::tempdir().expect("a directory"));
    let archive = build(place.path(), &["4.17.4"]).remove(0);
    let mut states = Vec::new();
    for tag_first in [true, false] {
        let (cluster, registry) = (User::new(), registry());
        let (_server, url) = server(&cluster);
        let host = format!("127.0.0.1:{}", registry.port);
        let image = format!("{host}/team/app:1");
        let at = ["--server", url.as_str()];
        let scan =
            || ci.run(&["scan", "--server", &url, &archive]).expect(0, &["submitted report"]).err.clone();
        if tag_first {
            tag(&ci, &image, &at).expect(0, &["warning", "kept for the first"]);
            scan();
            push(&archive, &registry);
            cluster.run(&["sweep", &host, "--server", &url]).expect(0, &[]);
        } else {
            scan();
            push(&archive, &registry);
            // The registry tells which image it is: the report is found by its digest before any sweep.
            tag(&ci, &image, &at).expect(0, &["sha256:", "1 report has it"]);
            tag(&ci, &image, &at).expect(0, &["(as before)"]);
            let early = search(&ci, &["--server", &url, "--commit", COMMIT]);
            let digest = early[0]["pushed_as"][0].as_str().expect("a digest").to_owned();
            assert_eq!(search(&ci, &["--server", &url, "--digest", &digest]).len(), 1);
            cluster.run(&["sweep", &host, "--server", &url]).expect(0, &[]);
        }
        let mut state: Vec<String> = both(&ci, &url)
            .iter()
            .map(|one| format!("{} {} {}", one["image_id"], one["pushed_as"], one["references"]))
            .map(|line| line.replace(&host, "HOST"))
            .collect();
        state.sort();
        states.push(state);
    }
    assert_eq!(states[0], states[1]);
    assert!(states[0].iter().all(|line| line.contains("HOST/team/app:1")), "{states:?}");
}

#[test]
fn this_machines_archive_is_tagged_without_a_server() {
    if skipped("an archive that is tagged") {
        return;
    }
    let (user, place) = (User::new(), tempfile::tempdir().expect("a directory"));
    let archive = build(place.path(), &["4.17.4"]).remove(0);
    let (_, document) = user.json(&["scan", &archive]);
    let id = search(&user, &[])[0]["image_id"].as_str().expect("an id").to_owned();
    let digest = format!("sha256:{}", "ab".repeat(32));
    tag(&user, &id, &["--digest", &digest]).expect(0, &["1 report has it"]);
    let by_digest = search(&user, &["--digest", &digest]);
    assert_eq!(by_digest.len(), 1, "a digest for a report that had none");
    assert_eq!(by_digest[0]["report"], document["images"][0]["report"]);
    assert_eq!(search(&user, &["--commit", COMMIT, "--branch", "main"]).len(), 1);
    // What cannot be meant.
    user.run(&["tag", "--image", &id]).expect(2, &["not said where the image comes from", "hint"]);
    tag(&user, "UPPER", &[]).expect(2, &["UPPER"]);
    tag(&user, "r.example/app:1", &["--no-registry", "--digest", "sha256:1"])
        .expect(2, &["the image's digest"]);
}

#[test]
fn the_digest_of_an_index_finds_the_report_of_its_platform() {
    if skipped("an index") {
        return;
    }
    let (ci, cluster, place) = (User::new(), User::new(), tempfile::tempdir().expect("a directory"));
    let lodash: (&str, &[u8]) =
        ("app/node_modules/lodash/package.json", br#"{"name":"lodash","version":"4.17.4"}"#);
    let layers = [Blob::of_files(&[lodash], Compression::Gzip).expect("a layer")];
    let mut fixed = Fixed::new();
    let image =
        FixedImage { repository: "app", tag: "single", layers: &layers, arch: Arch::Amd64, docker: true };
    let member = fixed.image(&image);
    let kind = "application/vnd.docker.distribution.manifest.v2+json";
    let list = "application/vnd.docker.distribution.manifest.list.v2+json";
    let known = fixed.manifest("app", &member.to_string()).expect("read").expect("it is there");
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": list,
        "manifests": [{"mediaType": kind, "digest": member.to_string(), "size": known.bytes.len(),
            "platform": {"os": "linux", "architecture": "amd64"}}],
    });
    let index = fixed.add_manifest("app", Some("multi"), Manifest::new(list, index.to_string())).to_string();
    let beside = serve(fixed, Options::default());
    let host = beside.registry.host().to_owned();
    let file = place.path().join("image.tar").display().to_string();
    skopeo(&format!("docker://{host}/app:single"), &format!("docker-archive:{file}"));
    let (_server, url) = server(&cluster);
    let run = ci.run(&["scan", "--server", &url, &file]);
    let id = submitted(run.expect(0, &[]));
    // Only the index is ever named.
    let multi = format!("{host}/app:multi");
    cluster.run(&["scan", "--server", &url, &multi]).expect(0, &["lodash"]);
    let found = search(&ci, &["--server", &url, "--digest", &index]);
    assert_eq!(found.len(), 2, "{found:?}");
    let build = found.iter().find(|one| one["report"] == id.as_str()).expect("the build's");
    assert_eq!(build["pushed_as"], serde_json::json!([member.to_string()]));
    assert_eq!(build["indexes"], serde_json::json!([index]));
    assert!(build["references"].to_string().contains(&multi), "{build}");
    tag(&ci, &multi, &["--server", &url]).expect(0, &["2 reports have it"]);
    both(&ci, &url);
}
