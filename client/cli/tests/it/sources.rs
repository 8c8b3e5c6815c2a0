//! `strata db build` from files of several sources: recognised by their content, an unchanged one not read again, and the
//! end of life in the reports.

use std::{fs, io::Write as _, path::Path};

use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage},
    registry::{Options, Registry},
};

use crate::strata::User;

const AMAZON: &str = r#"<?xml version="1.0"?><updates><update type="security"><id>ALAS2-2021-1700</id><title>t</title>
<updated date="2021-08-01 00:00:00"/><severity>important</severity><references><reference id="CVE-2021-33909" type="cve"/>
</references><pkglist><collection><package name="bash" version="4.2.46" release="34.amzn2" epoch="0" arch="x86_64"/>
</collection></pkglist></update></updates>"#;
const PHOTON: &str = r#"[{"cve_id": "CVE-2021-3", "pkg": "bash", "cve_score": 7.1, "aff_ver": "", "res_ver": "5.1-2.ph4"}, {"pkg": 1}]"#;

fn zip(path: &Path, records: &[(&str, &str)]) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    let mut writer = zip::ZipWriter::new(fs::File::create(path).expect("a file"));
    for (name, json) in records {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("a member");
        writer.write_all(json.as_bytes()).expect("its bytes");
    }
    writer.finish().expect("a zip");
}

/// One record of an ecosystem.
fn record(id: &str, ecosystem: &str, package: &str) -> String {
    format!(
        r#"{{"id": "{id}", "modified": "2024-05-06T07:08:09Z", "aliases": ["CVE-2024-1"], "affected": [{{"package":
        {{"ecosystem": "{ecosystem}", "name": "{package}"}}, "ranges": [{{"type": "ECOSYSTEM", "events": [{{"introduced":
        "0"}}, {{"fixed": "2.0.0"}}]}}]}}]}}"#
    )
}

#[test]
fn a_change_of_one_file_reads_that_file_only_and_gives_the_same_bytes_as_reading_all() {
    let user = User::without_database();
    let place = tempfile::tempdir().expect("a directory");
    let at = |name: &str| place.path().join(name);
    let text = |name: &str| at(name).to_string_lossy().into_owned();
    zip(&at("in/npm/all.zip"), &[("GHSA-1.json", &record("GHSA-1", "npm", "a"))]);
    zip(&at("in/PyPI/all.zip"), &[("GHSA-1.json", &record("GHSA-1", "PyPI", "a")), ("bad.json", "{")]);
    fs::write(at("in/updateinfo.xml"), AMAZON).expect("a file");
    fs::write(at("in/photon.json"), PHOTON).expect("a file");
    fs::write(at("in/notes.txt"), "a note").expect("a file");
    let build = |output: &str, parts: bool, expected: &[&str]| {
        let (from, output, parts_directory) = (text("in"), text(output), text("parts"));
        let mut words = vec!["db", "build", "--from", &from, "--output", &output];
        if parts {
            words.extend(["--parts", &parts_directory]);
        }
        user.run(&words).expect(0, expected);
        fs::read(&output).expect("a database")
    };
    let all = build(
        "all",
        false,
        &["4 files read, 0 unchanged", "malformed in PyPI: 1", "malformed in photon.json: 1"],
    );
    assert_eq!(build("first", true, &["4 files read, 0 unchanged"]), all);
    assert_eq!(build("second", true, &["0 files read, 4 unchanged", "malformed in PyPI: 1"]), all);
    zip(&at("in/npm/all.zip"), &[("GHSA-2.json", &record("GHSA-2", "npm", "b"))]);
    let changed = build("third", true, &["1 files read, 3 unchanged"]);
    assert_ne!(changed, all);
    assert_eq!(build("fourth", false, &["4 files read"]), changed);
    // A part that was damaged is read again from its file, and parts of what is gone are removed.
    let parts = || -> Vec<_> {
        fs::read_dir(at("parts")).expect("parts").map(|entry| entry.expect("a part").path()).collect()
    };
    assert_eq!(parts().len(), 4);
    let damaged = parts().into_iter().next().expect("a part");
    fs::write(&damaged, b"damaged").expect("a part");
    assert_eq!(build("fifth", true, &["1 files read, 3 unchanged"]), changed);
    user.run(&["db", "status", "--db", &text("fifth")])
        .expect(0, &["Source", "Amazon Linux:2", "Photon OS:4.0", "OSV"]);
}

#[test]
fn a_file_of_no_source_is_refused_with_what_is_known() {
    let user = User::without_database();
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("x.xml");
    fs::write(&file, "<html/>").expect("a file");
    let file = file.to_string_lossy().into_owned();
    user.run(&["db", "build", "--from", &file]).expect(2, &["x.xml", "no source", "updateinfo.xml"]);
}

#[test]
fn a_distribution_past_its_end_is_flagged_with_the_date() {
    let user = User::without_database();
    let place = tempfile::tempdir().expect("a directory");
    let (advisories, table) = (place.path().join("updateinfo.xml"), place.path().join("own.csv"));
    fs::write(&advisories, AMAZON).expect("a file");
    let (advisories, table_path) =
        (advisories.to_string_lossy().into_owned(), table.to_string_lossy().into_owned());
    let build = |end: &str| {
        let text = format!("distribution,release,end,extended,source\namzn,2,{end},2040-01-01,the test\n");
        fs::write(&table, text).expect("a table");
        user.run(&["db", "build", "--from", &advisories, "--lifecycle", &table_path])
            .expect(0, &["1 advisories"]);
    };
    let mut fixed = Fixed::new();
    let release: &[u8] = b"ID=amzn\nVERSION_ID=2\nPRETTY_NAME=\"Amazon Linux 2\"\n";
    let blob = Blob::of_files(&[("etc/os-release", release)], Compression::Gzip).expect("a layer");
    fixed.image(&FixedImage {
        repository: "app",
        tag: "1",
        layers: &[blob],
        arch: Arch::Amd64,
        docker: false,
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let registry = runtime.block_on(Registry::start(fixed, Options::default())).expect("a registry");
    let image = format!("{}/app:1", registry.host());
    build("2021-07-31");
    user.run(&["scan", &image]).expect(
        0,
        &[
            "END OF LIFE since 2021-07-31",
            "extended support until 2040-01-01",
            "PROBLEM end-of-life",
            "the test",
        ],
    );
    build("2021-08-01");
    let (_, document) = user.json(&["scan", &image]);
    let image = &document["images"][0];
    assert_eq!(image["distribution"]["end_of_life"], "2021-08-01");
    assert!(image["distribution"].get("ended").is_none(), "the last day is one of support");
    let codes = image["problems"].as_array().expect("problems").iter().map(|problem| &problem["code"]);
    assert!(codes.into_iter().all(|code| code != "end-of-life"));
}
