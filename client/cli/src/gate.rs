//! What is shown of a report and what fails: severities, policies, accepted risks.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::Serialize;
use strata_proto::v1::{FixState, ImageReported, Severity, SeverityCounts};

use crate::{
    age::Moment,
    args::GateArgs,
    exit::{self, Failure},
    policy::{
        Facts, Policy, Stage, Status, Verdict,
        accepted::{self, Accepted, Tally},
        file, yaml,
    },
    row,
};

/// Lines of one rule that are printed; the JSON document has all.
const SHOWN: usize = 20;

/// What was asked for, checked.
pub struct Gate {
    severities: Vec<Severity>,
    ignore_unfixed: bool,
    exclude_accepted: bool,
    fail_on: Option<Severity>,
    fail_on_problems: bool,
    exit_code: Option<u8>,
    exit_on_eol: Option<u8>,
    policies: Vec<Policy>,
    accepted: Vec<Accepted>,
    /// What the images will be called where they are pushed: what holds for these names holds already.
    pub push_refs: Vec<String>,
    /// The moment for ages and expiry.
    pub now: Moment,
    /// Where images are judged.
    pub stage: Stage,
}

/// What the policies say of one image.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// Names of the image.
    pub references: Vec<String>,
    /// Its digest.
    pub digest: String,
    /// Each policy's verdict.
    pub verdicts: Vec<Verdict>,
    /// Accepted risks.
    #[serde(flatten)]
    pub tally: Tally,
}

/// What the gate saw so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Findings that were left out.
    pub hidden: u64,
    /// Images whose distribution gets no more fixes, or may get none: one line each.
    pub ended: Vec<String>,
    /// Images of which a policy has something to say, or a risk is accepted.
    pub judged: Vec<Judged>,
    /// The worst verdict.
    worst: Option<Status>,
}

/// The policy that is there without a file.
const BUILT_IN: &str = "default";

impl Gate {
    /// Checks the arguments and reads the policies.
    ///
    /// # Errors
    /// When a severity is not known, or a policy cannot be read: with file, line and column.
    pub fn new(args: &GateArgs) -> Result<Self, Failure> {
        let now = match &args.now {
            None => Moment::now(),
            Some(text) => Moment::parse(text).ok_or_else(|| {
                Failure::usage(format!("`{text}` is not a date")).hint("for example 2026-11-22")
            })?,
        };
        let mut gate = Self {
            severities: args.severity.iter().map(|text| severity(text)).collect::<Result<_, _>>()?,
            ignore_unfixed: args.ignore_unfixed,
            exclude_accepted: args.exclude_accepted,
            fail_on: args.fail_on.as_deref().map(severity).transpose()?,
            fail_on_problems: args.fail_on_problems,
            exit_code: args.exit_code,
            exit_on_eol: args.exit_on_eol,
            policies: Vec::new(),
            accepted: Vec::new(),
            push_refs: Vec::new(),
            now,
            stage: Stage::default(),
        };
        for named in &args.policy {
            gate.add(named)?;
        }
        Ok(gate)
    }

    /// Takes in the policies that an argument names.
    fn add(&mut self, named: &str) -> Result<(), Failure> {
        let (path, name) = match named.rsplit_once(':') {
            Some((path, name)) if !Path::new(named).exists() => (path, Some(name)),
            _ => (named, None),
        };
        let file = match named {
            // Nothing to write, and a start for one's own.
            BUILT_IN if !Path::new(named).exists() => file::parse(include_str!("policy/default.yaml"))
                .map_err(|error| Failure::usage(format!("failed to read the built-in policy: {error}")))?,
            _ => read_policies(Path::new(path))?,
        };
        let names: Vec<String> = file.policies.iter().map(|policy| policy.name.clone()).collect();
        let wanted = |policy: &Policy| name.is_none_or(|name| policy.name == name);
        let policies: Vec<Policy> = file.policies.into_iter().filter(wanted).collect();
        match (name, policies.is_empty()) {
            (Some(name), true) => {
                return Err(Failure::usage(format!("there is no policy `{name}` in {path}"))
                    .hint(format!("policies: {}", names.join(", "))));
            }
            // A file that only accepts risks is sound, but is no gate of its own.
            (None, true) if file.accepted.is_empty() => {
                return Err(Failure::usage(format!(
                    "there is neither a policy nor an accepted risk in {path}"
                )));
            }
            _ => {}
        }
        self.policies.extend(policies);
        self.accepted.extend(file.accepted);
        Ok(())
    }

