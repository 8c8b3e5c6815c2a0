//! `count`: how many findings of a severity an image may have at most. What is suppressed or accepted does not count.

use strata_proto::v1::{Severity, SeverityCounts};

use super::{Check, Hit, Kind, yaml};

/// The row.
pub(super) const KIND: Kind = Kind { name: "count", about: "at most so many findings", read };

const TOTAL: &str = "total";

fn read(node: &yaml::Node) -> Result<Check, yaml::Error> {
    let mut limits: Vec<(Option<Severity>, u64)> = Vec::new();
    for (name, value) in node.entries("`count`")? {
        let severity = match name.as_str() {
            TOTAL => None,
            name => Some(
                Severity::parse(name)
                    .ok_or_else(|| value.wrong(format!("`{name}` is neither a severity nor `{TOTAL}`")))?,
            ),
        };
        limits.push((severity, value.number(name)?));
    }
    if limits.is_empty() {
        return Err(node.wrong("`count` names no severity"));
    }
    Ok(Box::new(move |facts| {
        let mut counts = SeverityCounts::default();
        for (finding, _) in facts.findings() {
            counts.add(finding.severity());
        }
        let broken = limits.iter().filter_map(|(severity, most)| {
            let found = severity.map_or(counts.total(), |severity| counts.get(severity));
            let name = severity.map_or(String::new(), |severity| format!("{} ", severity.name()));
            (found > *most).then(|| Hit::said(format!("{found} {name}findings, at most {most} are allowed")))
        });
        broken.collect()
    }))
}
