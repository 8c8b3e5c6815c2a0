//! What is no image of a registry: root file systems, bills of materials, archives by other names, and several platforms.

use std::fs;

use serde_json::Value;
use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage, Manifest, OCI_INDEX},
    registry::Options,
};

use crate::{
    black_box::{serve, vulnerable},
    strata::{User, images},
};

fn ids(document: &Value) -> Vec<String> {
    let findings = document["images"][0]["findings"].as_array().expect("findings").iter();
    let mut ids: Vec<String> = findings.map(|one| format!("{} {}", one["id"], one["package"])).collect();
    ids.sort();
    ids
}

#[test]
fn an_image_its_root_and_its_bill_of_materials_have_the_same_findings() {
    let user = User::new();
    let beside = serve(vulnerable(), Options::default());
    let image = format!("{}/app:1", beside.registry.host());
    let bill = user.home.path().join("app.cdx.json").display().to_string();
    let other = user.home.path().join("app.spdx.json").display().to_string();
    let written = [format!("cyclonedx={bill}"), format!("spdx={other}")];
    let (run, document) = user.json(&["scan", &image, "-o", &written[0], "-o", &written[1]]);
    run.expect(0, &[]);
    let expected = ids(&document);
    assert!(!expected.is_empty());
    let root = user.home.path().join("root");
    let files: [(&str, &str); 3] = [
        ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
        (
            "var/lib/dpkg/status",
            "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2.15-2+b7\n\n",
        ),
        ("app/node_modules/lodash/package.json", r#"{"name":"lodash","version":"4.17.4"}"#),
    ];
    for (path, content) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(path, content).expect("a file");
    }
    for reference in [format!("dir:{}", root.display()), format!("sbom:{bill}"), format!("sbom:{other}")] {
        let (run, document) = user.json(&["scan", &reference]);
        run.expect(0, &[]);
        assert_eq!(ids(&document), expected, "{reference}");
        assert_eq!(document["images"][0]["distribution"]["id"], "debian", "{reference}");
    }
    let archive = user.home.path().join("absent.tar").display().to_string();
    let url = format!("file://{archive}");
    for named in [vec!["scan", "--input", &archive], vec!["scan", "--image", &archive], vec!["scan", &url]] {
        user.run(&named).expect(2, &["absent.tar"]);
    }
    // A bill that names no system is no clean image.
    fs::write(
        &bill,
        r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"purl":"pkg:npm/a@1.0.0"}]}"#,
    )
    .expect("a file");
    user.run(&["scan", &format!("sbom:{bill}"), "--fail-on-problems"]).expect(1, &["unknown-distribution"]);
    fs::write(&bill, "{}").expect("a file");
    user.run(&["scan", &format!("sbom:{bill}")]).expect(3, &["app.cdx.json", "neither CycloneDX nor SPDX"]);
    user.run(&["scan", "docker-daemon:a b"]).expect(2, &["no image's name"]);
}

#[test]
fn every_platform_of_an_index_is_an_image() {
    let user = User::new();
    let mut fixed = Fixed::new();
    let mut entries = Vec::new();
    for (arch, name, version) in [(Arch::Amd64, "amd64", "4.17.4"), (Arch::Arm64, "arm64", "4.17.21")] {
        let lodash = format!(r#"{{"name":"lodash","version":"{version}"}}"#);
        let files = [("app/node_modules/lodash/package.json", lodash.as_bytes())];
        let layers = [Blob::of_files(&files, Compression::Gzip).expect("a layer")];
        let digest =
            fixed.image(&FixedImage { repository: "app", tag: name, layers: &layers, arch, docker: false });
        entries.push(format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":1,"platform":{{"os":"linux","architecture":"{name}"}}}}"#
        ));
    }
    let index =
        format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#, entries.join(","));
    fixed.add_manifest("app", Some("multi"), Manifest::new(OCI_INDEX, index));
    let beside = serve(fixed, Options::default());
    let image = format!("{}/app:multi", beside.registry.host());
    let scan = |flags: &[&str]| user.json(&[&["scan", image.as_str()], flags].concat());
    let platforms = |document: &Value| -> Vec<String> {
        let mut names: Vec<String> = images(document)
            .iter()
            .map(|image| image["platform"].as_str().expect("a name").to_owned())
            .collect();
        names.sort();
        names
    };
    for flags in [&["--all-platforms"][..], &["--platform", "linux/arm64,linux/amd64"]] {
        let (run, document) = scan(flags);
        run.expect(0, &[]);
        assert_eq!(platforms(&document), ["linux/amd64", "linux/arm64"], "{flags:?}");
        assert_eq!((&document["state"], &document["summary"]["images"]), (&"completed".into(), &2.into()));
    }
    assert_eq!(platforms(&scan(&[]).1), ["linux/amd64"]);
    let (run, document) = scan(&["--platform", "linux/amd64,linux/s390x"]);
    run.expect(3, &["linux/s390x", "available: linux/amd64, linux/arm64"]);
    assert_eq!(
        (platforms(&document), &document["state"]),
        (vec!["linux/amd64".into()], &"completed-with-failures".into())
    );
}
