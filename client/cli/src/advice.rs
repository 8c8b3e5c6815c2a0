//! Which findings other bases would remove from an image: predictions, the best first.

mod show;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use serde::Serialize;
use strata_proto::v1::{Report, Severity};
use strata_worker::job::advise::Predicted;

use crate::diff::{Diff, Form, Found, Image, Packages, Side, Sizes};

/// Version of the JSON document.
const SCHEMA: u32 = 1;

/// What other bases would do.
#[derive(Debug, Serialize)]
pub struct Advice {
    schema: u32,
    /// The image as it is.
    pub image: Side,
    /// Its base.
    pub base: Base,
    /// By which advisory database all of it was assessed.
    pub database: Database,
    /// The candidates, the best first.
    pub candidates: Vec<Candidate>,
}

/// Which of the image's layers are its base.
#[derive(Debug, Clone, Serialize)]
pub struct Base {
    /// How many of the lowest.
    pub layers: usize,
    /// How that is known.
    pub known_by: String,
}

/// An advisory database.
#[derive(Debug, Clone, Serialize)]
pub struct Database {
    digest: String,
    modified: String,
    /// Whose it is, for people.
    pub whose: &'static str,
}

/// What one candidate would do.
#[derive(Debug, Serialize)]
pub struct Candidate {
    /// What it was asked for by.
    pub name: String,
    digest: String,
    /// The image as it would be.
    pub predicted: Side,
    /// Bytes now and then.
    pub sizes: Sizes,
    /// How many of each by severity.
    pub summary: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Findings that would go.
    pub fixed: Vec<Found>,
    /// Findings that would stay.
    pub remains: Vec<Remains>,
    /// Findings that would come.
    pub introduced: Vec<Found>,
    /// Packages that would change.
    pub packages: Packages,
    /// What limits the prediction.
    pub notes: Vec<String>,
    /// What could not be known of the image as it would be, and is known of it as it is.
    #[serde(skip)]
    less_known: bool,
}

/// A finding that would stay.
#[derive(Debug, Serialize)]
pub struct Remains {
    #[serde(flatten)]
    found: Found,
    /// `base` or `application`: whose layers bring the package.
    pub origin: &'static str,
}

impl Candidate {
    /// Compares a prediction with the image as it is.
    #[must_use]
    pub fn new(image: &Image, candidate: &Image, prediction: Predicted) -> Self {
        let Predicted { report, foreign } = prediction;
        let after =
            Image { name: format!("{} on {}", image.name, candidate.name), report, ..Image::default() };
        let Diff { after: predicted, sizes, packages, mut findings, mut notes, .. } =
            Diff::new(image, &after);
        if !foreign.is_empty() {
            let list = foreign.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            notes.push(format!(
                "the image's own layers install {list} packages, and this base has no such packages: its build must change"
            ));
        }
        let base = based(&after.report, candidate.report.layers.len());
        let remains = findings.unchanged.drain(..).map(|found| {
            let in_base = base.contains(&(found.ecosystem.as_str(), found.package.as_str()));
            Remains { origin: if in_base { "base" } else { "application" }, found }
        });
        let remains = remains.collect();
        let summary = findings.summary.into_iter();
        let summary =
            summary.map(|(word, counts)| (if word == "unchanged" { "remains" } else { word }, counts));
        let codes = |report: &Report| -> BTreeSet<String> {
            report.problems.iter().map(|problem| problem.code.clone()).collect()
        };
        Self {
            name: candidate.name.clone(),
            digest: candidate.report.image_digest.clone(),
            less_known: !foreign.is_empty() || !codes(&after.report).is_subset(&codes(&image.report)),
            predicted,
            sizes,
            summary: summary.collect(),
            fixed: findings.fixed,
            remains,
            introduced: findings.introduced,
            packages,
            notes,
        }
    }

    /// Candidates of which less is known come last: few findings are no merit of theirs. Then what is left counts, the worst
    /// severity first, then the size.
    fn rank(&self) -> impl Ord + use<> {
        let left = Severity::WORST_FIRST
            .map(|severity| self.predicted.findings.get(severity.name()).copied().unwrap_or_default());
        (self.less_known, left, self.sizes.compressed.after.unwrap_or(u64::MAX), Reverse(self.fixed.len()))
    }
}

/// Packages that the lowest layers bring.
fn based(report: &Report, layers: usize) -> BTreeSet<(&str, &str)> {
    let below = |layer: u32| usize::try_from(layer).is_ok_and(|layer| layer < layers);
    let packages = report.packages.iter().filter(|package| below(package.layer));
    packages.map(|package| (package.ecosystem.as_str(), package.name.as_str())).collect()
}

impl Advice {
    /// Sorts the candidates.
    #[must_use]
    pub fn new(image: &Image, base: Base, mut candidates: Vec<Candidate>) -> Self {
        candidates.sort_by_cached_key(Candidate::rank);
        let database = Database {
            digest: image.report.database_digest.clone(),
            modified: image.report.database_modified.clone(),
            whose: "this machine's",
        };
        Self { schema: SCHEMA, image: Side::of(image), base, database, candidates }
    }

    /// Writes the advice.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write(&self, form: Form, out: &mut dyn Write) -> io::Result<()> {
        match form {
            Form::Table => show::table(self, out),
            Form::Markdown => show::markdown(self, out),
            Form::Json => {
                serde_json::to_writer_pretty(&mut *out, self)?;
                writeln!(out)
            }
        }
    }
}
