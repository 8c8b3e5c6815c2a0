//! Messages as earlier versions wrote them, and as later ones may: what is recorded under `testdata/wire/<version>/` is read
//! with today's types and says what it said. `STRATA_BLESS=1` records a message that is not there yet and changes none.

#[path = "wire/bundles.rs"]
mod bundles;
#[path = "wire/scans.rs"]
mod scans;

use std::{fmt::Debug, fs, path::PathBuf};

use prost::Message;
use strata_proto::{WIRE_VERSION, v1};
use v1::{
    job::Verb, listed_repository::Result as Listing, outcome::Result as Answer,
    resolved_reference::Result as Resolution,
};

/// Reads a recorded message and compares it.
fn check<M: Message + Default + PartialEq + Debug>(version: u32, name: &str, want: &M) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/wire/{version}/{name}.bin"));
    if std::env::var_os("STRATA_BLESS").is_some() && !file.exists() {
        fs::create_dir_all(file.parent().expect("a directory")).expect("made");
        fs::write(&file, want.encode_to_vec()).expect("recorded");
    }
    let recorded = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(&M::decode(recorded.as_slice()).expect("it is read"), want, "{name} of version {version}");
    // Fields that a later version adds: a number, a text, a message, each with a number that nobody uses.
    let mut later = recorded.clone();
    later.extend([0x80, 0x7d, 0x05]); // 2000, varint 5
    later.extend([0x8a, 0x7d, 0x03, b'n', b'e', b'w']); // 2001, three bytes
    later.extend([0x92, 0x7d, 0x02, 0x08, 0x01]); // 2002, a message
    assert_eq!(&M::decode(later.as_slice()).expect("unknown fields are passed over"), want, "{name}");
    // Cut off anywhere: an error, or the fields before the cut, and never a panic.
    for length in 0..recorded.len() {
        let cut = recorded.get(..length).expect("a prefix");
        if let Ok(part) = M::decode(cut) {
            assert_ne!(&part, want, "{name}: {length} bytes say all of it");
        }
    }
}

#[test]
fn parcels_of_every_version_are_read() {
    check(1, "parcel", &v1::Parcel { report_zstd: vec![1, 2, 3], ..v1::Parcel::default() });
    check(
        1,
        "parcel-asked",
        &v1::Parcel { report_zstd: vec![1, 2, 3], asked: vec![4, 5], ..v1::Parcel::default() },
    );
    check(1, "parcel-content", &parcel());
}

