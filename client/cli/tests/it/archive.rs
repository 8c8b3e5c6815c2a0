//! Reports for audits: exported, verified elsewhere, and damage that is named.

use std::{fs, path::Path, process::Command};

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{access::run_with, cluster::runtime, fixture, servers::output, strata::User};

const COMMIT: &str = "6909610f00000000000000000000000000000001";

/// A user whose archive has one report, of that commit. The registry is gone afterwards, and the image with it.
fn archived() -> User {
    let (user, runtime) = (User::new(), runtime());
    let registry = fixture::serve(&runtime, fixture::lodash());
    let image = format!("{}/app:1", registry.host());
    run_with(&user, &["scan", &image], &[("STRATA_SOURCE_COMMIT", COMMIT)]).expect(0, &["lodash"]);
    user
}

/// Changes the only place where these bytes are, by one bit.
fn damage(file: &Path, marker: &[u8]) {
    let mut bytes = fs::read(file).expect("a file");
    let places: Vec<usize> = bytes
        .windows(marker.len())
        .enumerate()
        .filter_map(|(at, window)| (window == marker).then_some(at))
        .collect();
    let at = *places.last().expect("the marker is there");
    bytes[at + marker.len()] ^= 1;
    fs::write(file, bytes).expect("written");
}

#[test]
fn an_export_verifies_anywhere_and_damage_is_named() {
    let (user, place) = (archived(), tempfile::tempdir().expect("a directory"));
    let (export, again) = (place.path().join("audit.zip"), place.path().join("again.zip"));
    let (export_text, again_text) = (export.display().to_string(), again.display().to_string());
    let made = user.run(&["archive", "export", "--commit", &COMMIT[..8], "-o", &export_text]);
    made.expect(0, &["1 report, SHA256SUMS sha256:"]);
    let sums = made.out.split_whitespace().last().expect("a digest").to_owned();
    // On a machine that knows nothing of it.
    let auditor = User::without_database();
    auditor.run(&["archive", "verify", &export_text]).expect(0, &["3 parts", &sums, "0 wrong"]);
    user.run(&["archive", "export", "--commit", "0000000", "-o", &again_text])
        .expect(2, &["nothing is exported"]);
    assert!(!again.exists());
    let unpacked = place.path().join("unpacked");
    let mut unzip = zip::ZipArchive::new(fs::File::open(&export).expect("a file")).expect("a zip");
    unzip.extract(&unpacked).expect("unpacked");
    let directory = unpacked.display().to_string();
    auditor.run(&["archive", "verify", &directory]).expect(0, &["3 parts", &sums, "0 wrong"]);
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--strict", "SHA256SUMS"]).current_dir(&unpacked);
    assert!(output(&mut check).status.success(), "sha256sum reads the same list");
    let report = fs::read_dir(&unpacked)
        .expect("parts")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.is_dir())
        .expect("a report");
    let summary = fs::read_to_string(report.join("summary.json")).expect("a summary");
    assert!(summary.contains(COMMIT) && summary.contains("\"database\""), "{summary}");
    damage(&report.join("report.json"), b"4.17.4");
    fs::remove_file(report.join("sbom.cdx.json")).expect("removed");
    fs::write(report.join("more"), "").expect("added");
    auditor
        .run(&["archive", "verify", &directory])
        .expect(1, &["report.json: changed", "sbom.cdx.json: missing", "more: not in SHA256SUMS", "3 wrong"]);
    fs::write(unpacked.join("SHA256SUMS"), "00  ../../etc/passwd\n").expect("written");
    auditor.run(&["archive", "verify", &directory]).expect(2, &["is not a name in an export"]);
    damage(&export, b"report.json");
    let damaged = auditor.run(&["archive", "verify", &export_text]);
    assert!(damaged.code == 1 || damaged.code == 2, "{} {}", damaged.out, damaged.err);
}

