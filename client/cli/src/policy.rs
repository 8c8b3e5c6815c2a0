//! Policies: rules that a report passes or fails. Pure: a file's text, reports and a moment in, verdicts out. A kind of
//! rule is one file and one row of [`KINDS`].

pub mod accepted;
mod complete;
mod count;
pub mod file;
mod glob;
mod image;
pub mod stage;
#[cfg(test)]
mod tests;
pub mod trial;
mod vuln;
pub mod yaml;

use serde::Serialize;
use strata_proto::{
    reference::Reference,
    v1::{Finding, Package, Report},
};

use crate::{age::Moment, row};

pub(crate) use self::complete::has_ended;
pub use self::stage::Stage;

/// What a rule looks at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The report; accepted risks are marked in it already.
    pub report: &'a Report,
    /// Names of the image.
    pub references: &'a [String],
    /// The moment for ages and dates.
    pub now: Moment,
    /// Where the image is judged.
    pub stage: Stage,
}

/// One kind of rule.
pub struct Kind {
    /// The key in a rule.
    pub name: &'static str,
    /// One line for documentation.
    pub about: &'static str,
    /// Reads the key's value.
    pub read: fn(&yaml::Node) -> Result<Check, yaml::Error>,
}

/// Every kind of rule.
pub const KINDS: &[Kind] = &[vuln::KIND, count::KIND, image::KIND, complete::KIND];

/// What a rule finds wrong; nothing when it passes.
pub type Check = Box<dyn Fn(&Facts<'_>) -> Vec<Hit> + Send + Sync>;

/// What a rule that is broken does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing is wrong.
    Pass,
    /// It is said, and no more.
    Warn,
    /// The policy fails.
    Fail,
}

impl Status {
    /// As it is written in files and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// Reads `warn` or `fail`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn action(node: &yaml::Node) -> Result<Self, yaml::Error> {
        match node.text("an action")? {
            "warn" => Ok(Self::Warn),
            "fail" => Ok(Self::Fail),
            other => Err(node.wrong(format!("`{other}` is not an action; actions: warn, fail"))),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// One line for people.
    pub message: String,
    /// The finding's identifier, where it is about one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub vulnerability: String,
    /// Name of the package.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub package: String,
    /// Its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// First version without the flaw.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fixed_version: String,
    /// What it does: by itself, or else what the rule's action is.
    #[serde(skip)]
    pub action: Option<Status>,
}

/// A rule of a policy.
pub struct Rule {
    /// Names it in verdicts.
    pub id: String,
    /// What it does when it is broken.
    pub action: Status,
    /// Its kind.
    pub kind: &'static str,
    /// How it is checked.
    pub check: Check,
}

/// A named list of rules.
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Repositories that it is for; empty is every image.
    pub repositories: Vec<String>,
    /// Stages that it is for; empty is every stage.
    pub stages: Vec<Stage>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// What a rule says of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleResult {
    /// The rule.
    pub id: String,
    /// Its kind.
    pub kind: &'static str,
    /// How it ended.
    pub status: Status,
    /// What is wrong.
    pub failures: Vec<Hit>,
}

/// What a policy says of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The policy.
    pub policy: String,
    /// False where the policy is for other repositories or stages: then no rule was looked at.
    pub applies: bool,
    /// The worst of its rules.
    pub status: Status,
    /// Every rule, in the file's order.
    pub rules: Vec<RuleResult>,
}

impl Policy {
    /// Judges one image.
    #[must_use]
    pub fn judge(&self, facts: &Facts<'_>) -> Verdict {
        let applies = (self.repositories.is_empty() || in_scope(&self.repositories, facts.references, false))
            && (self.stages.is_empty() || self.stages.contains(&facts.stage));
        let rules: Vec<RuleResult> =
            if applies { self.rules.iter().map(|rule| rule.judge(facts)).collect() } else { Vec::new() };
        let status = rules.iter().map(|rule| rule.status).max().unwrap_or(Status::Pass);
        Verdict { policy: self.name.clone(), applies, status, rules }
    }
}

impl Rule {
    fn judge(&self, facts: &Facts<'_>) -> RuleResult {
        let mut failures = (self.check)(facts);
        for hit in &mut failures {
            hit.action.get_or_insert(self.action);
        }
        // What fails comes first: the rest may be cut off.
        failures.sort_by_key(|hit| std::cmp::Reverse(hit.action));
        let status = failures.iter().filter_map(|hit| hit.action).max().unwrap_or(Status::Pass);
        RuleResult { id: self.id.clone(), kind: self.kind, status, failures }
    }
}

impl<'a> Facts<'a> {
    /// Findings that nothing suppresses, with their packages.
    fn findings(&self) -> impl Iterator<Item = (&'a Finding, Option<&'a Package>)> + use<'a> {
        let report = self.report;
        let open = report.findings.iter().filter(|finding| finding.suppressed.is_empty());
        open.map(move |finding| (finding, package(report, finding)))
    }
}

impl Hit {
    /// About a finding.
    fn of(finding: &Finding, package: Option<&Package>, message: String) -> Self {
        Self {
            message,
            vulnerability: finding.id.clone(),
            package: package.map(|package| package.name.clone()).unwrap_or_default(),
            version: package.map(|package| package.version.clone()).unwrap_or_default(),
            fixed_version: finding.fixed_version.clone(),
            action: None,
        }
    }

    /// About the image.
    fn said(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

/// The package of a finding.
#[must_use]
pub fn package<'a>(report: &'a Report, finding: &Finding) -> Option<&'a Package> {
    usize::try_from(finding.package).ok().and_then(|index| report.packages.get(index))
}

/// Whether one of an image's names, or each of them, is in a repository of that pattern: `team/app` or
/// `registry.example/team/app`. An archive is in the repository that it names itself, and a pattern may mean its file:
/// `docker-archive:build/*.tar`.
fn in_scope(patterns: &[String], references: &[String], every: bool) -> bool {
    let one = |reference: &String| {
        if row::file(reference).is_some_and(|file| patterns.iter().any(|one| glob::matches(one, file))) {
            return true;
        }
        let Some(Ok(reference)) = row::registry_name(reference).map(str::parse::<Reference>) else {
            return false;
        };
        let whole = format!("{}/{}", reference.host, reference.repository);
        patterns
            .iter()
            .any(|pattern| glob::matches(pattern, &reference.repository) || glob::matches(pattern, &whole))
    };
    if every { !references.is_empty() && references.iter().all(one) } else { references.iter().any(one) }
}
