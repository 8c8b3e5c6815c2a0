//! VEX documents that a user gives: their statements suppress findings, which stay in the report with the reason.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use strata_analysis::vex::{self, Flaw, Image, Statement};
use strata_proto::v1::{ImageReported, SeverityCounts};

use crate::exit::Failure;

/// Larger documents than any distributor publishes are refused.
const MAX_DOCUMENT: u64 = 256 << 20;

/// Reads documents, the first one first: of two statements on one thing the later speaks.
///
/// # Errors
/// When a file cannot be read or is no VEX document.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Statement>, Failure> {
    let mut statements = Vec::new();
    for path in paths {
        statements.extend(document(path)?);
    }
    Ok(statements)
}

fn document(path: &Path) -> Result<Vec<Statement>, Failure> {
    let failed = |reason: String| {
        Failure::usage(format!("failed to read the VEX document {}: {reason}", path.display()))
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    file.take(MAX_DOCUMENT).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    vex::parse(&bytes).map_err(|error| failed(error.to_string()))
}

/// Marks what the statements answer, and counts only the rest.
pub fn apply(reported: &mut ImageReported, statements: &[Statement]) {
    let Some(report) = &mut reported.report else { return };
    if statements.is_empty() {
        return;
    }
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
    let digests = [report.image_digest.as_str(), report.config_digest.as_str()];
    let answers = vex::apply(Image { digests: &digests, purls: &[] }, &flaws, statements);
    let mut counts = SeverityCounts::default();
    for (finding, answer) in report.findings.iter_mut().zip(answers) {
        match answer {
            Some(suppression) => finding.suppressed = suppression.text,
            None => counts.add(finding.severity()),
        }
    }
    reported.findings = Some(counts);
}
