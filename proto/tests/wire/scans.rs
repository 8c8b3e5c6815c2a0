//! What the public interface says of scans, and their events.

use strata_proto::v1::{self, event::Kind};

use super::*;

fn summary() -> v1::Summary {
    let line = |code: &str, count| v1::LedgerLine { code: text(code), count };
    v1::Summary {
        ledger: Some(v1::Ledger {
            enumerated: 10,
            reported: 4,
            skipped: vec![line("signature", 2)],
            failed: vec![line("not-found", 1)],
            listing_failed: vec![line("unauthorized", 1)],
            unchanged: 3,
            // Came after the recording.
            unsupported: Vec::new(),
        }),
        images: 7,
        distinct_layers: 20,
        layers_analysed: 12,
        layers_reused: 8,
        bytes_read: 1 << 40,
        packages: 900,
        findings: Some(counts()),
        reports_with_problems: 1,
    }
}

#[test]
fn scans_of_every_version_are_read() {
    let mut request = v1::SubmitRequest {
        images: vec![text("r.example/a:1")],
        registry: Some(v1::RegistryTarget {
            host: text("r.example"),
            prefix: text("team"),
            repositories: vec![text("team/app")],
            include: vec![text("*:1*")],
            exclude: vec![text("*:tmp")],
            whole: true,
        }),
        platform: text("linux/amd64"),
        insecure: true,
        idempotency_key: text("once"),
        tenant: text("team"),
        attached_vex: true,
        ..v1::SubmitRequest::default()
    };
    request.set_lane(v1::Lane::Sweep);
    let mut scan = v1::Scan {
        id: text("01scan"),
        request: Some(request),
        summary: Some(summary()),
        created_unix_ms: 1,
        finished_unix_ms: 2,
        last_sequence: 9,
        database_digest: digest('e'),
        owner: text("token:a"),
        ..v1::Scan::default()
    };
    scan.set_state(v1::ScanState::CompletedWithFailures);
    check(1, "scan", &scan);
    check(1, "scan-untold-layers", &v1::Scan { layers_analysed: vec![1, 2], ..scan.clone() });
    let source = v1::SourceContext { commit: text("9d911191"), ..v1::SourceContext::default() };
    let tagged = v1::TagImageRequest {
        reference: text("r.example/a:1"),
        image_digest: digest('c'),
        image_id: digest('d'),
        source: Some(source),
    };
    check(1, "scan-tagged", &v1::Scan { tagged: Some(tagged), ..scan });
}

#[test]
fn events_of_every_version_are_read() {
    let event = |kind| v1::Event { sequence: 8, scan_id: text("01scan"), time_unix_ms: 3, kind: Some(kind) };
    let references = || vec![text("r.example/a:1"), text("r.example/a:2")];
    let reported = v1::ImageReported {
        references: references(),
        image_digest: digest('c'),
        report_id: text("report"),
        packages: 3,
        findings: Some(counts()),
        problems: 1,
        report: None,
        platform: text("linux/amd64"),
        database_modified: text("2026-11-01T00:00:00Z"),
        unchanged: true,
        ..v1::ImageReported::default()
    };
    let failed = v1::ImageFailed {
        references: references(),
        code: text("poison"),
        message: text("it kills"),
        ..v1::ImageFailed::default()
    };
    let layers = vec![1, 2];
    let told = v1::ImageReported { layers: layers.clone(), layers_analysed: vec![2], ..reported.clone() };
    check(1, "event-reported-layers", &event(Kind::Reported(told)));
    let told =
        v1::ImageFailed { layers, layers_analysed: vec![2], layers_missing: vec![3], ..failed.clone() };
    check(1, "event-failed-layers", &event(Kind::Failed(told)));
    let skipped = v1::ImageSkipped { references: references(), code: text("signature") };
    let listing =
        v1::ListingFailed { target: text("r.example"), code: text("unauthorized"), message: text("no") };
    let mut finished = v1::ScanFinished { summary: Some(summary()), ..v1::ScanFinished::default() };
    finished.set_state(v1::ScanState::Cancelled);
    check(1, "event-started", &event(Kind::Started(v1::ScanStarted {})));
    check(1, "event-reported", &event(Kind::Reported(reported)));
    check(1, "event-failed", &event(Kind::Failed(failed)));
    check(1, "event-skipped", &event(Kind::Skipped(skipped)));
    check(1, "event-listing-failed", &event(Kind::ListingFailed(listing)));
    check(1, "event-finished", &event(Kind::Finished(finished)));
}
