//! The advisory database through a real registry.

use std::{fs, process::Command};

use crate::{
    servers::{registry, skipped},
    strata::User,
};

#[test]
fn a_database_goes_through_a_registry_unchanged() {
    if skipped("a real registry") {
        return;
    }
    let registry = registry();
    let reference = format!("oci://127.0.0.1:{}/strata/advisories:1", registry.port);
    let (from, to) = (User::new(), User::without_database());
    let pushed = from.run(&["db", "push", &reference]);
    pushed.expect(0, &["sha256:"]);
    to.run(&["db", "pull", &reference]).expect(0, &["sha256:"]);
    assert_eq!(fs::read(from.database()).expect("a database"), fs::read(to.database()).expect("a database"));
    to.run(&["db", "status", "--verify"]).expect(0, &["every byte agrees"]);
    // What is no database leaves the one in use alone.
    let before = fs::read(to.database()).expect("a database");
    let absent = format!("oci://127.0.0.1:{}/strata/advisories:2", registry.port);
    to.run(&["db", "pull", &absent]).expect(3, &["failed to pull the database from", "advisories:2"]);
    let layout = from.home.path().join("layout");
    let other = format!("docker://127.0.0.1:{}/strata/other:1", registry.port);
    fs::create_dir_all(layout.join("blobs/sha256")).expect("a directory");
    image_layout(&layout);
    let copied = Command::new("skopeo")
        .args(["copy", "-q", "--dest-tls-verify=false", &format!("oci:{}", layout.display()), &other])
        .output()
        .expect("install Debian's package skopeo");
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let other = format!("127.0.0.1:{}/strata/other:1", registry.port);
    to.run(&["db", "pull", &other]).expect(3, &["not an advisory database", "strata/other:1"]);
    assert_eq!(fs::read(to.database()).expect("a database"), before);
    // A damaged database is not pushed.
    let mut damaged = before;
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    fs::write(to.database(), damaged).expect("a file");
    to.run(&["db", "push", &reference]).expect(3, &["damaged"]);
}

/// The smallest image there is: one empty layer.
fn image_layout(layout: &std::path::Path) {
    let put = |bytes: &[u8]| {
        let digest = strata_proto::digest::Digest::of(bytes);
        fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes).expect("a blob");
        (digest.to_string(), bytes.len())
    };
    let (layer, layer_size) = put(&[0; 1024]);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{layer}"]}}}}"#
    );
    let (config, config_size) = put(config.as_bytes());
    let kind = "application/vnd.oci.image";
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{kind}.manifest.v1+json","config":{{"mediaType":"{kind}.config.v1+json","digest":"{config}","size":{config_size}}},"layers":[{{"mediaType":"{kind}.layer.v1.tar","digest":"{layer}","size":{layer_size}}}]}}"#
    );
    let (manifest, manifest_size) = put(manifest.as_bytes());
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a file");
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{kind}.manifest.v1+json","digest":"{manifest}","size":{manifest_size}}}]}}"#
    );
    fs::write(layout.join("index.json"), index).expect("a file");
}
