//! VEX documents that are attached to an image: out of their envelopes, in order, as statements.
//!
//! No signature is checked here: whoever may push beside the image may say what its findings are worth. That is why
//! a scan reads them only when it is asked to, and why each finding that they suppress names the document.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;
use strata_analysis::vex::{self, Flaw, Image, Statement, Suppression};
use strata_proto::v1;

use crate::ports::{Attached, Attachment};

/// Documents of an image as statements.
#[derive(Debug, Default)]
pub struct Statements {
    /// The documents that were read, older ones first.
    pub documents: Vec<v1::AttachedDocument>,
    /// What could not be read of what is attached.
    pub problems: Vec<v1::Problem>,
    // By which documents may speak of the image besides its own digests.
    indexes: Vec<String>,
    statements: Vec<Statement>,
    /// For each statement, the digest of its document.
    sources: Vec<String>,
}

/// A statement about an image (in-toto attestation framework).
#[derive(Deserialize)]
struct Attestation<'a> {
    #[serde(default)]
    subject: Vec<Subject>,
    #[serde(rename = "predicateType", default)]
    predicate_type: String,
    #[serde(borrow)]
    predicate: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    digest: std::collections::BTreeMap<String, String>,
}

/// DSSE, alone or in a Sigstore bundle.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: Option<String>,
    payload_type: Option<String>,
    dsse_envelope: Option<Box<Envelope>>,
    /// Of a bare attestation: only whether it is there.
    predicate_type: Option<serde::de::IgnoredAny>,
}

