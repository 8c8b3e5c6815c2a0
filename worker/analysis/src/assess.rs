//! *assess*: contents and an advisory database → findings. A finding is a package and a flaw: several advisories of
//! one flaw make one finding, an advisory that answers several flaws makes one for each.

pub(crate) mod affects;
mod builds;
mod consult;
mod ending;
mod gaps;
mod merge;
mod risk;

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use affects::Answer;
use builds::is_for;
pub(crate) use builds::is_for_machine;
use consult::Consult;
pub use consult::MOST_ASKED;
use gaps::Gaps;
use merge::Merge;

use crate::{
    database::{Database, DatabaseError, outline},
    ecosystem::{self, AdvisoryKey, Ecosystem},
    model::{Contents, Installed, Problem},
};

/// How bad an advisory says that it is, worst last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No rating: unknown is not harmless.
    #[default]
    Unknown,
    /// The distribution calls it negligible or unimportant.
    Negligible,
    /// CVSS 0.1 to 3.9.
    Low,
    /// CVSS 4.0 to 6.9.
    Medium,
    /// CVSS 7.0 to 8.9.
    High,
    /// CVSS 9.0 to 10.0.
    Critical,
}

/// Whether, and how, the package's distributor answers an advisory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FixState {
    /// The first version without the flaw.
    Fixed(String),
    /// Affected, and no fixed version is known.
    NotFixed,
    /// The distributor has said that it will not fix it.
    WillNotFix,
    /// Postponed by the distributor.
    Deferred,
    /// The distributor has not decided yet.
    UnderInvestigation,
    /// The release gets no fixes any more.
    EndOfLife,
}

/// One package that one advisory affects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Index in `Contents::packages`.
    pub package: usize,
    /// Best-known identifier: the CVE where there is one.
    pub id: String,
    /// The advisory's identifier in its source.
    pub advisory: String,
    /// All other identifiers, ordered.
    pub aliases: Vec<String>,
    /// How bad it is.
    pub severity: Severity,
    /// Where the severity comes from: `advisory`, `cvss-v3`, `alias`; empty when it is unknown.
    pub severity_source: &'static str,
    /// CVSS base score in tenths; 0 when there is none.
    pub cvss_tenths: u32,
    /// Whether there is a fix.
    pub fix: FixState,
    /// One line for people; may be empty.
    pub title: String,
    /// EPSS probability in millionths; 0 when not known.
    pub epss_millionths: u32,
    /// In the catalogue of known exploited vulnerabilities.
    pub known_exploited: bool,
    /// Known to be used by ransomware: only for what is known to be exploited.
    pub ransomware: bool,
    /// Threat × severity, in millionths of the greatest possible risk: the order in which findings want attention.
    pub risk_millionths: u32,
    /// When the advisory was last modified, RFC 3339: its fix is at least that old. Empty when the database does not say.
    pub advisory_modified: String,
}

/// When a distribution's release ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndOfLife {
    /// The last day of support for everybody: `2026-06-30`.
    pub date: String,
    /// The last day of longer support, which not everybody has; empty when there is none.
    pub extended: String,
    /// Whether the date had passed on the day of which the database speaks.
    pub passed: bool,
}

/// What *assess* found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assessment {
    /// Ordered by package, then identifier.
    pub findings: Vec<Finding>,
    /// When the distribution's release ends; `None` when the database does not say.
    pub end_of_life: Option<EndOfLife>,
    /// What could not be assessed: a distribution without advisories in the database, a version that is none.
    pub problems: Vec<Problem>,
    /// Keys under which the database was asked, in order: any database whose outline agrees on them gives the same assessment.
    /// `None` when there were more than [`MOST_ASKED`].
    pub asked: Option<Vec<outline::Key>>,
}

/// Raised when *assess* makes something else of the same image and the same answers.
const REVISION: u32 = 1;

/// Codes of the problems that *assess* itself tells: another database may not have them.
pub const PROBLEMS: [&str; 5] =
    ["damaged-advisories", "end-of-life", "no-advisories", "uncomparable-version", "unknown-ecosystem"];

