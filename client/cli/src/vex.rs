//! VEX documents that a user gives: their statements suppress findings, which stay in the report with the reason.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use strata_analysis::vex::{self, Statement};
use strata_proto::v1::{ImageReported, SeverityCounts};
use strata_worker::attached;

use crate::exit::Failure;

/// Larger documents than any distributor publishes are refused.
const MAX_DOCUMENT: u64 = 256 << 20;

/// What stands for the documents that are attached to each image in its registry. A file of that name is `./oci`.
const ATTACHED: &str = "oci";

/// Whether documents that are attached to the images are to count.
#[must_use]
pub fn wants_attached(paths: &[PathBuf]) -> bool {
    paths.iter().any(|path| path.as_os_str() == ATTACHED)
}

/// Refuses attached documents where no image is assessed.
///
/// # Errors
/// When they are asked for.
pub fn no_attached(paths: &[PathBuf]) -> Result<(), Failure> {
    if wants_attached(paths) {
        return Err(Failure::usage("attached VEX documents are read when an image is scanned".to_owned())
            .hint("give --vex oci to `strata scan` or `strata sweep`"));
    }
    Ok(())
}

/// Reads documents, the first one first: of two statements on one thing the later speaks.
///
/// # Errors
/// When a file cannot be read or is no VEX document.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Statement>, Failure> {
    let mut statements = Vec::new();
    for path in paths.iter().filter(|path| path.as_os_str() != ATTACHED) {
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

/// Marks what the statements answer, and counts only what nothing suppresses.
pub fn apply(reported: &mut ImageReported, statements: &[Statement]) {
    let Some(report) = &mut reported.report else { return };
    if statements.is_empty() {
        return;
    }
    let answers = attached::answers(report, statements, &[]);
    let mut counts = SeverityCounts::default();
    for (finding, answer) in report.findings.iter_mut().zip(answers) {
        if let Some(suppression) = answer {
            finding.suppressed = suppression.text;
        }
        if finding.suppressed.is_empty() {
            counts.add(finding.severity());
        }
    }
    reported.findings = Some(counts);
}
