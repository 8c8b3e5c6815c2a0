//! Reports that say the same share what they say.

use futures::future::BoxFuture;
use prost::Message as _;
use strata_coordinator::{
    access::sight::Sight,
    archive::{content::Content, report},
    ports::{Archive, CopyReport, Forget, Forgotten, Keep, NewReport, PutReport},
};
use strata_proto::{
    content,
    digest::Digest,
    v1::{Report, ReportSummary, ScanState, SearchReportsRequest},
};

use super::suite::{self, names, new_report, scan};

/// A report of an image against a database.
fn against(image: &str, database: &str) -> Report {
    Report {
        image_digest: format!("sha256:{image}"),
        database_digest: format!("sha256:{database}"),
        database_modified: format!("2026-01-01 of {database}"),
        ..suite::report("", &["zlib", &format!("only-{image}")], &["CVE-2011-1", &format!("CVE-OF-{image}")])
    }
}

fn copy<'a>(id: &'a str, of: &'a str, database: [&'a str; 2], references: &'a [String]) -> CopyReport<'a> {
    let [database_digest, database_modified] = database;
    CopyReport {
        id,
        of,
        database_digest,
        database_modified,
        stored_unix_ms: 20,
        assessed_unix_ms: 10,
        scan: "k2",
        references,
    }
}

async fn found(archive: &dyn Archive, edit: impl FnOnce(&mut SearchReportsRequest)) -> Vec<ReportSummary> {
    let mut query = SearchReportsRequest { limit: 9, ..SearchReportsRequest::default() };
    edit(&mut query);
    archive.search(&query, &Sight::default()).await.expect("searched")
}

async fn ids(archive: &dyn Archive, edit: impl FnOnce(&mut SearchReportsRequest)) -> Vec<String> {
    found(archive, edit).await.into_iter().map(|one| one.report_id).collect()
}

async fn a_copy_is_as_its_original_and_outlives_it<A: Archive + Forget>(archive: &A) {
    for id in ["k1", "k2", "k3"] {
        archive.create_scan(&scan(id, ScanState::Completed, "")).await.expect("recorded");
    }
    let (first, references) = (against("copied", "one"), names(&["r.example/copied:1"]));
    let new = NewReport { asked: Some(b"keys"), ..new_report("first", &first, 10) };
    archive.put_report(new, "k1", &references).await.expect("stored");
    archive.put_report(new_report("silent", &against("silent", "one"), 10), "k1", &[]).await.expect("stored");
    let two = ["sha256:two", "2026-01-02"];
    let copies = [
        copy("copy", "first", two, &references),
        copy("of-none", "none", two, &references),
        copy("of-silent", "silent", two, &references),
        CopyReport { scan: "k3", ..copy("copy", "first", two, &references) },
    ];
    for _ in 0..2 {
        assert_eq!(archive.copy_reports(&copies).await.expect("copied"), [true, false, false, true]);
    }
    assert!(archive.copy_reports(&[]).await.expect("nothing to copy").is_empty());
    // A copy of the copy.
    let again = copy("again", "copy", ["sha256:three", "2026-01-03"], &references);
    assert_eq!(archive.copy_reports(&[again]).await.expect("copied"), [true]);
    let renamed = |digest: &str, modified: &str| Report {
        database_digest: digest.to_owned(),
        database_modified: modified.to_owned(),
        ..first.clone()
    };
    all_are_there(archive, &renamed).await;
    assert_eq!(archive.report("of-none").await.expect("read"), None);
    // What the original and the first copy are named in goes; what they say stays, with the terms that it is found by.
    let keep = Keep { scans_from: "k3".to_owned(), latest_from_unix_ms: i64::MIN, ..Keep::default() };
    forget(archive, &keep).await;
    assert_eq!(archive.report("first").await.expect("read"), None, "there is a newer one of its image");
    assert_eq!(archive.report("again").await.expect("read"), Some(renamed("sha256:three", "2026-01-03")));
    assert_eq!(
        ids(archive, |query| query.vulnerability = "CVE-OF-copied".to_owned()).await,
        ["again", "copy"]
    );
    assert_eq!(ids(archive, |query| query.package = "only-copied".to_owned()).await, ["again", "copy"]);
    let asked = archive.asked_reports(&names(&["again"])).await.expect("looked");
    assert_eq!(asked[0].asked, b"keys");
    let (checked, _) = archive.check(0).await.expect("checked");
    assert!(checked.iter().all(|one| one.known && one.wrong.is_none()), "{checked:?}");
}

