//! Reports that were made elsewhere: checked, marked with who submitted them, and recorded as a scan that has ended.

use std::collections::BTreeSet;

use prost::Message as _;
use strata_proto::{
    content,
    digest::Digest,
    reference::Reference,
    subject::key_of,
    v1::{
        Event, FixState, ImageReported, Ledger, Report, ReportSummary, Scan, ScanFinished, ScanStarted,
        ScanState, Severity, SubmitReportRequest, SubmitReportResponse, SubmitRequest, SubmittedVerdict,
        Summary, event::Kind,
    },
};

use super::{CallError, Handle, id, validate};
use crate::{drive::now_ms, ports::Submission};

/// Names and references of one submission.
const MOST_NAMES: usize = 100;
/// Layers of one image.
const MOST_LAYERS: usize = 4_096;
/// Lines of one verdict.
const MOST_REASONS: usize = 100;

impl Handle {
    /// Takes a report that was made elsewhere. Its id names its content and its submitter: it can be no report of the
    /// cluster's, and the same again changes nothing.
    ///
    /// # Errors
    /// [`CallError::Invalid`] names what is wrong with it; [`CallError::Denied`] a reference beyond the caller's repositories.
    pub async fn submit_report(
        &self,
        request: SubmitReportRequest,
    ) -> Result<SubmitReportResponse, CallError> {
        let (request, report) = check(request).map_err(CallError::Invalid)?;
        let sight = &*self.sight;
        if let Some(beyond) = request.references.iter().find(|reference| !sight.admits(reference)) {
            return Err(CallError::Denied(format!("{beyond} is beyond this token's repositories")));
        }
        let submission = self.submission(request, report);
        let taken = self.archive.submit_report(&submission).await?;
        if taken.scan.owner != sight.owner {
            return Err(CallError::Invalid(
                "another's scan has this submission's idempotency key".to_owned(),
            ));
        }
        let repeated = taken.scan.id != submission.scan.id;
        tracing::info!(
            report = submission.report_id,
            by = submission.report.submitted_by,
            repeated,
            "submitted"
        );
        Ok(SubmitReportResponse {
            report_id: submission.report_id,
            scan_id: taken.scan.id,
            known: taken.known,
            repeated,
            bound_digests: taken.bound,
        })
    }

    fn submission(&self, request: SubmitReportRequest, mut report: Report) -> Submission {
        let (sight, now) = (&*self.sight, now_ms());
        let said = Digest::of(&report.encode_to_vec()).to_string();
        let report_id = key_of(&["submitted", &sight.owner, &said]);
        report.submitted_by = sight.caller();
        let mut references: Vec<String> = request.references.iter().chain(&request.names).cloned().collect();
        if references.is_empty() {
            references.push(report.config_digest.clone());
        }
        let parts = SubmitReportRequest { report: None, ..request.clone() }.encode_to_vec();
        let key = key_of(&[&sight.owner, &report_id, &Digest::of(&parts).to_string()]);
        let mut scan = Scan {
            id: id::scan_id(now),
            request: Some(SubmitRequest {
                images: references.clone(),
                idempotency_key: format!("submission:{key}"),
                tenant: sight.tenant.clone(),
                source: request.source,
                ..SubmitRequest::default()
            }),
            summary: Some(summary(&report)),
            created_unix_ms: now,
            finished_unix_ms: now,
            last_sequence: 3,
            database_digest: report.database_digest.clone(),
            owner: sight.owner.clone(),
            verdict: request.verdict,
            ..Scan::default()
        };
        scan.set_state(ScanState::Completed);
        let events = events(&scan, &report_id, &report, &references);
        let prefixes = sight.prefixes.clone();
        Submission { scan, events, report_id, references, report, prefixes, at_unix_ms: now }
    }
}

fn shown(id: &str, report: &Report) -> ReportSummary {
    ReportSummary { report_id: id.to_owned(), ..content::summary(report) }
}

