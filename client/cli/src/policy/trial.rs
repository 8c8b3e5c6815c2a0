//! Tests of policies, written beside them: a report, a moment, and what each rule is to say.
//!
//! ```yaml
//! tests:
//! - name: a fix of ten days is young
//!   policy: default
//!   report: fixtures/young.json      # what `strata scan -f json` writes, beside the policy file
//!   now: 2026-11-22
//!   references: [registry.example/acme/app:1]   # instead of the document's
//!   stage: registry                # of the policy's stages; by default the first that it is for
//!   expect: { no-high: pass, hygiene: warn }
//! ```

use strata_proto::v1::Report;

use super::{Facts, Policy, Stage, Status, accepted, file::File, yaml};
use crate::age::Moment;

const FIELDS: &[&str] = &["name", "policy", "report", "now", "references", "stage", "expect"];

/// One test.
pub struct Trial {
    /// Its name.
    pub name: String,
    /// The report's file, relative to the policy's.
    pub report: String,
    policy: String,
    now: Moment,
    references: Vec<String>,
    stage: Stage,
    expect: Vec<(String, Status)>,
}

/// Reads a test of one of these policies.
///
/// # Errors
/// When a part is missing or malformed, or a policy or rule is not there.
pub fn read(node: &yaml::Node, policies: &[Policy]) -> Result<Trial, yaml::Error> {
    let fields = node.fields("a test", FIELDS)?;
    let text = |name: &str| fields.need(name).and_then(|node| node.text(name).map(str::to_owned));
    let named = fields.need("policy")?;
    let name = named.text("`policy`")?;
    let policy = policies
        .iter()
        .find(|policy| policy.name == name)
        .ok_or_else(|| named.wrong(format!("there is no policy `{name}` in this file")))?;
    let moment = fields.need("now")?;
    let now = Moment::parse(moment.text("`now`")?)
        .ok_or_else(|| moment.wrong("`now` is a date such as 2026-11-22 or 2026-11-22T12:00:00Z"))?;
    let mut expect = Vec::new();
    for (rule, status) in fields.need("expect")?.entries("`expect`")? {
        if !policy.rules.iter().any(|known| known.id == *rule) {
            return Err(status.wrong(format!("the policy `{name}` has no rule `{rule}`")));
        }
        let status = match status.text("a result")? {
            "pass" => Status::Pass,
            "warn" => Status::Warn,
            "fail" => Status::Fail,
            other => {
                return Err(status.wrong(format!("`{other}` is not a result; results: pass, warn, fail")));
            }
        };
        expect.push((rule.clone(), status));
    }
    let stage = fields.get("stage").map(Stage::read).transpose()?;
    let stage = stage.or_else(|| policy.stages.first().copied()).unwrap_or_default();
    if expect.is_empty() {
        return Err(node.wrong("a test that expects nothing proves nothing"));
    }
    Ok(Trial {
        name: text("name")?,
        report: text("report")?,
        policy: name.to_owned(),
        now,
        references: fields.texts("references")?,
        stage,
        expect,
    })
}

impl Trial {
    /// Runs it on its report; one line for each rule that says something else than is expected.
    #[must_use]
    pub fn run(&self, file: &File, mut report: Report, references: Vec<String>) -> Vec<String> {
        let references = if self.references.is_empty() { references } else { self.references.clone() };
        accepted::apply(&file.accepted, &mut report, &references, self.now);
        let Some(policy) = file.policies.iter().find(|policy| policy.name == self.policy) else {
            return vec![format!("there is no policy `{}`", self.policy)];
        };
        let verdict = policy.judge(&Facts {
            report: &report,
            references: &references,
            now: self.now,
            stage: self.stage,
        });
        if !verdict.applies {
            return vec![format!(
                "the policy `{}` is not for {} in this stage",
                self.policy,
                references.join(", ")
            )];
        }
        let mut wrong = Vec::new();
        for (id, expected) in &self.expect {
            let Some(rule) = verdict.rules.iter().find(|rule| rule.id == *id) else { continue };
            if rule.status != *expected {
                let why: Vec<&str> = rule.failures.iter().take(3).map(|hit| hit.message.as_str()).collect();
                let why = if why.is_empty() { "nothing is wrong".to_owned() } else { why.join("; ") };
                wrong.push(format!(
                    "rule {id}: {}, expected {} ({why})",
                    rule.status.name(),
                    expected.name()
                ));
            }
        }
        wrong
    }
}
