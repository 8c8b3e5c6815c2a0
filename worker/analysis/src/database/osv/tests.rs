use super::{EventKind, parse};

fn affected(json: &str) -> String {
    format!(r#"{{"id": "X-1", "affected": {json}}}"#)
}

#[test]
fn a_whole_record_is_read() {
    let json = br#"{"schema_version": "1.7.0", "id": " GHSA-1 ", "modified": "2024-01-02T03:04:05Z", "withdrawn": null,
        "summary": "First line\nsecond line", "details": "long", "aliases": ["CVE-2024-1", "", 7], "related": ["R-1"],
        "upstream": ["U-1"], "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}, {"type": "CVSS_V4"}],
        "database_specific": {"severity": "HIGH"}, "future_field": [1, {"a": null}],
        "affected": [{"package": {"ecosystem": "Brand New:1", "name": "it", "purl": "pkg:new/it"},
            "ecosystem_specific": {"urgency": "unimportant"}, "database_specific": {"status": "needed"},
            "severity": [{"type": "Ubuntu", "score": "low"}], "versions": ["1.0", " 1.1 "],
            "ranges": [{"type": "GIT", "repo": "https://example.org", "events": [{"introduced": "0"}]},
                {"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.2"}, {"limit": "*"}]}]}]}"#;
    let record = parse(json).expect("a record");
    assert_eq!((&*record.id, &*record.title, &*record.rating), ("GHSA-1", "First line", "HIGH"));
    assert!(!record.withdrawn && record.defects.is_empty(), "{:?}", record.defects);
    assert_eq!(record.aliases, ["CVE-2024-1"]);
    assert_eq!((record.severity.len(), record.git_ranges), (1, 1));
    let affected = &record.affected[0];
    assert_eq!((&*affected.ecosystem, &*affected.name), ("Brand New:1", "it"));
    assert_eq!((&*affected.rating, &*affected.status), ("unimportant", "needed"));
    assert_eq!(affected.versions, ["1.0", "1.1"]);
    let events: Vec<_> =
        affected.ranges[0].events.iter().map(|event| (event.kind, &*event.version)).collect();
    assert_eq!(events, [(EventKind::Introduced, "0"), (EventKind::Fixed, "1.2")]);
}

#[test]
fn what_is_no_advisory_is_refused_with_the_reason() {
    for (json, reason) in [
        ("", "not JSON"),
        ("[1, 2", "not JSON"),
        ("[]", "no identifier"),
        ("{}", "no identifier"),
        (r#"{"id": 5}"#, "no identifier"),
        (r#"{"id": ""}"#, "no identifier"),
    ] {
        let error = parse(json.as_bytes()).expect_err("no advisory");
        assert!(error.contains(reason), "{json}: {error}");
    }
    let deep = format!("{{\"id\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse(deep.as_bytes()).is_err_and(|error| error.contains("recursion")));
}

#[test]
fn a_part_that_cannot_be_read_is_named_and_the_rest_is_kept() {
    let good = r#"{"package": {"ecosystem": "npm", "name": "a"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]}"#;
    for (bad, defect) in [
        (r#"{"package": {"ecosystem": "npm"}}"#, "without an ecosystem or a name"),
        ("{}", "without an ecosystem or a name"),
        ("5", "without an ecosystem or a name"),
        (r#"{"package": {"ecosystem": "npm", "name": "b"}, "ranges": 5}"#, "`ranges` is not a list"),
        (
            r#"{"package": {"ecosystem": "npm", "name": "b"}, "ranges": [{"events": []}]}"#,
            "a range of type ``",
        ),
        (
            r#"{"package": {"ecosystem": "npm", "name": "b"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "1"}]}]}"#,
            "a range without a beginning",
        ),
        (
            r#"{"package": {"ecosystem": "npm", "name": "b"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"until": "1"}]}]}"#,
            "an event that says nothing",
        ),
    ] {
        let record = parse(affected(&format!("[{bad}, {good}]")).as_bytes()).expect("a record");
        assert!(record.defects.iter().any(|found| found.contains(defect)), "{bad}: {:?}", record.defects);
        assert_eq!(record.affected.last().map(|affected| affected.name.as_str()), Some("a"), "{bad}");
    }
    let record = parse(affected("7").as_bytes()).expect("a record");
    assert_eq!(record.defects, ["`affected` is not a list"]);
}

#[test]
fn a_record_about_a_repository_only_is_no_defect() {
    let json = affected(r#"[{"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}]"#);
    let record = parse(json.as_bytes()).expect("a record");
    assert!(record.defects.is_empty() && record.affected.is_empty());
    assert_eq!(record.git_ranges, 1);
}

#[test]
fn titles_are_one_short_line() {
    let title = |summary: &str| {
        let json = serde_json::json!({"id": "X-1", "summary": summary}).to_string();
        parse(json.as_bytes()).expect("a record").title
    };
    assert_eq!(title("  a\tb\u{1b}[31m \r\nrest"), "a b [31m");
    let long = title(&"wörd ".repeat(60));
    assert!(long.chars().count() <= 121 && long.ends_with("wörd…"), "{long}");
    assert_eq!(title(&"x".repeat(500)).chars().count(), 121);
}