fn parcel() -> v1::Parcel {
    v1::Parcel {
        report_zstd: vec![1, 2, 3],
        asked: vec![4, 5],
        content_length: 2,
        content_key: vec![6; 32],
        summary: Some(v1::ReportSummary { packages: 7, ..v1::ReportSummary::default() }),
        vulnerabilities: vec![-8, 9],
        packages: vec![10],
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn job(verb: Verb, lane: v1::Lane) -> v1::Job {
    let mut job = v1::Job {
        wire_version: 1,
        key: text("key"),
        scan_id: text("01scan"),
        verb: Some(verb),
        ..v1::Job::default()
    };
    job.set_lane(lane);
    job
}

fn options() -> Option<v1::SourceOptions> {
    Some(v1::SourceOptions { insecure: true })
}

fn table() -> v1::LayerTable {
    v1::LayerTable { digest: digest('a'), position: text("1048576:2000:9000:1") }
}

#[test]
fn jobs_of_every_version_are_read() {
    use v1::Lane::{Interactive, Sweep};
    let list = v1::ListJob {
        host: text("r.example:5000"),
        repository: text("team/app"),
        cursor: text("v1"),
        options: options(),
        more: Vec::new(),
    };
    let several =
        v1::ListJob { cursor: String::new(), more: vec![text("team/web"), text("team/db")], ..list.clone() };
    let resolve = v1::ResolveJob {
        references: vec![text("r.example/a:1"), text("r.example/a:2")],
        platform: text("linux/arm64/v8"),
        options: options(),
        digests: vec![digest('a'), String::new()],
    };
    let index = v1::IndexJob {
        digest: digest('b'),
        size: u64::MAX,
        media_type: text("application/vnd.oci.image.layer.v1.tar+zstd"),
        reference: text("r.example/a:1"),
        options: options(),
        table: None,
    };
    let in_parts = v1::IndexJob { table: Some(table()), ..index.clone() };
    let assess = v1::AssessJob {
        image_digest: digest('c'),
        platform: text("linux/amd64"),
        layers: vec![digest('d'), digest('b')],
        database_digest: digest('e'),
        attached_vex: true,
        reference: text("r.example/a:1"),
        options: options(),
    };
    check(1, "job-list", &job(Verb::List(list), Sweep));
    check(1, "job-list-several", &job(Verb::List(several), Sweep));
    check(1, "job-resolve", &job(Verb::Resolve(resolve), Interactive));
    check(1, "job-index", &job(Verb::Index(index), Sweep));
    check(1, "job-index-table", &job(Verb::Index(in_parts), Sweep));
    check(1, "job-assess", &job(Verb::Assess(assess.clone()), Sweep));
    let pinned = v1::Job { analysis: text("0123456789abcdef"), ..job(Verb::Assess(assess), Sweep) };
    check(1, "job-assess-pinned", &pinned);
}

fn outcome(answer: Answer) -> v1::Outcome {
    v1::Outcome {
        key: text("key"),
        wire_version: 1,
        worker: text("worker-1"),
        result: Some(answer),
        sequence: 7,
        executions: 2,
        slots: 6,
        ..v1::Outcome::default()
    }
}

fn failure() -> v1::Failure {
    let mut failure = v1::Failure {
        code: text("rate-limited"),
        message: text("failed to read it: asked to wait"),
        retry_after_ms: 1_500,
        ..v1::Failure::default()
    };
    failure.set_retry(v1::Retry::Later);
    failure
}

fn counts() -> v1::SeverityCounts {
    v1::SeverityCounts { critical: 1, high: 2, medium: 3, low: 4, negligible: 5, unknown: 6 }
}

#[test]
fn listings_of_every_version_are_read() {
    let listed = v1::Listed {
        names: vec![text("a"), text("b")],
        next_cursor: text("b"),
        digests: vec![digest('a')],
        more: Vec::new(),
    };
    let of = |repository: &str, result| v1::ListedRepository {
        repository: text(repository),
        result: Some(result),
    };
    let several = v1::Listed {
        more: vec![
            of("team/web", Listing::Page(listed.clone())),
            of("team/app", Listing::Failure(failure())),
        ],
        ..v1::Listed::default()
    };
    check(1, "outcome-listed", &outcome(Answer::Listed(listed)));
    check(1, "outcome-listed-several", &outcome(Answer::Listed(several)));
}

#[test]
fn outcomes_of_every_version_are_read() {
    let layer = v1::ResolvedLayer {
        digest: digest('b'),
        size: 9,
        media_type: text("application/vnd.oci.image.layer.v1.tar"),
        cached: true,
        table: None,
    };
    check(1, "resolved-layer-table", &v1::ResolvedLayer { table: Some(table()), ..layer.clone() });
    let image = v1::ResolvedImage {
        image_digest: digest('c'),
        platform: text("linux/amd64"),
        layers: vec![layer],
        ..v1::ResolvedImage::default()
    };
    let member = v1::ResolvedImage { index_digest: digest('e'), ..image.clone() };
    let skipped = v1::NotAnImage { code: text("helm-chart") };
    let reference =
        |name: &str, result| v1::ResolvedReference { reference: text(name), result: Some(result) };
    let resolved = v1::Resolved {
        references: vec![
            reference("r.example/a:1", Resolution::Image(image)),
            reference("r.example/a:2", Resolution::Failure(failure())),
            reference("r.example/a:3", Resolution::Skipped(skipped)),
        ],
        fingerprint: text("f1"),
        ..v1::Resolved::default()
    };
    let of_index = v1::Resolved {
        references: vec![reference("r.example/a:4", Resolution::Image(member))],
        ..v1::Resolved::default()
    };
    let told = v1::Resolved { assessor: 0x0102_0304_0506_0708, ..resolved.clone() };
    let assessed = v1::Assessed {
        parcel: text("parcel"),
        report_id: text("report"),
        packages: 3,
        findings: Some(counts()),
        problems: 1,
        database_modified: text("2026-11-01T00:00:00Z"),
    };
    check(1, "outcome-resolved", &outcome(Answer::Resolved(resolved)));
    check(1, "outcome-resolved-assessor", &outcome(Answer::Resolved(told)));
    check(1, "outcome-resolved-index", &outcome(Answer::Resolved(of_index)));
    let told = v1::Outcome { scan_id: text("01scan"), ..outcome(Answer::Indexed(v1::Indexed::default())) };
    check(1, "outcome-scan", &told);
    let told = v1::Outcome { analysis: text("0123456789abcdef"), ..told };
    check(1, "outcome-analysis", &told);
    let told = v1::Outcome { bundles: true, ..told };
    check(1, "outcome-bundles", &told);
    check(
        1,
        "outcome-indexed",
        &outcome(Answer::Indexed(v1::Indexed { analysed: true, bytes: 5, packages: 6 })),
    );
    check(1, "outcome-assessed", &outcome(Answer::Assessed(assessed)));
    check(1, "outcome-failure", &outcome(Answer::Failure(failure())));
    let missing = v1::Missing { layers: vec![digest('b')], image: true };
    check(1, "outcome-missing", &outcome(Answer::Missing(missing)));
}

#[test]
fn what_lies_in_the_cache_is_read() {
    let platform = v1::Platform { os: text("linux"), architecture: text("arm64"), variant: text("v8") };
    let layer = v1::Layer {
        digest: digest('b'),
        diff_id: digest('d'),
        created_by: text("RUN apt-get install"),
        size: 9,
        base: true,
        // Came after the recording.
        uncompressed_size: 0,
    };
    let facts = v1::ImageFacts {
        image_digest: digest('c'),
        config_digest: digest('f'),
        platform: Some(platform),
        layers: vec![layer],
        labels: vec![v1::Property { key: text("vendor"), value: text("x") }],
        media_types: vec![text("application/vnd.oci.image.layer.v1.tar")],
        // Came after the recording.
        run: None,
        tables: Vec::new(),
    };
    check(1, "image-facts", &facts);
    let with_table = v1::ImageFacts { tables: vec![table(), v1::LayerTable::default()], ..facts };
    check(1, "image-facts-table", &with_table);
    check(1, "withdrawal", &v1::Withdrawal { sequences: vec![1, 2, u64::MAX] });
}

/// A new version of the messages is recorded beside the old ones, and both are read above.
#[test]
fn the_current_version_is_recorded() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/wire/{WIRE_VERSION}"));
    let recorded = fs::read_dir(&directory).expect("a directory for each version").count();
    assert!(recorded >= 18, "{recorded} messages in {}", directory.display());
}

/// A number of an enumeration that is not known is no error, and means nothing in particular.
#[test]
fn unknown_numbers_mean_nothing_in_particular() {
    let job = v1::Job { lane: 99, ..v1::Job::default() };
    let read = v1::Job::decode(job.encode_to_vec().as_slice()).expect("it is read");
    assert_eq!((read.lane, read.lane()), (99, v1::Lane::Unspecified));
    let failure = v1::Failure { retry: 99, ..v1::Failure::default() };
    assert_eq!(failure.retry(), v1::Retry::Unspecified);
}
