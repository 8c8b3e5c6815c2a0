//! A new database: only the images that hold what it speaks of anew are assessed, and every report is as a sweep from nothing
//! would have made it.

use strata_cli::command::build;
use strata_coordinator::{
    archive::{report, sqlite::SqliteArchive},
    ports::Archive as _,
};
use strata_loadtest::{content::Fixed, registry::Registry};
use strata_proto::v1::{Report, ScanState};
use tokio::runtime::Runtime;

use crate::{fixture, strata::User};

const IMAGES: u64 = 20;
/// Images with the package of which the new database speaks anew.
const TOUCHED: u64 = 3;

/// Every image has lodash; the first ones have minimist too, and each a package of its own that no advisory names.
fn registry(runtime: &Runtime) -> Registry {
    let mut fixed = Fixed::new();
    for number in 0..IMAGES {
        let package = |name: &str, version: &str| {
            let path = format!("app/node_modules/{name}/package.json");
            (path, format!(r#"{{"name":"{name}","version":"{version}"}}"#))
        };
        let mut files = vec![package("lodash", "4.17.4"), package(&format!("own-{number}"), "1.0.0")];
        if number < TOUCHED {
            files.push(package("minimist", "1.2.0"));
        }
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
        fixture::image(&mut fixed, &format!("app{number}"), &files, false);
    }
    fixture::serve(runtime, fixed)
}

/// An advisory of one npm package.
fn advisory(id: &str, package: &str, fixed: &str, modified: &str) -> (String, String) {
    let record = serde_json::json!({
        "id": id, "modified": modified, "summary": "A flaw",
        "affected": [{"package": {"ecosystem": "npm", "name": package},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}],
    });
    (format!("npm/{id}.json"), record.to_string())
}

fn write(user: &User, advisories: &[(String, String)]) {
    let texts: Vec<(&str, &str)> =
        advisories.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let built = build::compile_texts(&texts).expect("sound advisories");
    build::write(&built, &user.database()).expect("a database");
}

/// The reports of a user's last sweep, by reference, with their ids.
async fn reports(user: &User) -> Vec<(String, String, Report)> {
    let archive = SqliteArchive::open(&user.home.path().join("cache/archive.sqlite")).await.expect("opened");
    let scan = archive.scans(1, "").await.expect("listed").pop().expect("a sweep");
    assert_eq!(scan.state(), ScanState::Completed);
    let mut found = Vec::new();
    for event in archive.events(&scan.id, 0, 1_000).await.expect("read") {
        if let Some(strata_proto::v1::event::Kind::Reported(one)) = event.kind {
            let report = archive.report(&one.report_id).await.expect("read").expect("there");
            found.push((one.references.join(" "), one.report_id, report));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// What the difference concerns is known before anything is assessed.
fn touched(user: &User, old: &std::path::Path) {
    let new = user.database();
    let paths = [old, &new].map(|path| path.to_str().expect("a path"));
    let diff = |pair: [&str; 2]| {
        let (run, document) = user.json(&["db", "diff", pair[0], pair[1], "--archive"]);
        run.expect(0, &[]);
        document
    };
    let document = diff(paths);
    let counts = ["touched", "unknown", "untouched"].map(|name| document[name].as_u64().expect("a number"));
    assert_eq!(counts, [TOUCHED, 0, IMAGES - TOUCHED], "{document}");
    let images = document["images"].as_array().expect("images");
    let named: std::collections::BTreeSet<&str> =
        images.iter().filter_map(|image| image["references"][0].as_str()?.rsplit('/').next()).collect();
    assert_eq!(named, ["app0:1", "app1:1", "app2:1"].into(), "{document}");
    assert!(images.iter().all(|image| image["state"] == "touched"), "{document}");
    let same = diff([paths[0]; 2]);
    assert_eq!((same["touched"].as_u64(), same["untouched"].as_u64()), (Some(0), Some(IMAGES)), "{same}");
    let table = user.run(&["db", "diff", paths[0], paths[1], "--archive"]);
    table.expect(0, &["app1:1", "3 touched, 0 unknown, 17 untouched"]);
}

#[test]
fn a_new_database_has_only_those_images_assessed_of_which_it_says_something_new() {
    let (user, other, runtime) =
        (User::without_database(), User::without_database(), crate::cluster::runtime());
    let registry = registry(&runtime);
    let host = registry.host();
    let lodash = advisory("GHSA-aaaa-aaaa-aaaa", "lodash", "4.17.21", "2026-01-01T00:00:00Z");
    let before =
        [lodash.clone(), advisory("GHSA-bbbb-bbbb-bbbb", "minimist", "1.2.6", "2026-01-01T00:00:00Z")];
    let after = [
        lodash,
        advisory("GHSA-bbbb-bbbb-bbbb", "minimist", "1.2.7", "2026-02-02T00:00:00Z"),
        advisory("GHSA-cccc-cccc-cccc", "nobody-has-it", "1.0.0", "2026-02-02T00:00:00Z"),
    ];
    write(&user, &before);
    let (run, first) = user.json(&["sweep", &host]);
    run.expect(0, &[]);
    let ledger = |document: &serde_json::Value| {
        let ledger = &document["summary"];
        ["enumerated", "reported", "unchanged"].map(|name| ledger[name].as_u64().unwrap_or_default())
    };
    assert_eq!(ledger(&first), [IMAGES, IMAGES, 0], "{first}");

    let old = user.home.path().join("old.db");
    std::fs::copy(user.database(), &old).expect("a copy");
    write(&user, &after);
    touched(&user, &old);
    let (run, second) = user.json(&["sweep", &host]);
    run.expect(0, &[]);
    assert_eq!(ledger(&second), [IMAGES, TOUCHED, IMAGES - TOUCHED]);

    // From nothing, with the new database.
    write(&other, &after);
    other.run(&["sweep", &host]).expect(0, &[]);
    let (held, anew) = runtime.block_on(async { (reports(&user).await, reports(&other).await) });
    assert_eq!((held.len() as u64, anew.len() as u64), (IMAGES, IMAGES));
    for (held, anew) in held.iter().zip(&anew) {
        assert_eq!((&held.0, &held.1), (&anew.0, &anew.1), "names and ids");
        let bytes = |report| report::pack(report).expect("packed");
        assert_eq!(bytes(&held.2), bytes(&anew.2), "{}", held.0);
        assert_eq!(held.2, anew.2, "{}", held.0);
        assert_eq!(held.2.database_modified, "2026-02-02T00:00:00Z");
    }
    drop(registry);
}
