//! A policy file: policies, accepted risks, and tests of them.

use super::{KINDS, Policy, Rule, Stage, Status, accepted, accepted::Accepted, trial, trial::Trial, yaml};

const VERSION: &str = "strata/v1";
const PARTS: &[&str] = &["apiVersion", "policies", "accepted_risks", "tests"];

/// Parts of the language that nothing here can judge: a policy that names them is refused, not half obeyed.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("signature", "Strata does not verify signatures: leave the rule to what admits images"),
    ("provenance", "Strata does not verify provenance: leave the rule to what admits images"),
    ("keys", "Strata does not verify signatures, so that keys have no meaning"),
];

/// What a policy file holds.
pub struct File {
    /// Policies, in order.
    pub policies: Vec<Policy>,
    /// Accepted risks; they count for every policy.
    pub accepted: Vec<Accepted>,
    /// Tests of the policies.
    pub trials: Vec<Trial>,
}

/// Reads a policy file.
///
/// # Errors
/// With line and column of what is wrong.
pub fn parse(text: &str) -> Result<File, yaml::Error> {
    let root = yaml::parse(text)?;
    supported(&root)?;
    let fields = root.fields("a policy file", PARTS)?;
    let version = fields.need("apiVersion")?;
    if version.text("`apiVersion`")? != VERSION {
        return Err(version.wrong(format!("`apiVersion` is `{VERSION}`")));
    }
    let items = |name: &str| fields.get(name).map_or(Ok(&[][..]), |node| node.list(name));
    let mut policies: Vec<Policy> = Vec::new();
    for node in items("policies")? {
        let policy = policy(node)?;
        if policies.iter().any(|known| known.name == policy.name) {
            return Err(node.wrong(format!("there are two policies named `{}`", policy.name)));
        }
        policies.push(policy);
    }
    let accepted = items("accepted_risks")?.iter().map(accepted::read).collect::<Result<_, _>>()?;
    let trials = items("tests")?.iter().map(|node| trial::read(node, &policies)).collect::<Result<_, _>>()?;
    Ok(File { policies, accepted, trials })
}

/// Refuses what nothing here can judge, where it stands.
fn supported(node: &yaml::Node) -> Result<(), yaml::Error> {
    let Ok(entries) = node.entries("") else { return Ok(()) };
    for (name, value) in entries {
        if let Some((_, reason)) = UNSUPPORTED.iter().find(|(known, _)| known == name) {
            return Err(value.wrong_key(format!("`{name}` is not supported: {reason}")));
        }
    }
    Ok(())
}

fn policy(node: &yaml::Node) -> Result<Policy, yaml::Error> {
    let fields = node.fields("a policy", &["name", "scope", "rules"])?;
    let name = fields.need("name")?;
    let mut rules: Vec<Rule> = Vec::new();
    for node in fields.need("rules")?.list("`rules`")? {
        let rule = rule(node)?;
        if rules.iter().any(|known| known.id == rule.id) {
            return Err(node.wrong(format!("there are two rules named `{}`", rule.id)));
        }
        rules.push(rule);
    }
    if rules.is_empty() {
        return Err(node.wrong("a policy without rules passes everything"));
    }
    let (repositories, stages) = scope(fields)?;
    Ok(Policy { name: name.text("`name`")?.to_owned(), repositories, stages, rules })
}

fn rule(node: &yaml::Node) -> Result<Rule, yaml::Error> {
    let names = KINDS.iter().map(|kind| kind.name);
    let known: Vec<&str> = ["id", "action"].into_iter().chain(names.clone()).collect();
    supported(node)?;
    let fields = node.fields("a rule", &known)?;
    let id = fields.need("id")?.text("`id`")?.to_owned();
    let mut kinds = KINDS.iter().filter_map(|kind| fields.get(kind.name).map(|value| (kind, value)));
    let names: Vec<&str> = names.collect();
    let Some((kind, value)) = kinds.next() else {
        return Err(node.wrong(format!("the rule `{id}` checks nothing; kinds: {}", names.join(", "))));
    };
    if let Some((other, value)) = kinds.next() {
        let message =
            format!("the rule `{id}` has both `{}` and `{}`: make it two rules", kind.name, other.name);
        return Err(value.wrong(message));
    }
    let action = fields.get("action").map_or(Ok(Status::Fail), Status::action)?;
    Ok(Rule { id, action, kind: kind.name, check: (kind.read)(value)? })
}

/// The repositories and stages of a policy's `scope`; none is every image, and every stage.
fn scope(fields: yaml::Fields<'_>) -> Result<(Vec<String>, Vec<Stage>), yaml::Error> {
    let Some(node) = fields.get("scope") else { return Ok(Default::default()) };
    supported(node)?;
    let scope = node.fields("`scope`", &["repos", "stages"])?;
    let Some(listed) = scope.get("stages") else { return Ok((repositories(fields)?, Vec::new())) };
    let stages: Vec<Stage> =
        listed.list("`stages`")?.iter().map(Stage::read).collect::<Result<_, yaml::Error>>()?;
    if stages.is_empty() {
        return Err(listed.wrong("`stages` names nothing: leave it out to mean every stage"));
    }
    let repositories = if scope.get("repos").is_some() { named(node, scope)? } else { Vec::new() };
    Ok((repositories, stages))
}

/// The repositories of a `scope`; none is every image.
pub(super) fn repositories(fields: yaml::Fields<'_>) -> Result<Vec<String>, yaml::Error> {
    let Some(node) = fields.get("scope") else { return Ok(Vec::new()) };
    supported(node)?;
    named(node, node.fields("`scope`", &["repos"])?)
}

fn named(node: &yaml::Node, scope: yaml::Fields<'_>) -> Result<Vec<String>, yaml::Error> {
    let repositories = scope.need("repos")?.texts("`repos`")?;
    if repositories.is_empty() {
        return Err(node.wrong("`repos` names nothing: leave `scope` out to mean every image"));
    }
    Ok(repositories)
}
