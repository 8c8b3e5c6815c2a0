//! Databases for tests, and a file that is replaced while scans are pinned to it.

use strata_analysis::database::Builder;

use super::*;

/// A database with one advisory of that number, and its digest.
pub(super) fn database(number: u32) -> (Vec<u8>, String) {
    let record = format!(
        r#"{{"id": "GHSA-{number}", "modified": "2026-01-01T00:00:{number:02}Z", "affected": [{{
            "package": {{"ecosystem": "npm", "name": "left-pad"}},
            "ranges": [{{"type": "SEMVER", "events": [{{"introduced": "0"}}, {{"fixed": "1.0.0"}}]}}]}}]}}"#
    );
    let mut builder = Builder::new();
    builder.add("test", record.as_bytes());
    let built = builder.finish().expect("one advisory");
    let digest = Database::open(&built.bytes).expect("a database").digest();
    (built.bytes, digest)
}

fn put(path: &Path, number: u32) -> String {
    let (bytes, digest) = database(number);
    let new = path.with_extension("new");
    std::fs::write(&new, bytes).expect("written");
    // A file of the same size within the same tick of the clock would look the same.
    let then = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(number));
    File::options().append(true).open(&new).and_then(|file| file.set_modified(then)).expect("dated");
    std::fs::rename(&new, path).expect("renamed");
    digest
}

#[tokio::test]
async fn replaced_files_serve_the_scans_that_are_pinned_to_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("advisories.strata");
    let digests: Vec<String> = (0..7).map(|number| put(&path, number)).collect();
    put(&path, 0);
    let advisories = FileAdvisories::open(&path).expect("it opens");
    for number in 1..7 {
        put(&path, number);
        assert_eq!(advisories.current().expect("it is read").digest(), digests[number as usize]);
    }
    let has = async |digest: &str| advisories.database(digest).await.expect("no failure").is_some();
    for (digest, wanted) in digests.iter().zip([false, false, true, true, true, true, true]) {
        assert_eq!(has(digest).await, wanted, "the last one and the {REPLACED} before it");
    }
    assert!(has("").await);
    std::fs::write(&path, "no database").expect("written");
    assert!(has(&digests[5]).await, "a broken file is no matter for who is pinned to another");
    let broken = advisories.database("").await.err().expect("a broken file is no empty answer");
    assert!(broken.later && broken.message.contains("advisories.strata"), "{broken}");
}