fn summary(report: &Report) -> Summary {
    let of = shown("", report);
    Summary {
        ledger: Some(Ledger { enumerated: 1, reported: 1, ..Ledger::default() }),
        images: 1,
        distinct_layers: u64::try_from(report.layers.len()).unwrap_or(u64::MAX),
        packages: of.packages,
        findings: of.findings,
        reports_with_problems: u64::from(of.problems > 0),
        ..Summary::default()
    }
}

fn events(scan: &Scan, report_id: &str, report: &Report, references: &[String]) -> Vec<Event> {
    let of = shown(report_id, report);
    let reported = ImageReported {
        references: references.to_vec(),
        image_digest: of.image_digest,
        report_id: of.report_id,
        packages: of.packages,
        findings: of.findings,
        problems: of.problems,
        database_modified: of.database_modified,
        ..ImageReported::default()
    };
    let finished = ScanFinished { state: scan.state, summary: scan.summary.clone() };
    let kinds = [Kind::Started(ScanStarted {}), Kind::Reported(reported), Kind::Finished(finished)];
    let event = |(sequence, kind)| Event {
        sequence,
        scan_id: scan.id.clone(),
        time_unix_ms: scan.created_unix_ms,
        kind: Some(kind),
    };
    (1..).zip(kinds).map(event).collect()
}

/// Checks everything that outside data could get wrong; the report is taken out of the request.
fn check(mut request: SubmitReportRequest) -> Result<(SubmitReportRequest, Report), String> {
    let mut report = request.report.take().ok_or("the submission has no report")?;
    report.submitted_by.clear();
    check_report(&report)?;
    request.source.as_mut().map_or(Ok(()), validate::source)?;
    if request.names.len().saturating_add(request.references.len()) > MOST_NAMES {
        return Err(format!("a submission has at most {MOST_NAMES} names and references"));
    }
    for reference in &mut request.references {
        *reference = reference.parse::<Reference>().map_err(|error| error.to_string())?.to_string();
    }
    for name in &request.names {
        // No name can be taken for a reference in a registry.
        let archive = validate::ARCHIVES.iter().any(|scheme| name.starts_with(scheme));
        if !archive || !validate::is_sound(name) || name.chars().any(char::is_control) {
            return Err(format!("`{}` is not the name of an archive", validate::short(name)));
        }
    }
    request.verdict.as_ref().map_or(Ok(()), check_verdict)?;
    Ok((request, report))
}

fn check_verdict(verdict: &SubmittedVerdict) -> Result<(), String> {
    if !["passed", "failed", "incomplete"].contains(&verdict.status.as_str()) {
        return Err(format!("`{}` is not the status of a verdict", validate::short(&verdict.status)));
    }
    let sound = verdict.reasons.iter().all(|reason| validate::is_sound(reason));
    if verdict.reasons.len() > MOST_REASONS || !sound {
        return Err(format!("a verdict has at most {MOST_REASONS} reasons, and none of them is endless"));
    }
    Ok(())
}