/// Which *assess* this is: an assessment may stand for one that this *assess* would make only when it made it. Versions of
/// Strata differ, for what changes between them is not known.
#[must_use]
pub fn assessor() -> u64 {
    let named = format!("{} {REVISION} {}", env!("CARGO_PKG_VERSION"), outline::REVISION);
    Sha256::digest(named).iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// Matches an image's packages against the database.
#[must_use]
pub fn assess(contents: &Contents, database: &Database<'_>) -> Assessment {
    let mut assessment = Assessment::default();
    let mut gaps = Gaps::default();
    let consult = Consult::new(database);
    for (index, installed) in contents.packages.iter().enumerate() {
        let Some(row) = ecosystem::by_name(installed.ecosystem) else {
            gaps.unknown_ecosystem(installed.ecosystem);
            continue;
        };
        let keys = (row.advisory_keys)(&installed.package, contents.distribution.as_ref());
        gaps.asked(row, &installed.package, &keys, &consult);
        let assessed = Assessor { database: &consult, row, installed }.assess(&keys);
        match assessed {
            Ok(found) => {
                assessment.findings.extend(found.flaws.finish(index, row.order));
                assessment.problems.extend(found.problem);
            }
            Err(error) => gaps.damaged(&error),
        }
    }
    assessment.problems.extend(gaps.problems(contents.distribution.as_ref()));
    if let Some(distribution) = &contents.distribution {
        let (end_of_life, problem) = ending::of(distribution, &consult);
        assessment.end_of_life = end_of_life;
        assessment.problems.extend(problem);
    }
    assessment.problems.sort();
    assessment.problems.dedup();
    assessment.asked = consult.asked();
    assessment
}

/// Assesses one package.
struct Assessor<'a, 'd> {
    database: &'a Consult<'a, 'd>,
    row: &'a Ecosystem,
    installed: &'a Installed,
}

/// What is known of one package.
#[derive(Default)]
struct Assessed<'d> {
    flaws: Merge<'d>,
    problem: Option<Problem>,
}

impl<'d> Assessor<'_, 'd> {
    fn assess(&self, keys: &[AdvisoryKey]) -> Result<Assessed<'d>, DatabaseError> {
        let mut assessed = Assessed::default();
        let (mut uncompared, mut example) = (0_u64, "");
        let mut spoken: BTreeMap<usize, &str> = BTreeMap::new();
        for AdvisoryKey { ecosystem, name, version } in keys {
            let Some(mut entries) = self.database.lookup(ecosystem, name)? else { continue };
            // Ubuntu's paid channels fix what the release leaves open: a package that has such a fix is clear of the flaw.
            let settles = ecosystem.starts_with("Ubuntu:Pro:") && !assessed.flaws.is_empty();
            // A stream of longer support that the image has gets fixes of its own: what it says of a flaw decides.
            let decides = is_stream(ecosystem);
            // Each channel of certified builds has versions of its own: on an advisory the first that speaks of it counts.
            let certified = ecosystem.starts_with("Ubuntu:Pro:FIPS");
            let same_scheme = entries.scheme() == self.row.order.name;
            let may_stop = same_scheme && entries.bounds_descend() && !settles && !decides && !certified;
            let mut bounded = affects::Bounded::new(version, self.row.order);
            while let Some(entry) = entries.next() {
                let entry = entry?;
                if may_stop && bounded.is_behind(entry.bound) {
                    entries.skip_bounded();
                    continue;
                }
                if certified && spoken.entry(entry.advisory).or_insert(ecosystem) != ecosystem {
                    continue;
                }
                match bounded.answer(&entry, same_scheme) {
                    Answer::No if settles => assessed.flaws.settle(entry.advisory),
                    Answer::No if !decides => {}
                    _ if !is_for(&self.installed.package, ecosystem, version, &entry) => {}
                    Answer::No if bounded.is_behind(entry.bound) => {
                        assessed.flaws.fixed_in_stream(self.database, &entry)?;
                    }
                    Answer::No => {}
                    Answer::Yes { fix } => assessed.flaws.add(self.database, &entry, fix, decides)?,
                    Answer::Unknown => {
                        uncompared += 1;
                        if example.is_empty() {
                            example = self.database.advisory(entry.advisory)?.id;
                        }
                    }
                }
            }
        }
        if uncompared > 0 {
            assessed.problem = Some(self.uncomparable(uncompared, example));
        }
        Ok(assessed)
    }

    fn uncomparable(&self, count: u64, example: &str) -> Problem {
        let Installed { package, file, .. } = self.installed;
        let what =
            if count == 1 { example.to_owned() } else { format!("{count} advisories, {example} among them") };
        Problem {
            code: "uncomparable-version".into(),
            message: format!(
                "version `{}` of the {} package `{}` cannot be compared with {what}",
                package.version, self.row.name, package.name
            ),
            file: file.clone(),
        }
    }
}

/// Whether an ecosystem is one of Red Hat's streams of longer support for one minor release. They are asked only where
/// the image's content sets name them.
fn is_stream(ecosystem: &str) -> bool {
    let stream = ecosystem.strip_prefix("Red Hat:rhel_").and_then(|rest| rest.split(':').next());
    matches!(stream, Some("aus" | "e4s" | "eus" | "tus"))
}

#[cfg(test)]
mod tests;
