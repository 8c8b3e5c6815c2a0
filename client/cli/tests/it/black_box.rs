//! `strata` alone: what works, and what bad input says. Each bad thing gets one clear sentence that names it, the right
//! exit code, and never "0 findings"; other images of the scan go on.

use std::{fs, path::Path};

use serde_json::Value;
use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage, Plan, Store, Synthetic},
    registry::{Auth, Catalog, Faults, Login, Options, Registry},
};
use tempfile::TempDir;

use crate::strata::{User, images, shared};

const STATUS: &[u8] =
    b"Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2.15-2+b7\n\n";
const DEBIAN: &[u8] = b"ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";

/// A registry that runs beside the test.
pub(crate) struct Beside {
    pub(crate) registry: Registry,
    _runtime: tokio::runtime::Runtime,
}

pub(crate) fn serve(store: impl Store + 'static, options: Options) -> Beside {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let registry = runtime.block_on(Registry::start(store, options)).expect("a registry");
    Beside { registry, _runtime: runtime }
}

fn image(fixed: &mut Fixed, repository: &str, files: &[(&str, &[u8])]) -> Blob {
    let blob = Blob::of_files(files, Compression::Gzip).expect("a layer");
    let layers = [blob.clone()];
    fixed.image(&FixedImage { repository, tag: "1", layers: &layers, arch: Arch::Amd64, docker: false });
    blob
}

fn debian(fixed: &mut Fixed, repository: &str) -> Blob {
    image(fixed, repository, &[("etc/os-release", DEBIAN), ("var/lib/dpkg/status", STATUS)])
}

/// `app:1` has an old lodash.
pub(crate) fn vulnerable() -> Fixed {
    let mut fixed = Fixed::new();
    let lodash = br#"{"name":"lodash","version":"4.17.4"}"#;
    let files: [(&str, &[u8]); 3] = [
        ("etc/os-release", DEBIAN),
        ("var/lib/dpkg/status", STATUS),
        ("app/node_modules/lodash/package.json", lodash),
    ];
    image(&mut fixed, "app", &files);
    fixed
}

#[test]
fn the_demo_accounts_for_everything_it_made() {
    let user = User::without_database();
    let (run, document) = user.json(&["demo"]);
    run.expect(0, &["completed in", "distinct"]);
    let expected = Synthetic::new(Plan::demo()).expected(Arch::Amd64).expect("the truth");
    let summary = &document["summary"];
    assert_eq!(summary["enumerated"], expected.references, "{summary}");
    assert_eq!(summary["reported"], expected.references - expected.skipped, "{summary}");
    assert_eq!(summary["distinct_layers"], expected.distinct_layers, "{summary}");
    assert_eq!(summary["layers_analysed"], expected.distinct_layers, "each layer once: {summary}");
    assert_eq!(images(&document).len(), expected.images.len());
    for truth in &expected.images {
        let digest = truth.digest.to_string();
        let image = images(&document).into_iter().find(|image| image["digest"] == digest.as_str());
        let image = image.unwrap_or_else(|| panic!("{} is missing", truth.repository));
        let mut found: Vec<_> = image["packages"].as_array().expect("packages").iter().map(package).collect();
        found.sort();
        let want: Vec<_> = truth
            .packages
            .iter()
            .map(|package| {
                (
                    package.file.clone(),
                    package.ecosystem.to_owned(),
                    package.name.clone(),
                    package.version.clone(),
                    package.layer,
                )
            })
            .collect();
        assert_eq!(found, want, "{} {:?}", truth.repository, truth.tags);
    }
    assert!(summary["findings"]["HIGH"].as_u64() > Some(0), "{summary}");
}

fn package(package: &Value) -> (String, String, String, String, usize) {
    let text = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
    let layer = package["layer"].as_u64().and_then(|layer| usize::try_from(layer).ok()).expect("a layer");
    (text("file"), text("ecosystem"), text("name"), text("version"), layer)
}