/// A report that could not have come from a worker is refused: what others read must hold together.
fn check_report(report: &Report) -> Result<(), String> {
    for (name, text) in [("image", &report.image_digest), ("configuration", &report.config_digest)] {
        text.parse::<Digest>().map_err(|error| format!("the report's {name}: {error}"))?;
    }
    if !report.database_digest.is_empty() {
        report
            .database_digest
            .parse::<Digest>()
            .map_err(|error| format!("the report's database: {error}"))?;
    }
    let texts = [&report.fingerprint, &report.database_modified];
    if !texts.into_iter().all(|text| validate::is_sound(text)) {
        return Err("the report's fingerprint or date is longer than it can be".to_owned());
    }
    if report.layers.len() > MOST_LAYERS {
        return Err(format!("the report has more than {MOST_LAYERS} layers"));
    }
    let layers = u32::try_from(report.layers.len()).unwrap_or(u32::MAX);
    let packages = u32::try_from(report.packages.len()).unwrap_or(u32::MAX);
    if let Some(package) = report.packages.iter().find(|package| package.layer >= layers.max(1)) {
        return Err(format!("package `{}` is in no layer of the report", validate::short(&package.name)));
    }
    let known = |finding: &&strata_proto::v1::Finding| {
        finding.package < packages
            && Severity::try_from(finding.severity).is_ok()
            && FixState::try_from(finding.fix_state).is_ok()
    };
    if let Some(finding) = report.findings.iter().find(|finding| !known(finding)) {
        return Err(format!(
            "finding `{}` is of no package of the report, or its severity or fix is none",
            validate::short(&finding.id)
        ));
    }
    let distinct: BTreeSet<&str> = report.layers.iter().map(|layer| layer.digest.as_str()).collect();
    match distinct.into_iter().find(|digest| !digest.is_empty() && digest.parse::<Digest>().is_err()) {
        Some(digest) => Err(format!("layer `{}` has no digest", validate::short(digest))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use strata_proto::v1::{Finding, Layer, Package};

    use super::*;

    fn digest(text: &str) -> String {
        Digest::of(text.as_bytes()).to_string()
    }

    fn sound() -> SubmitReportRequest {
        let report = Report {
            image_digest: digest("image"),
            config_digest: digest("config"),
            layers: vec![Layer { digest: digest("layer"), ..Layer::default() }],
            packages: vec![Package { name: "zlib".to_owned(), ..Package::default() }],
            findings: vec![Finding { id: "CVE-1".to_owned(), severity: 4, ..Finding::default() }],
            submitted_by: "the cluster itself".to_owned(),
            ..Report::default()
        };
        let names = vec!["docker-archive:image.tar".to_owned()];
        SubmitReportRequest {
            report: Some(report),
            names,
            references: vec!["app".to_owned()],
            ..Default::default()
        }
    }

    #[test]
    fn what_is_sound_is_taken_and_nobody_says_who_it_is_from() {
        let (request, report) = check(sound()).expect("sound");
        assert_eq!(
            (request.references, report.submitted_by.as_str()),
            (vec!["docker.io/library/app:latest".to_owned()], "")
        );
    }

    #[test]
    fn what_does_not_hold_together_is_refused_and_named() {
        type Edit = fn(&mut SubmitReportRequest, &mut Report);
        let edits: [(Edit, &str); 13] = [
            (|_, report| report.image_digest = "sha256:1".to_owned(), "the report's image"),
            (|_, report| report.config_digest.clear(), "the report's configuration"),
            (|_, report| report.database_digest = "x".to_owned(), "the report's database"),
            (|_, report| report.fingerprint = "f".repeat(5_000), "fingerprint"),
            (|_, report| report.layers = vec![Layer::default(); 5_000], "4096 layers"),
            (
                |_, report| report.layers.iter_mut().for_each(|layer| layer.digest = "a".to_owned()),
                "layer `a`",
            ),
            (|_, report| report.packages.iter_mut().for_each(|package| package.layer = 1), "package `zlib`"),
            (
                |_, report| report.findings.iter_mut().for_each(|finding| finding.package = 1),
                "finding `CVE-1`",
            ),
            (
                |_, report| report.findings.iter_mut().for_each(|finding| finding.severity = 99),
                "finding `CVE-1`",
            ),
            (|request, _| request.names = vec!["r.example/a:1".to_owned()], "not the name of an archive"),
            (|request, _| request.names = vec!["oci:a".to_owned(); 101], "at most 100 names"),
            (|request, _| request.references = vec!["UPPER".to_owned()], "UPPER"),
            (
                |request, _| {
                    request.verdict =
                        Some(SubmittedVerdict { status: "fine".to_owned(), ..Default::default() })
                },
                "`fine`",
            ),
        ];
        for (edit, names) in edits {
            let mut request = sound();
            let mut report = request.report.take().expect("a report");
            edit(&mut request, &mut report);
            request.report = Some(report);
            let error = check(request).expect_err(names);
            assert!(error.contains(names), "{error}");
        }
        assert!(check(SubmitReportRequest::default()).is_err());
    }
}