    /// Takes in further accepted risks.
    pub fn accept_also(&mut self, risks: impl IntoIterator<Item = Accepted>) {
        self.accepted.extend(risks);
    }

    /// Whether whole reports are needed even where only counts are shown.
    #[must_use]
    pub fn needs_reports(&self) -> bool {
        let filters = !self.severities.is_empty()
            || self.ignore_unfixed
            || self.exclude_accepted
            || self.exit_on_eol.is_some();
        filters || !self.policies.is_empty() || !self.accepted.is_empty()
    }

    /// Marks accepted risks, judges, and leaves out what is not to be shown. Policies see the whole report.
    pub fn judge(&self, reported: &mut ImageReported, seen: &mut Seen) {
        let (references, places) = (self.names(reported), self.places(reported));
        let Some(report) = &mut reported.report else { return };
        let tally = accepted::apply(&self.accepted, report, &places, self.now);
        let facts = Facts { report, references: &references, now: self.now, stage: self.stage };
        let verdicts: Vec<Verdict> = self.policies.iter().map(|policy| policy.judge(&facts)).collect();
        let distribution = report.distribution.as_ref();
        if self.exit_on_eol.is_some()
            && distribution.and_then(|found| crate::policy::has_ended(found, self.now)) == Some(true)
        {
            seen.ended.push(references.first().cloned().unwrap_or_default());
        }
        seen.worst = seen.worst.max(verdicts.iter().map(|verdict| verdict.status).max());
        let silent = verdicts.iter().all(|verdict| verdict.applies && verdict.status == Status::Pass);
        if !silent || tally != Tally::default() {
            let digest = report.image_digest.clone();
            seen.judged.push(Judged { references, digest, verdicts, tally });
        }
        let before = report.findings.len();
        report.findings.retain(|finding| {
            (self.severities.is_empty() || self.severities.contains(&finding.severity()))
                && (!self.ignore_unfixed || finding.fix_state() == FixState::Fixed)
                && (!self.exclude_accepted || !accepted::is_mark(&finding.suppressed))
        });
        seen.hidden += u64::try_from(before.saturating_sub(report.findings.len())).unwrap_or(u64::MAX);
        let mut counts = SeverityCounts::default();
        for finding in report.findings.iter().filter(|finding| finding.suppressed.is_empty()) {
            counts.add(finding.severity());
        }
        reported.findings = Some(counts);
    }

    /// All names of an image, for policies.
    fn names(&self, reported: &ImageReported) -> Vec<String> {
        reported.references.iter().chain(&self.push_refs).cloned().collect()
    }

    /// The names that must all be in an accepted risk's scope: a file that is to be pushed is no longer a place of the image.
    fn places(&self, reported: &ImageReported) -> Vec<String> {
        let stays = |name: &&String| self.push_refs.is_empty() || row::file(name).is_none();
        reported.references.iter().filter(stays).chain(&self.push_refs).cloned().collect()
    }

    /// Marks accepted risks, and no more: for reports that are compared rather than judged.
    pub fn accept(&self, reported: &mut ImageReported) {
        let places = self.places(reported);
        if let Some(report) = &mut reported.report {
            accepted::apply(&self.accepted, report, &places, self.now);
        }
    }

    /// The exit code of a scan that is complete. `other` is a further condition that was asked for, and whether it fails.
    #[must_use]
    pub fn code(&self, worst: Option<Severity>, problems: u64, seen: &Seen, other: Option<bool>) -> u8 {
        if let (Some(code), false) = (self.exit_on_eol, seen.ended.is_empty()) {
            return code;
        }
        let conditions =
            other.is_some() || self.fail_on.is_some() || self.fail_on_problems || !self.policies.is_empty();
        let any = !conditions && self.exit_code.is_some();
        let failed =
            self.fail_on.is_some_and(|limit| worst.is_some_and(|worst| worst as i32 >= limit as i32))
                || (any && worst.is_some())
                || (self.fail_on_problems && problems > 0)
                || seen.worst == Some(Status::Fail)
                || other == Some(true);
        if failed { self.exit_code.unwrap_or(exit::POLICY) } else { exit::PASSED }
    }

    /// Whether anything could fail a scan.
    #[must_use]
    pub fn has_conditions(&self) -> bool {
        self.fail_on.is_some()
            || self.fail_on_problems
            || self.exit_code.is_some()
            || self.exit_on_eol.is_some()
            || !self.policies.is_empty()
    }