#[test]
fn one_bad_image_never_hides_the_others() {
    let mut fixed = Fixed::new();
    debian(&mut fixed, "good");
    let gone = image(&mut fixed, "layer-gone", &[("etc/os-release", DEBIAN), ("x", b"1")]);
    fixed.remove_blob(&gone.descriptor.digest);
    let wrong = image(&mut fixed, "wrong-bytes", &[("etc/os-release", DEBIAN), ("x", b"2")]);
    let other = Blob::of_files(&[("y", b"3")], Compression::Gzip).expect("a layer");
    fixed.blob_as(wrong.descriptor.digest, other.bytes);
    let short = image(&mut fixed, "truncated", &[("etc/os-release", DEBIAN), ("x", &[7; 5000])]);
    let half = short.bytes.slice(..short.bytes.len() / 2);
    let half_digest = strata_proto::digest::Digest::of(&half);
    let broken = Blob {
        bytes: half,
        descriptor: strata_loadtest::content::LayerDescriptor { digest: half_digest, ..short.descriptor },
    };
    fixed.image(&FixedImage {
        repository: "cut-layer",
        tag: "1",
        layers: &[broken],
        arch: Arch::Amd64,
        docker: false,
    });
    let beside = serve(fixed, Options::default());
    let host = beside.registry.host();
    let name = |repository: &str| format!("{host}/{repository}:1");
    let (good, gone, wrong, cut) = (name("good"), name("layer-gone"), name("wrong-bytes"), name("cut-layer"));
    let absent = name("no-such-repository");
    let (run, document) = User::new().json(&["scan", &good, &gone, &wrong, &cut, &absent]);
    run.expect(3, &["COMPLETED WITH FAILURES"]);
    assert_eq!(document["state"], "completed-with-failures");
    assert_eq!(images(&document).len(), 1, "the good one: {document}");
    assert_eq!(document["images"][0]["packages"][0]["name"], "bash");
    let failures = document["failures"].as_array().expect("failures");
    assert_eq!(failures.len(), 4, "{failures:?}");
    for (reference, code) in
        [(&gone, "not-found"), (&wrong, "digest-mismatch"), (&cut, "malformed"), (&absent, "not-found")]
    {
        let failure = failures.iter().find(|failure| failure["references"][0] == reference.as_str());
        let failure = failure.unwrap_or_else(|| panic!("{reference} is missing in {failures:?}"));
        assert_eq!(failure["code"], code, "{failure}");
        let message = failure["message"].as_str().expect("a message");
        assert!(
            message.contains("failed to")
                && (message.contains("sha256:") || message.contains(reference.as_str())),
            "{message}"
        );
    }
}

#[test]
fn a_refused_login_and_an_unknown_registry_are_named() {
    let login = Login { user: "reader".to_owned(), password: "correct".to_owned() };
    let mut fixed = Fixed::new();
    debian(&mut fixed, "team/app");
    let beside = serve(fixed, Options { auth: Auth::Basic(login), ..Options::default() });
    let host = beside.registry.host();
    let user = User::new();
    let reference = format!("{host}/team/app:1");
    user.run(&["scan", &reference]).expect(3, &[&reference, "unauthorized"]);
    // With the right password in docker's configuration it is read; with a wrong one it is refused.
    for (password, code) in [("correct", 0), ("wrong", 3)] {
        let auth = {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(format!("reader:{password}"))
        };
        let config = format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#);
        fs::create_dir_all(user.home.path().join(".docker")).expect("a directory");
        fs::write(user.home.path().join(".docker/config.json"), config).expect("a configuration");
        let run = user.run(&["scan", &reference, "-vv"]);
        run.expect(code, &[]);
        assert!(!run.err.contains(password) && !run.err.contains(&auth), "the password is in the log");
    }
    let nobody = format!("127.0.0.1:{}/app:1", crate::servers::free_port());
    user.run(&["scan", &nobody]).expect(3, &[&nobody]);
}

#[test]
fn a_registry_that_refuses_its_catalog_says_what_to_do() {
    let mut fixed = Fixed::new();
    debian(&mut fixed, "team/app");
    let beside = serve(fixed, Options { catalog: Catalog::Unauthorized, ..Options::default() });
    let (host, user) = (beside.registry.host(), User::new());
    user.run(&["sweep", &host]).expect(3, &["catalog", "--repository"]);
    user.run(&["sweep", &host, "--repository", "team/app"]).expect(0, &["team/app:1", "1 package"]);
    let list = user.home.path().join("list");
    fs::write(&list, "# ours\nteam/app\n").expect("a list");
    user.run(&["sweep", &host, "--repositories-from", list.to_str().expect("a path")])
        .expect(0, &["team/app:1"]);
}

#[test]
fn faults_that_pass_are_survived() {
    let plan = Plan { repositories: 3, ..Plan::demo() };
    let faults = Faults { seed: 5, server_error: 0.2, truncated: 0.1, per_path: 2, ..Faults::default() };
    let beside = serve(Synthetic::new(plan.clone()), Options { faults, ..Options::default() });
    let (run, document) = User::new().json(&["sweep", &beside.registry.host()]);
    run.expect(0, &["completed in"]);
    let expected = Synthetic::new(plan).expected(Arch::Amd64).expect("the truth");
    assert_eq!(document["summary"]["layers_analysed"], expected.distinct_layers);
    assert_eq!(images(&document).len(), expected.images.len());
}

