//! `image`: how the image is made. What the report does not know breaks the rule, and the message says that it is unknown.

use strata_proto::v1::{Report, RunSettings};

use super::{Check, Facts, Hit, Kind, Status, complete, glob, yaml};

/// The row.
pub(super) const KIND: Kind = Kind { name: "image", about: "how the image is made", read };

const FIELDS: &[&str] = &["user_not_root", "os_not_eol", "forbidden_env", "required_labels"];

fn read(node: &yaml::Node) -> Result<Check, yaml::Error> {
    let fields = node.fields("`image`", FIELDS)?;
    let user = fields.get("user_not_root").map(level).transpose()?.unwrap_or_default();
    let ended = fields.get("os_not_eol").map(level).transpose()?.unwrap_or_default();
    let forbidden = fields.texts("forbidden_env")?;
    let labels = fields.texts("required_labels")?;
    Ok(Box::new(move |facts| {
        let mut hits = Vec::new();
        if user.wanted {
            hits.extend(root(facts.report).map(|hit| user.on(hit)));
        }
        if ended.wanted {
            hits.extend(complete::ended(facts).map(|hit| ended.on(hit)));
        }
        hits.extend(variables(&forbidden, facts.report));
        hits.extend(missing(&labels, facts));
        hits
    }))
}

/// Whether a part of the rule is wanted, and what it does instead of the rule's action.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    wanted: bool,
    action: Option<Status>,
}

impl Level {
    fn on(self, hit: Hit) -> Hit {
        Hit { action: self.action, ..hit }
    }
}

/// `true` and `false`, or an action of its own.
fn level(node: &yaml::Node) -> Result<Level, yaml::Error> {
    match node.choice("") {
        Ok(wanted) => Ok(Level { wanted: wanted.unwrap_or_default(), action: None }),
        Err(_) => Ok(Level { wanted: true, action: Some(Status::action(node)?) }),
    }
}

/// As the configuration's `User` is read: `user[:group]`, each a name or a number; empty is root.
fn root(report: &Report) -> Option<Hit> {
    let Some(RunSettings { user, .. }) = &report.run else {
        return Some(Hit::said("it is not known as which user the image runs"));
    };
    let name = user.split(':').next().unwrap_or_default();
    let number = name.parse::<u64>().is_ok_and(|number| number == 0);
    let is_root = name.is_empty() || name == "root" || number;
    is_root.then(|| match name {
        "" => Hit::said("the image runs as root: it names no user"),
        name => Hit::said(format!("the image runs as root: its user is `{name}`")),
    })
}

fn variables(forbidden: &[String], report: &Report) -> Vec<Hit> {
    if forbidden.is_empty() {
        return Vec::new();
    }
    let Some(run) = &report.run else {
        return vec![Hit::said("it is not known which variables the image sets")];
    };
    let upper: Vec<String> = forbidden.iter().map(|pattern| pattern.to_uppercase()).collect();
    let bad = run
        .environment
        .iter()
        .filter(|name| upper.iter().any(|pattern| glob::matches(pattern, &name.to_uppercase())));
    bad.map(|name| Hit::said(format!("the image sets the variable {name}"))).collect()
}

fn missing<'a>(labels: &'a [String], facts: &'a Facts<'_>) -> impl Iterator<Item = Hit> + 'a {
    let has =
        |key: &String| facts.report.labels.iter().any(|label| label.key == *key && !label.value.is_empty());
    labels.iter().filter(move |key| !has(key)).map(|key| Hit::said(format!("the label {key} is missing")))
}