async fn all_are_there(archive: &dyn Archive, renamed: &dyn Fn(&str, &str) -> Report) {
    for (id, report) in [
        ("first", renamed("sha256:one", "2026-01-01 of one")),
        ("copy", renamed("sha256:two", "2026-01-02")),
        ("again", renamed("sha256:three", "2026-01-03")),
    ] {
        assert_eq!(archive.report(id).await.expect("read"), Some(report), "{id}");
    }
    let all = ["again", "copy", "first"];
    assert_eq!(ids(archive, |query| query.vulnerability = "cve-of-copied".to_owned()).await, all);
    assert_eq!(ids(archive, |query| query.package = "only-copied".to_owned()).await, all);
    assert_eq!(ids(archive, |query| query.image_digest = "sha256:copied".to_owned()).await, all);
    let both = |query: &mut SearchReportsRequest| {
        query.package = "zlib".to_owned();
        query.vulnerability = "CVE-OF-copied".to_owned();
    };
    assert_eq!(ids(archive, both).await, all);
    let shown = found(archive, both).await;
    let shown: Vec<_> = shown
        .iter()
        .map(|one| {
            let times = (one.created_unix_ms, one.assessed_unix_ms);
            (one.database_digest.as_str(), one.database_modified.as_str(), times, one.packages)
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("sha256:three", "2026-01-03", (20, 10), 2),
            ("sha256:two", "2026-01-02", (20, 10), 2),
            ("sha256:one", "2026-01-01 of one", (10, 0), 2),
        ]
    );
    assert_eq!(
        ids(archive, |query| (query.limit, query.package) = (1, "only-copied".to_owned())).await,
        ["again"]
    );
    let second = found(archive, |query| query.package = "only-copied".to_owned()).await[1].number;
    let rest = ids(archive, |query| (query.before, query.package) = (second, "only-copied".to_owned())).await;
    assert_eq!(rest, ["first"]);
}

/// The same said again against another database is one content, and what is found under one name is listed once.
async fn what_is_said_twice_is_kept_once(archive: &dyn Archive, rows: &Rows<'_>) {
    let (one, two) = (against("twice", "one"), against("twice", "two"));
    let contents =
        [&one, &two].map(|report| Content::of(report.clone(), Some(b"keys".to_vec())).expect("packed"));
    assert_eq!(contents[0].body, contents[1].body);
    // One finding less: the packages are the same.
    let mut three = against("twice", "three");
    three.findings.pop();
    let third = Content::of(three.clone(), Some(b"keys".to_vec())).expect("packed");
    let references = names(&["r.example/twice:1"]);
    let put = |id, content| PutReport {
        id,
        content,
        stored_unix_ms: 30,
        assessed_unix_ms: 0,
        scan: "k3",
        references: &references,
    };
    let before = counts(rows).await;
    archive.put_reports(&[put("twice-1", &contents[0])]).await.expect("stored");
    let puts = [put("twice-3", &third), put("twice-2", &contents[1]), put("twice-2", &contents[1])];
    archive.put_reports(&puts).await.expect("stored");
    let after = counts(rows).await;
    let more: Vec<i64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    // Three rows; two bodies; the packages (two), and twice vulnerabilities (four with aliases, then two).
    assert_eq!(more, [3, 2, 3, 2 + 4 + 2]);
    for (id, want) in [("twice-1", &one), ("twice-2", &two), ("twice-3", &three)] {
        assert_eq!(archive.report(id).await.expect("read").as_ref(), Some(want), "{id}");
    }
    let vulnerable = ids(archive, |query| query.vulnerability = "CVE-OF-twice".to_owned()).await;
    assert_eq!(vulnerable, ["twice-2", "twice-1"]);
    let with_package = ids(archive, |query| query.package = "only-twice".to_owned()).await;
    assert_eq!(with_package.len(), 3);
}