#[test]
fn a_second_sweep_fetches_no_blob_assesses_nothing_and_says_the_same() {
    let beside = serve(Synthetic::new(Plan { repositories: 3, ..Plan::demo() }), Options::default());
    let (host, user) = (beside.registry.host(), User::new());
    let (run, first) = user.json(&["sweep", &host]);
    run.expect(0, &[]);
    beside.registry.reset_counts();
    let (run, second) = user.json(&["sweep", &host]);
    let all = first["summary"]["reported"].as_u64().expect("a number");
    run.expect(0, &[&format!("0 reported + {all} unchanged")]);
    assert_eq!((&second["summary"]["reported"], &second["summary"]["unchanged"]), (&0.into(), &all.into()));
    assert_eq!(second["unchanged"].as_array().map(Vec::len), Some(images(&first).len()));
    assert_eq!(first["unchanged"].as_array().map(Vec::len), Some(0));
    let counts = beside.registry.counts();
    let number = |value: &Value| value.as_u64().expect("a number");
    let skipped: u64 = second["summary"]["skipped"].as_object().expect("reasons").values().map(number).sum();
    assert_eq!((counts.manifest_heads, counts.blob_gets), (all, 0), "one HEAD for each image: {counts:?}");
    assert!(counts.manifest_gets <= skipped, "{counts:?}");
    assert!(beside.registry.blob_downloads().is_empty(), "{:?}", beside.registry.blob_downloads());
    assert_eq!(images(&first), images(&second));
    assert_eq!(second["summary"]["layers_analysed"], 0);
}

#[test]
fn an_unknown_distribution_and_an_empty_image_are_not_clean() {
    let mut fixed = Fixed::new();
    image(
        &mut fixed,
        "odd",
        &[("etc/os-release", b"ID=templeos\nVERSION_ID=5\n"), ("var/lib/dpkg/status", STATUS)],
    );
    image(&mut fixed, "none", &[("var/lib/dpkg/status", STATUS)]);
    image(&mut fixed, "empty", &[("hello", b"world")]);
    let beside = serve(fixed, Options::default());
    let host = beside.registry.host();
    let (run, document) = User::new().json(&["sweep", &host]);
    run.expect(0, &["3 with problems"]);
    for (image, codes) in images(&document).iter().zip([
        &["no-packages"][..],
        &["unknown-distribution"],
        &["unknown-distribution", "no-advisories"],
    ]) {
        let found: Vec<&str> = image["problems"]
            .as_array()
            .expect("problems")
            .iter()
            .filter_map(|problem| problem["code"].as_str())
            .collect();
        assert!(codes.iter().any(|code| found.contains(code)), "{}: {found:?}", image["references"]);
    }
    let run = User::new().run(&["scan", &format!("{host}/odd:1")]);
    run.expect(0, &["PROBLEM", "not known to be clean"]);
}

#[test]
fn databases_that_are_missing_or_broken_say_what_to_do() {
    let user = User::without_database();
    let reference = "127.0.0.1:1/app:1";
    user.run(&["scan", reference]).expect(2, &["advisory database", "strata db update", "advisories.strata"]);
    user.run(&["db", "status"]).expect(2, &["advisory database", "strata db build"]);
    let whole = fs::read(User::new().database()).expect("a database");
    let cases: &[(&str, Vec<u8>)] = &[
        ("empty", Vec::new()),
        ("text", b"this is not a database, though it is long enough to be one of some kind".repeat(10)),
        ("truncated", whole.get(..whole.len() / 2).expect("half").to_vec()),
    ];
    for (name, bytes) in cases {
        fs::write(user.database(), bytes).expect("a file");
        let run = user.run(&["scan", reference]);
        run.expect(3, &["failed to open the advisory database", "advisories.strata"]);
        assert!(!run.out.contains("0 findings"), "{name}: {}", run.out);
    }
}