    /// Says on stderr what the policies found and what is not shown, even where progress is not wanted.
    pub fn explain(&self, seen: &Seen) {
        let mut stderr = std::io::stderr().lock();
        for line in lines(seen) {
            let _ = writeln!(stderr, "{line}");
        }
        if !self.policies.is_empty() {
            let verdict = match seen.worst {
                Some(Status::Fail) => "FAILED",
                Some(Status::Warn) => "passed with warnings",
                Some(Status::Pass) | None => "passed",
            };
            let _ = writeln!(stderr, "policy: {verdict}");
        }
    }
}

fn lines(seen: &Seen) -> Vec<String> {
    let mut lines = Vec::new();
    if seen.hidden > 0 {
        lines.push(format!(
            "{} findings are not shown (--severity, --ignore-unfixed, --exclude-accepted)",
            seen.hidden
        ));
    }
    for name in &seen.ended {
        lines.push(format!("END OF LIFE {name}: its distribution gets no more fixes"));
    }
    for image in &seen.judged {
        let name = image.references.first().unwrap_or(&image.digest);
        if image.tally.accepted > 0 {
            lines.push(format!("{name}: {} findings are accepted risks", image.tally.accepted));
        }
        for risk in &image.tally.expired {
            lines.push(format!("{name}: accepted risk EXPIRED, it counts again: {risk}"));
        }
        for verdict in &image.verdicts {
            if !verdict.applies {
                lines.push(format!("policy {}: not for {name}: its scope", verdict.policy));
            }
            for rule in verdict.rules.iter().filter(|rule| rule.status > Status::Pass) {
                let word = |status| if status == Status::Fail { "FAIL" } else { "WARN" };
                for hit in rule.failures.iter().take(SHOWN) {
                    let word = word(hit.action.unwrap_or(rule.status));
                    lines.push(format!("{word} {}/{} {name}: {}", verdict.policy, rule.id, hit.message));
                }
                if let Some(more @ 1..) = rule.failures.len().checked_sub(SHOWN) {
                    let word =
                        word(rule.failures.get(SHOWN).and_then(|hit| hit.action).unwrap_or(rule.status));
                    lines.push(format!("{word} {}/{} {name}: and {more} more", verdict.policy, rule.id));
                }
            }
        }
    }
    lines
}

/// Reads a policy file.
///
/// # Errors
/// When it cannot be read; what is wrong in it comes with line and column.
pub fn read_policies(path: &Path) -> Result<file::File, Failure> {
    let failed =
        |reason: String| Failure::usage(format!("failed to read the policy {}: {reason}", path.display()));
    let text = read_text(path, yaml::MOST_BYTES).map_err(failed)?;
    file::parse(&text).map_err(|error| Failure::usage(format!("{}:{error}", path.display())))
}

/// A text file of at most so many bytes.
///
/// # Errors
/// When it cannot be read, is larger, or no UTF-8.
pub fn read_text(path: &Path, most: u64) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(most + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if u64::try_from(text.len()).map_or(true, |length| length > most) {
        return Err(format!("it has more than {most} bytes"));
    }
    Ok(text)
}

/// A path beside another file.
#[must_use]
pub fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().map_or_else(|| PathBuf::from(name), |directory| directory.join(name))
}

/// A severity by its name, in any case.
///
/// # Errors
/// When there is none; the hint names those that there are.
pub fn severity(text: &str) -> Result<Severity, Failure> {
    Severity::parse(text).ok_or_else(|| {
        let names: Vec<&str> = Severity::WORST_FIRST.iter().map(|severity| severity.name()).collect();
        Failure::usage(format!("`{text}` is not a severity"))
            .hint(format!("severities: {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_judged_by_the_names_that_it_will_have() {
        let mut gate = Gate::new(&GateArgs::default()).expect("a gate");
        let reported = |references: &[&str]| ImageReported {
            references: references.iter().map(ToString::to_string).collect(),
            ..ImageReported::default()
        };
        let here = reported(&["docker-archive:image.tar@0", "r.example/old:1"]);
        assert_eq!(gate.names(&here), here.references);
        assert_eq!(gate.places(&here), here.references);
        gate.push_refs = vec!["r.example/team/app:1".to_owned()];
        assert_eq!(
            gate.names(&here),
            ["docker-archive:image.tar@0", "r.example/old:1", "r.example/team/app:1"]
        );
        assert_eq!(gate.places(&here), ["r.example/old:1", "r.example/team/app:1"]);
    }
}