/// More reports than are gathered: a common term has another way to its reports than a rare one.
async fn what_is_common_is_found_in_the_same_order(archive: &dyn Archive) {
    const MANY: usize = 1_100;
    let id = |number: usize| format!("common-{number:04}");
    let contents: Vec<Content> = (0..MANY)
        .map(|number| {
            let (own, half) = (format!("p-{number}"), format!("half-{}", number % 2));
            let rare = if number % 500 == 7 { "CVE-RARE" } else { "CVE-OTHER" };
            let report = suite::report(&format!("sha256:{number}"), &["common", &own, &half], &[rare]);
            Content::of(report, None).expect("packed")
        })
        .collect();
    let ids_of: Vec<String> = (0..MANY).map(id).collect();
    let references = names(&["r.example/common:1"]);
    let put = |(id, content)| PutReport {
        id,
        content,
        stored_unix_ms: 40,
        assessed_unix_ms: 0,
        scan: "k3",
        references: &references,
    };
    let puts: Vec<PutReport<'_>> = ids_of.iter().map(String::as_str).zip(&contents).map(put).collect();
    archive.put_reports(&puts).await.expect("stored");
    let common = |query: &mut SearchReportsRequest| {
        query.package = "common".to_owned();
        query.limit = 3;
    };
    let page = found(archive, common).await;
    assert_eq!(page.iter().map(|one| &one.report_id).collect::<Vec<_>>(), [&id(1099), &id(1098), &id(1097)]);
    let next = ids(archive, |query| {
        common(query);
        query.before = page[2].number;
    });
    assert_eq!(next.await, [id(1096), id(1095), id(1094)]);
    let rare = |query: &mut SearchReportsRequest| query.vulnerability = "CVE-RARE".to_owned();
    assert_eq!(ids(archive, rare).await, [id(1007), id(507), id(7)]);
    let both = ids(archive, |query| {
        rare(query);
        common(query);
        query.limit = 2;
    });
    assert_eq!(both.await, [id(1007), id(507)]);
    let other = ids(archive, |query| {
        query.vulnerability = "CVE-OTHER".to_owned();
        query.package = "half-0".to_owned();
        query.limit = 2;
    });
    assert_eq!(other.await, [id(1098), id(1096)]);
}

/// Counts what a statement selects.
pub(super) type Rows<'a> = dyn Fn(&'static str) -> BoxFuture<'a, i64> + Sync + 'a;

async fn counts(rows: &Rows<'_>) -> [i64; 4] {
    [
        rows("SELECT COUNT(*) FROM reports").await,
        rows("SELECT COUNT(*) FROM contents").await,
        rows("SELECT COUNT(*) FROM lists").await,
        rows("SELECT COUNT(*) FROM postings").await,
    ]
}

/// On an empty archive.
pub(super) async fn what_is_said_is_kept_once<A: Archive + Forget>(archive: &A, rows: &Rows<'_>) {
    a_copy_is_as_its_original_and_outlives_it(archive).await;
    assert_eq!(counts(rows).await, [3, 2, 4, 12], "two of one content, and the silent one");
    what_is_said_twice_is_kept_once(archive, rows).await;
    what_is_common_is_found_in_the_same_order(archive).await;
    forget(archive, &everything()).await;
    assert_eq!(counts(rows).await, [0; 4]);
}