#[test]
fn archives_that_are_broken_are_named() {
    let (user, directory) = (User::new(), TempDir::new().expect("a directory"));
    let path = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    fs::write(path("text.tar"), "not a tar at all").expect("a file");
    fs::write(path("empty.tar"), [0; 1024]).expect("a file");
    fs::create_dir(path("directory")).expect("a directory");
    for name in ["absent.tar", "text.tar", "empty.tar", "directory"] {
        let run = user.run(&["scan", &path(name)]);
        assert!([2, 3].contains(&run.code), "{name}: {} {}", run.code, run.err);
        assert!(run.err.contains(name), "{name} is not named: {}", run.err);
        assert!(!run.out.contains("finding"), "{name}: {}", run.out);
    }
    user.run(&["scan", "docker-archive:/nowhere/x.tar"]).expect(2, &["/nowhere/x.tar"]);
    user.run(&["scan", "UPPER/case"]).expect(2, &["UPPER/case"]);
    let Some(broken) = shared("fixtures/images") else { return };
    for entry in fs::read_dir(broken).expect("a directory").filter_map(Result::ok) {
        if entry.path().is_dir() {
            let run = user.run(&["scan", entry.path().to_str().expect("a path")]);
            assert!([2, 3].contains(&run.code), "{}: {}", entry.path().display(), run.out);
            assert!(!run.out.contains("finding"), "{}", run.out);
        }
    }
}

#[test]
fn the_real_alpine_archive_has_its_packages() {
    let Some(archive) = shared("fixtures/images/alpine-3.10.tar.gz") else { return };
    let (run, document) = User::new().json(&["scan", archive.to_str().expect("a path")]);
    run.expect(0, &[]);
    let packages = document["images"][0]["packages"].as_array().expect("packages");
    assert_eq!(packages.len(), 14, "{packages:?}");
    assert_eq!(document["images"][0]["distribution"]["version"], "3.10.2");
}

#[test]
fn usage_errors_have_their_code() {
    let user = User::new();
    for args in [
        &["scan"][..],
        &["nonsense"],
        &["scan", "a:1", "--format", "nope"],
        &["scan", "a:1", "--fail-on", "awful"],
        &["sweep", "-bad-"],
    ] {
        let run = user.run(args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.err);
    }
    assert_eq!(user.run(&["--version"]).code, 0);
}

#[test]
fn the_policy_decides_the_exit_code() {
    let beside = serve(vulnerable(), Options::default());
    let (user, reference) = (User::new(), format!("{}/app:1", beside.registry.host()));
    user.run(&["scan", &reference]).expect(0, &["lodash", "4.17.4"]);
    user.run(&["scan", &reference, "--fail-on", "HIGH"]).expect(1, &["lodash"]);
    user.run(&["scan", &reference, "--fail-on", "high", "--exit-code", "7"]).expect(7, &[]);
    let file = user.home.path().join("report.json");
    user.run(&["scan", &reference, "-f", "json", "-o", file.to_str().expect("a path")]).expect(0, &[]);
    assert!(Path::new(&file).metadata().is_ok_and(|data| data.len() > 500));
    // The archive remembers.
    user.run(&["report", "search", "--package", "lodash"]).expect(0, &["1 report", "app:1"]);
    user.run(&["report", "search", "--package", "nothing"]).expect(0, &["0 reports"]);
}

#[test]
fn a_vex_statement_suppresses_and_says_why() {
    let beside = serve(vulnerable(), Options::default());
    let (user, reference) = (User::new(), format!("{}/app:1", beside.registry.host()));
    let (run, plain) = user.json(&["scan", &reference, "--fail-on", "LOW"]);
    run.expect(1, &[]);
    let findings = plain["images"][0]["findings"].as_array().expect("findings");
    let statements: Vec<Value> = findings
        .iter()
        .map(|finding| {
            serde_json::json!({
                "vulnerability": {"name": finding["id"]},
                "products": [{"@id": finding["purl"]}],
                "status": "not_affected",
                "justification": "vulnerable_code_not_in_execute_path",
            })
        })
        .collect();
    let document = serde_json::json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.test/vex", "author": "test",
        "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": statements,
    });
    let file = user.home.path().join("vex.json");
    fs::write(&file, document.to_string()).expect("a file");
    let file = file.to_str().expect("a path");
    let (run, answered) = user.json(&["scan", &reference, "--fail-on", "LOW", "--vex", file]);
    run.expect(0, &[]);
    let kept = answered["images"][0]["findings"].as_array().expect("findings");
    assert_eq!(kept.len(), findings.len(), "suppressed findings are shown");
    assert!(
        kept.iter().all(|finding| finding["suppressed"].as_str().is_some_and(|why| !why.is_empty())),
        "{kept:?}"
    );
    fs::write(file, "{}").expect("a file");
    user.run(&["scan", &reference, "--vex", file])
        .expect(2, &["failed to read the VEX document", "vex.json"]);
}