/// Where the three formats say when they were written.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Dates {
    timestamp: String,
    last_updated: String,
    metadata: Metadata,
    document: Csaf,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    timestamp: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Csaf {
    tracking: Tracking,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tracking {
    current_release_date: String,
}

/// One document that was read.
struct Read {
    date: String,
    attachment: Attachment,
    statements: Vec<Statement>,
}

/// Reads what is attached to the image of that digest.
#[must_use]
pub fn read(attached: Attached, image_digest: &str) -> Statements {
    let mut found = Statements { indexes: attached.indexes, ..Statements::default() };
    let subjects: Vec<&str> =
        found.indexes.iter().map(String::as_str).chain([image_digest]).map(hex).collect();
    found.problems.extend(attached.refused.into_iter().map(problem));
    let mut all = Vec::new();
    for attachment in attached.documents {
        match document(&attachment.content, &subjects) {
            Ok(Some((date, statements))) => all.push(Read { date, attachment, statements }),
            Ok(None) => {}
            Err(reason) => {
                let digest = &attachment.digest;
                found
                    .problems
                    .push(problem(format!("failed to read the attached document {digest}: {reason}")));
            }
        }
    }
    // A later document takes an earlier one's word back; the registry's own order says nothing.
    all.sort_by(|a, b| (&a.date, &a.attachment.digest).cmp(&(&b.date, &b.attachment.digest)));
    all.dedup_by(|a, b| a.attachment.digest == b.attachment.digest);
    for Read { attachment, statements, .. } in all {
        found.documents.push(v1::AttachedDocument {
            digest: attachment.digest.clone(),
            manifest: attachment.manifest,
            statements: u64::try_from(statements.len()).unwrap_or(u64::MAX),
        });
        found.sources.extend(statements.iter().map(|_| attachment.digest.clone()));
        found.statements.extend(statements);
    }
    found
}

fn problem(message: String) -> v1::Problem {
    v1::Problem { code: "vex-unreadable".to_owned(), message, ..v1::Problem::default() }
}

/// Date and statements of a document; `None` where it is about something else than VEX, or about another image.
fn document(content: &[u8], subjects: &[&str]) -> Result<Option<(String, Vec<Statement>)>, String> {
    let mut envelope: Envelope = serde_json::from_slice(content).map_err(|error| error.to_string())?;
    if let Some(inner) = envelope.dsse_envelope.take() {
        envelope = *inner;
    }
    match (envelope.payload, envelope.predicate_type) {
        (Some(payload), _) => {
            if envelope.payload_type.as_deref() != Some("application/vnd.in-toto+json") {
                return Ok(None);
            }
            let payload = BASE64_STANDARD.decode(payload.trim()).map_err(|error| error.to_string())?;
            attestation(&payload, subjects)
        }
        (None, Some(_)) => attestation(content, subjects),
        (None, None) => statements(content).map(Some),
    }
}

fn hex(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}

fn attestation(payload: &[u8], subjects: &[&str]) -> Result<Option<(String, Vec<Statement>)>, String> {
    let found: Attestation<'_> = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let is_ours = |hex: &String| subjects.contains(&hex.as_str());
    let ours = found.subject.iter().any(|subject| subject.digest.get("sha256").is_some_and(is_ours));
    let is_vex = ["https://openvex.dev/ns", "https://cyclonedx.org/", "https://docs.oasis-open.org/csaf"]
        .iter()
        .any(|start| found.predicate_type.starts_with(start));
    match found.predicate {
        Some(predicate) if is_vex && ours => statements(predicate.get().as_bytes()).map(Some),
        None if is_vex && ours => Err("the attestation has no predicate".to_owned()),
        _ if is_vex => Err("the attestation is about another image".to_owned()),
        _ => Ok(None),
    }
}

fn statements(content: &[u8]) -> Result<(String, Vec<Statement>), String> {
    let statements = vex::parse(content).map_err(|error| error.to_string())?;
    let dates: Dates = serde_json::from_slice(content).unwrap_or_default();
    let all = [
        dates.timestamp,
        dates.last_updated,
        dates.metadata.timestamp,
        dates.document.tracking.current_release_date,
    ];
    Ok((all.into_iter().max().unwrap_or_default(), statements))
}

/// For each finding of a report, in order: whether a statement suppresses it. Of two statements on one thing the later
/// one speaks. They may name the image by `indexes` (digests) too.
#[must_use]
pub fn answers(
    report: &v1::Report,
    statements: &[Statement],
    indexes: &[String],
) -> Vec<Option<Suppression>> {
    let purl = |index: u32| {
        let package = usize::try_from(index).ok().and_then(|index| report.packages.get(index));
        package.map_or("", |package| package.purl.as_str())
    };
    let flaws: Vec<Flaw<'_>> = report
        .findings
        .iter()
        .map(|finding| {
            let ids = [finding.id.as_str(), finding.advisory.as_str()];
            Flaw {
                purl: purl(finding.package),
                ids: ids.into_iter().chain(finding.aliases.iter().map(String::as_str)).collect(),
            }
        })
        .collect();
    let own = [report.image_digest.as_str(), report.config_digest.as_str()];
    let digests: Vec<&str> = own.into_iter().chain(indexes.iter().map(String::as_str)).collect();
    vex::apply(Image { digests: &digests, purls: &[] }, &flaws, statements)
}

impl Statements {
    /// Marks the findings that a statement answers, each with the reason and the document's digest, and says in the
    /// report what was read.
    pub fn apply(&self, report: &mut v1::Report) {
        report.vex.clone_from(&self.documents);
        report.problems.extend(self.problems.iter().cloned());
        if self.statements.is_empty() {
            return;
        }
        let answers = answers(report, &self.statements, &self.indexes);
        for (finding, answer) in report.findings.iter_mut().zip(answers) {
            if let Some(suppression) = answer {
                let source = self.sources.get(suppression.statement).map_or("", String::as_str);
                finding.suppressed = format!("{} (attached document {source})", suppression.text);
            }
        }
    }

    /// What the result depends on besides image, analysis and database: part of the report's name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let documents = self.documents.iter().map(|document| document.digest.as_str());
        // Without statements nothing is said of an index.
        let indexes = self.indexes.iter().filter(|_| !self.statements.is_empty()).map(String::as_str);
        documents.chain(self.problems.iter().map(|problem| problem.message.as_str())).chain(indexes)
    }
}

#[cfg(test)]
mod tests;