/// On an archive of the previous layout with the reports `one` and `two`, which were made by [`earlier`].
pub(super) async fn what_earlier_versions_kept_is_there<A: Archive + Forget>(archive: &A, rows: &Rows<'_>) {
    for name in ["one", "two"] {
        assert_eq!(archive.report(name).await.expect("read"), Some(earlier(name)));
        let package = format!("only-{name}");
        assert_eq!(ids(archive, |query| query.package = package).await, [name]);
    }
    assert_eq!(ids(archive, |query| query.vulnerability = "CVE-2011-1".to_owned()).await, ["two", "one"]);
    let (checked, _) = archive.check(0).await.expect("checked");
    assert!(checked.iter().all(|one| one.known && one.wrong.is_none()), "{checked:?}");
    // A new one gets a number of its own; a copy shares.
    archive.put_report(new_report("new", &against("new", "one"), 9), "k1", &[]).await.expect("stored");
    let references = names(&["r.example/earlier:1"]);
    let copies = [copy("copy", "one", ["sha256:later", "2026-02-02"], &references)];
    assert_eq!(archive.copy_reports(&copies).await.expect("copied"), [true]);
    let later = Report {
        database_digest: "sha256:later".to_owned(),
        database_modified: "2026-02-02".to_owned(),
        ..earlier("one")
    };
    assert_eq!(archive.report("copy").await.expect("read"), Some(later));
    assert_eq!(ids(archive, |query| query.package = "only-one".to_owned()).await, ["copy", "one"]);
    assert_eq!(counts(rows).await, [4, 3, 4, 2 * 6 + 6]);
    let (checked, _) = archive.check(0).await.expect("checked");
    assert_eq!(checked.len(), 4);
    assert!(checked.iter().all(|one| one.known && one.wrong.is_none()), "{checked:?}");
    archive.forget_reports(&everything(), 0).await.expect("forgotten");
    assert_eq!(counts(rows).await, [1, 1, 1, 6], "the copy has a name, and nothing else has");
    assert_eq!(ids(archive, |query| query.package = "only-one".to_owned()).await, ["copy"]);
}

/// A report as the previous layout kept it: the database within, and the terms as in [`earlier_terms`].
pub(super) fn earlier(name: &str) -> Report {
    against(name, "one")
}

/// Stores [`earlier_row`] under the name `$1`, of the image `$2`.
pub(super) const EARLIER_REPORT: &str =
    "INSERT INTO reports (id, image_digest, created_unix_ms, summary, body, body_digest, asked)
     VALUES ($1, $2, 5, $3, $4, $5, 'keys')";
/// Lists the report `$3` under the term `$2` of the kind `$1`.
pub(super) const EARLIER_TERM: [&str; 2] = [
    "INSERT INTO terms (kind, text) SELECT $1, $2 WHERE $3 <> '' ON CONFLICT DO NOTHING",
    "INSERT INTO postings (term, report) SELECT t.id, r.number FROM terms t, reports r
     WHERE t.kind = $1 AND t.text = $2 AND r.id = $3",
];

/// Kind and text of every term of [`earlier`].
pub(super) fn earlier_terms(name: &str) -> Vec<(i64, String)> {
    let report = earlier(name);
    let found =
        report.findings.into_iter().flat_map(|finding| finding.aliases.into_iter().chain([finding.id]));
    let vulnerabilities = found.map(|text| (1, text.to_ascii_uppercase()));
    vulnerabilities.chain(report.packages.into_iter().map(|package| (2, package.name))).collect()
}

/// Encoded summary, body and the body's digest of [`earlier`].
pub(super) fn earlier_row(name: &str) -> (Vec<u8>, Vec<u8>, String) {
    let report = earlier(name);
    let mut summary = ReportSummary { report_id: name.to_owned(), ..content::summary(&report) };
    // As the first versions wrote it.
    summary.database_modified.clear();
    let body = report::pack(&report).expect("packed");
    let digest = Digest::of(&body).to_string();
    (summary.encode_to_vec(), body, digest)
}

async fn forget(archive: &impl Forget, keep: &Keep) {
    while archive.forget_scans(keep).await.expect("forgotten") != Forgotten::default() {}
    let mut after = Some(0);
    while let Some(number) = after {
        after = archive.forget_reports(keep, number).await.expect("forgotten").1;
    }
}

/// Nothing is so new that it would stay.
fn everything() -> Keep {
    Keep { scans_from: "~".to_owned(), latest_from_unix_ms: i64::MAX, ..Keep::default() }
}
