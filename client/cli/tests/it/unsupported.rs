//! What a registry holds and cannot be scanned is counted as that, and no address in a manifest is asked.

use std::net::TcpListener;

use bytes::Bytes;
use serde_json::json;
use strata_loadtest::content::Manifest;
use strata_proto::digest::Digest;

use crate::{cluster::runtime, fixture, strata::User};

const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn manifest(media_type: &str, body: &serde_json::Value) -> Manifest {
    let bytes = Bytes::from(body.to_string());
    Manifest { digest: Digest::of(&bytes), bytes, media_type: media_type.to_owned() }
}

#[test]
fn layers_that_are_kept_elsewhere_are_unsupported_and_never_fetched() {
    let (user, runtime) = (User::new(), runtime());
    // Where the manifest says that the layer is: nobody may come.
    let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a port");
    elsewhere.set_nonblocking(true).expect("a listener");
    let mut fixed = fixture::lodash();
    let foreign = Digest::of(b"a layer of another's");
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [foreign.to_string()]},
    });
    let config_bytes = config.to_string();
    let config = fixed.add_blob(config_bytes.clone().into_bytes());
    let url = format!("http://{}/layer", elsewhere.local_addr().expect("an address"));
    let described = |layer: &str| {
        json!({
            "schemaVersion": 2, "mediaType": DOCKER,
            "config": {"mediaType": CONFIG, "digest": config.to_string(), "size": config_bytes.len()},
            "layers": [{"mediaType": layer, "digest": foreign.to_string(), "size": 20, "urls": [url]}],
        })
    };
    fixed.add_manifest("windows", Some("1"), manifest(DOCKER, &described(FOREIGN)));
    fixed.add_manifest("odd", Some("1"), manifest(DOCKER, &described("application/vnd.example.squashfs")));
    let old = json!({"schemaVersion": 1, "name": "old", "tag": "1", "fsLayers": [{"blobSum": foreign.to_string()}]});
    let old_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    fixed.add_manifest("old", Some("1"), manifest(old_type, &old));
    let registry = fixture::serve(&runtime, fixed);
    let host = registry.host();

    let (run, document) = user.json(&["sweep", &host]);
    // A registry may hold what cannot be scanned; it is said, and not called a failure.
    run.expect(0, &["completed", "UNSUPPORTED", "1 foreign-layer", "2 unsupported", " + 0 failed"]);
    let summary = &document["summary"];
    assert_eq!(summary["unsupported"], json!({"foreign-layer": 1, "unsupported": 2}), "{summary}");
    assert_eq!((&summary["failed"], &summary["reported"]), (&json!({}), &json!(1)), "{summary}");
    let failures = document["failures"].as_array().expect("a list");
    assert_eq!(failures.len(), 3, "each is named with its reason: {failures:?}");
    assert!(failures.iter().any(|one| {
        one["code"] == "foreign-layer"
            && one["message"].as_str().is_some_and(|text| text.contains("windows:1"))
    }));
    // Who names it wants its report.
    user.run(&["scan", &format!("{host}/windows:1")]).expect(3, &["kept outside the registry"]);
    // Connections wait in the listener's line: both commands have ended, so it is as long as it will be.
    assert!(elsewhere.accept().is_err(), "an address of a manifest was asked");
}
