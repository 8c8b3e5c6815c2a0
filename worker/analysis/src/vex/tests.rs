//! The cases of `testdata/vex/<case>/`: documents, and `expected.txt`, what they say of the findings that it lists, a line
//! each: `PURL ID[,ALIAS…] => TEXT`, where `-` is no suppression.

use std::{fs, path::Path};

use super::{Flaw, Image, VexError, apply, parse};

/// The image of all cases.
const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const PURL: &str = "pkg:oci/app?repository_url=registry.example/app";

#[test]
fn every_case_gives_what_it_expects() {
    let mut cases = 0;
    for case in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/vex")).unwrap() {
        let case = case.unwrap().path();
        let mut documents: Vec<_> = fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().path()).collect();
        documents.sort();
        documents.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        let statements: Vec<_> =
            documents.iter().flat_map(|path| parse(&fs::read(path).unwrap()).unwrap()).collect();
        for line in fs::read_to_string(case.join("expected.txt")).unwrap().lines() {
            let (finding, expected) = line.split_once(" => ").unwrap();
            let (purl, ids) = finding.split_once(' ').unwrap();
            let flaw = Flaw { purl, ids: ids.split(',').collect() };
            let image = Image { digests: &[DIGEST], purls: &[PURL] };
            let found = apply(image, &[flaw], &statements);
            let text = found[0].as_ref().map_or("-", |suppression| suppression.text.as_str());
            assert_eq!(text, expected, "{}: {finding}", case.display());
            cases += 1;
        }
    }
    assert!(cases >= 20, "only {cases} cases were found");
}

#[test]
fn no_finding_is_dropped_and_order_is_kept() {
    let statements = parse(
        br#"{"@context":"https://openvex.dev/ns/v0.2.0","statements":[
        {"vulnerability":{"name":"CVE-1"},"products":[{"@id":"pkg:npm/a"}],"status":"not_affected"}]}"#,
    )
    .unwrap();
    let flaw = |purl, id| Flaw { purl, ids: vec![id] };
    let flaws = [flaw("pkg:npm/b@1", "CVE-1"), flaw("pkg:npm/a@1", "cve-1"), flaw("pkg:npm/a@1", "CVE-2")];
    let found = apply(Image::default(), &flaws, &statements);
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(apply(Image::default(), &flaws, &[]), [None, None, None]);
}

#[test]
fn other_documents_are_errors() {
    for (text, expected) in [
        ("{}", "the document is no OpenVEX, CSAF or CycloneDX"),
        ("[", "the JSON document is malformed"),
        (r#"{"bomFormat":"CycloneDX","vulnerabilities":3}"#, "the CycloneDX document is malformed"),
        (r#"{"document":{},"product_tree":3}"#, "the CSAF document is malformed"),
        (r#"{"@context":"x","statements":[{}]}"#, "the OpenVEX document is malformed"),
    ] {
        assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn groups_of_groups_meet_the_limit() {
    let ids = vec![r#""p""#; 2_000].join(",");
    let groups = vec![r#""g""#; 2_000].join(",");
    let text = format!(
        r#"{{"document":{{}},"product_tree":{{"product_groups":[{{"group_id":"g","product_ids":[{ids}]}}]}},
            "vulnerabilities":[{{"cve":"CVE-1","flags":[{{"label":"x","group_ids":[{groups}]}}]}}]}}"#
    );
    assert!(matches!(parse(text.as_bytes()), Err(VexError::Limit(_))));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// A damaged document gives statements or an error.
    #[test]
    fn damage_never_panics(at in 0..4_000_usize, byte in proptest::prelude::any::<u8>(), end in 0..4_000_usize) {
        for case in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/vex")).unwrap() {
            for file in fs::read_dir(case.unwrap().path()).unwrap() {
                let mut bytes = fs::read(file.unwrap().path()).unwrap();
                let length = bytes.len();
                bytes[at % length] = byte;
                bytes.truncate(end.max(1));
                let _ = parse(&bytes);
            }
        }
    }
}
