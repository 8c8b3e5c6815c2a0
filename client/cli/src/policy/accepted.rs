//! Accepted risks: findings that somebody answers for, until a day. They stay in the report, marked as accepted, and are
//! counted apart; from the day after their last on they count again.

use serde::Serialize;
use strata_coordinator::handle::REASONS;
use strata_proto::v1::{AcceptedRisk, Report};

use super::{glob, in_scope, package, yaml};
use crate::age::Moment;

const FIELDS: &[&str] = &["vuln", "package", "scope", "reason", "expires", "by", "note"];
/// What every mark of an accepted risk starts with.
const MARK: &str = "accepted: ";

/// A risk that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    vulnerability: String,
    package: String,
    repositories: Vec<String>,
    reason: String,
    /// The last day, `2026-12-31`.
    expires: String,
    by: String,
    note: String,
}

/// How many findings of an image are accepted, and which acceptances were over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Findings that are accepted.
    pub accepted: u64,
    /// One line for each acceptance that was over and would have met a finding.
    pub expired: Vec<String>,
}

/// Reads one entry.
///
/// # Errors
/// When a part is missing or malformed.
pub fn read(node: &yaml::Node) -> Result<Accepted, yaml::Error> {
    let fields = node.fields("an accepted risk", FIELDS)?;
    let filled = |name: &str| -> Result<String, yaml::Error> {
        let node = fields.need(name)?;
        match node.text(name)?.trim() {
            "" => Err(node.wrong(format!("`{name}` is empty"))),
            text => Ok(text.to_owned()),
        }
    };
    let reason = filled("reason")?;
    if !REASONS.contains(&reason.as_str()) {
        let node = fields.need("reason")?;
        return Err(node.wrong(format!("`{reason}` is not a reason; reasons: {}", REASONS.join(", "))));
    }
    let expires = filled("expires")?;
    if Moment::parse(&expires).is_none() || expires.len() != "2026-12-31".len() {
        return Err(fields.need("expires")?.wrong(format!("`{expires}` is not a day such as 2026-12-31")));
    }
    Ok(Accepted {
        vulnerability: filled("vuln")?,
        package: fields.text("package")?,
        repositories: super::file::repositories(fields)?,
        reason,
        expires,
        by: filled("by")?,
        note: fields.text("note")?,
    })
}

/// Marks the findings of a report that are accepted, and counts them.
pub fn apply(risks: &[Accepted], report: &mut Report, references: &[String], now: Moment) -> Tally {
    let mut tally = Tally::default();
    for risk in risks {
        // An image that is also elsewhere is not covered there.
        if !risk.repositories.is_empty() && !in_scope(&risk.repositories, references, true) {
            continue;
        }
        let over = now.is_past(&risk.expires);
        let open = report.findings.iter().enumerate().filter(|(_, finding)| finding.suppressed.is_empty());
        let meant = open.filter(|(_, finding)| risk.means(report, finding)).map(|(index, _)| index);
        let meant: Vec<usize> = meant.collect();
        if over {
            if !meant.is_empty() {
                tally.expired.push(format!("{}, until {}, by {}", risk.vulnerability, risk.expires, risk.by));
            }
            continue;
        }
        for index in meant {
            if let Some(finding) = report.findings.get_mut(index) {
                finding.suppressed = risk.mark();
                tally.accepted += 1;
            }
        }
    }
    tally
}

/// Whether a mark is that of an accepted risk.
#[must_use]
pub fn is_mark(suppressed: &str) -> bool {
    suppressed.starts_with(MARK)
}

impl Accepted {
    /// A risk that a server keeps; `None` where it was ended there.
    #[must_use]
    pub fn kept(risk: AcceptedRisk) -> Option<Self> {
        (risk.ended_unix_ms == 0).then_some(Self {
            vulnerability: risk.vulnerability,
            package: risk.package,
            repositories: risk.repositories,
            reason: risk.reason,
            expires: risk.expires,
            by: risk.by,
            note: risk.note,
        })
    }

    fn means(&self, report: &Report, finding: &strata_proto::v1::Finding) -> bool {
        let ids = [&finding.id, &finding.advisory].into_iter().chain(&finding.aliases);
        let name = package(report, finding).map_or("", |package| package.name.as_str());
        ids.into_iter().any(|id| id.eq_ignore_ascii_case(&self.vulnerability))
            && (self.package.is_empty() || glob::matches(&self.package, name))
    }

    fn mark(&self) -> String {
        let note = if self.note.is_empty() { String::new() } else { format!(": {}", self.note) };
        format!("{MARK}{} by {} until {}{note}", self.reason, self.by, self.expires)
    }
}
