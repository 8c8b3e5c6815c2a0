//! `fail_on`: what keeps a report from telling all: problems, no packages, a distribution without support, an old database.

use super::{Check, Facts, Hit, Kind, Status, yaml};
use crate::{
    age::{Limit, Moment},
    row,
};

/// The row.
pub(super) const KIND: Kind = Kind { name: "fail_on", about: "the report tells all", read };

/// The problem that an image without packages has.
const NO_PACKAGES: &str = "no-packages";
/// Problems that are about a database's age, which `db_older_than` judges.
const AGES: [&str; 2] = ["old-database", "database-age-unknown"];

enum Part {
    Incomplete,
    NoPackages,
    Ended,
    OlderThan(Limit),
}

fn read(node: &yaml::Node) -> Result<Check, yaml::Error> {
    let parts: Vec<Part> = node.list("`fail_on`")?.iter().map(part).collect::<Result<_, _>>()?;
    if parts.is_empty() {
        return Err(node.wrong("`fail_on` names nothing"));
    }
    Ok(Box::new(move |facts| parts.iter().flat_map(|part| judge(part, facts)).collect()))
}

fn part(node: &yaml::Node) -> Result<Part, yaml::Error> {
    const NAMES: &str = "incomplete, no_packages, eol_os, db_older_than: AGE";
    match node.text("") {
        Ok("incomplete") => Ok(Part::Incomplete),
        Ok("no_packages") => Ok(Part::NoPackages),
        Ok("eol_os") => Ok(Part::Ended),
        Ok(other) => Err(node.wrong(format!("`{other}` is not known; known: {NAMES}"))),
        Err(_) => {
            let age = node.fields("`fail_on`", &["db_older_than"])?.need("db_older_than")?;
            let text = age.text("`db_older_than`")?;
            text.parse()
                .map(Part::OlderThan)
                .map_err(|failure: crate::exit::Failure| age.wrong(failure.message))
        }
    }
}

fn judge(part: &Part, facts: &Facts<'_>) -> Vec<Hit> {
    let report = facts.report;
    match part {
        Part::Incomplete => {
            let problems = report
                .problems
                .iter()
                .filter(|problem| problem.code != NO_PACKAGES && !AGES.contains(&problem.code.as_str()));
            problems.map(|problem| Hit::said(format!("{}: {}", problem.code, row::said(problem)))).collect()
        }
        Part::NoPackages if report.packages.is_empty() => {
            vec![Hit::said("no package was found in the image")]
        }
        Part::NoPackages => Vec::new(),
        Part::Ended => ended(facts).into_iter().collect(),
        Part::OlderThan(limit) => {
            let problem = limit.judge(&report.database_modified, facts.now);
            problem.map(|problem| Hit::said(problem.message)).into_iter().collect()
        }
    }
}

/// A distribution that gets no more fixes. Where nothing says when it ends, that is said, and fails nothing.
pub(super) fn ended(facts: &Facts<'_>) -> Option<Hit> {
    let distribution = facts.report.distribution.as_ref()?;
    let name = format!("{} {}", distribution.id, distribution.version);
    match has_ended(distribution, facts.now) {
        Some(false) => None,
        Some(true) => {
            Some(Hit::said(format!("{name} has been without support since {}", distribution.end_of_life)))
        }
        None => Some(Hit {
            action: Some(Status::Warn),
            ..Hit::said(format!("it is not known until when {name} is supported"))
        }),
    }
}

/// Whether a distribution's support has ended; `None` when not known.
#[must_use]
pub(crate) fn has_ended(distribution: &strata_proto::v1::Distribution, now: Moment) -> Option<bool> {
    if distribution.ended {
        return Some(true);
    }
    // The last day of support counts as supported.
    let last = format!("{}T23:59:59Z", distribution.end_of_life);
    now.since(&last).map(|age| age.is_positive())
}