/// A new key on P-256 as two files: private in PKCS#8, public.
fn key(directory: &Path, name: &str) -> (String, String) {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    let document = document.expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref()).expect("a key");
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("encoded");
    let write = |label: &str, bytes: &[u8]| {
        let path = directory.join(format!("{name}.{}.pem", label.replace(' ', "-")));
        let text = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(bytes));
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    (write("PRIVATE KEY", document.as_ref()), write("PUBLIC KEY", public.as_ref()))
}

#[test]
fn a_signed_export_is_known_by_its_key() {
    let (user, place) = (archived(), tempfile::tempdir().expect("a directory"));
    let ((private, public), (_, other)) = (key(place.path(), "ours"), key(place.path(), "other"));
    let path = |name: &str| place.path().join(name).display().to_string();
    let (signed, plain) = (path("signed.zip"), path("plain.zip"));
    user.run(&["report", "export", "--commit", COMMIT, "--key", &private, "-o", &signed])
        .expect(0, &["1 report, signed, SHA256SUMS sha256:"]);
    user.run(&["report", "export", "--commit", COMMIT, "-o", &plain]).expect(0, &["1 report, SHA256SUMS"]);
    let auditor = User::without_database();
    let verify = |export: &str, key: &str| auditor.run(&["archive", "verify", export, "--key", key]);
    verify(&signed, &public).expect(0, &["3 parts", "signed by this key", "0 wrong"]);
    auditor.run(&["archive", "verify", &signed]).expect(0, &["signed (not checked", "0 wrong"]);
    verify(&signed, &other).expect(1, &["SHA256SUMS.dsse.json: is not signed by this key", "1 wrong"]);
    verify(&plain, &public).expect(1, &["the export is not signed", "1 wrong"]);
    verify(&signed, &private).expect(2, &["failed to use the key"]);
    // Who changes a part and the list to fit cannot sign it.
    let unpacked = place.path().join("unpacked");
    let mut unzip = zip::ZipArchive::new(fs::File::open(&signed).expect("a file")).expect("a zip");
    unzip.extract(&unpacked).expect("unpacked");
    let directory = unpacked.display().to_string();
    verify(&directory, &public).expect(0, &["signed by this key", "0 wrong"]);
    fs::write(unpacked.join("SHA256SUMS"), "").expect("written");
    verify(&directory, &public).expect(1, &["SHA256SUMS.dsse.json: signs something else"]);
    let wrong =
        user.run(&["report", "export", "--commit", COMMIT, "--key", &public, "-o", &path("none.zip")]);
    wrong.expect(2, &["failed to use the key", "PKCS#8"]);
}

#[test]
fn a_held_report_says_so_until_it_is_released() {
    let user = archived();
    let found = user.run(&["report", "search", "--commit", COMMIT, "-f", "json"]);
    let found: serde_json::Value = serde_json::from_str(&found.out).expect("JSON");
    let id = found[0]["report"].as_str().expect("an id");
    user.run(&["report", "hold", id, "--reason", "case 7"])
        .expect(0, &["held by this machine since 20", "case 7"]);
    let held = user.run(&["report", "search", "--commit", COMMIT, "-f", "json"]);
    held.expect(0, &["\"reason\": \"case 7\"", "\"by\": \"this machine\""]);
    user.run(&["report", "search", "--commit", COMMIT]).expect(0, &["held by this machine"]);
    user.run(&["report", "release", id]).expect(0, &["released; it was held by this machine since 20"]);
    user.run(&["report", "release", id]).expect(2, &["is held"]);
    user.run(&["report", "hold", "none", "--reason", "case 7"]).expect(2, &["there is no report none"]);
}

#[test]
fn a_store_is_verified_report_by_report() {
    let user = archived();
    user.run(&["archive", "verify"]).expect(0, &["1 report, 0 wrong"]);
    let cache = user.home.path().join("cache").display().to_string();
    user.run(&["archive", "verify", &cache]).expect(0, &["1 report, 0 wrong"]);
    let nothing = user.home.path().display().to_string();
    user.run(&["archive", "verify", &nothing])
        .expect(2, &["neither an unpacked export nor a cache directory"]);
}
