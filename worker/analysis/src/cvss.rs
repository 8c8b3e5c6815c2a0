//! Scores of CVSS vectors, as FIRST's specifications compute them, in tenths and exact.

use crate::assess::Severity;

mod v2;
mod v3;
mod v4;

/// The specification that a vector follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// CVSS 2.0: a vector without a prefix.
    V2,
    /// CVSS 3.0 and 3.1.
    V3,
    /// CVSS 4.0.
    V4,
}

/// The score of a vector in tenths, 0 to 100. For CVSS 2 and 3 the base score, whatever other metrics the vector
/// carries; for CVSS 4, which has one score only, the score over all metrics of the vector.
///
/// `None` when it is not a complete, valid vector: a metric that is unknown, twice there or missing.
#[must_use]
pub fn base_score_tenths(vector: &str) -> Option<(Version, u32)> {
    let vector = vector.trim();
    if let Some(metrics) = vector.strip_prefix("CVSS:4.0/") {
        return Some((Version::V4, v4::score(&Metrics::parse(metrics, v4::METRICS)?)?));
    }
    if let Some(metrics) = vector.strip_prefix("CVSS:3.1/").or_else(|| vector.strip_prefix("CVSS:3.0/")) {
        return Some((Version::V3, v3::score(&Metrics::parse(metrics, v3::METRICS)?)?));
    }
    let metrics = vector.strip_prefix('(').and_then(|vector| vector.strip_suffix(')')).unwrap_or(vector);
    Some((Version::V2, v2::score(&Metrics::parse(metrics, v2::METRICS)?)?))
}

/// The rating of a score in tenths: the qualitative scale of CVSS 3 and 4, and for CVSS 2, which has none of its own,
/// the one that the National Vulnerability Database uses. No impact at all is negligible.
#[must_use]
pub fn severity(version: Version, tenths: u32) -> Severity {
    match tenths {
        0 => Severity::Negligible,
        1..40 => Severity::Low,
        40..70 => Severity::Medium,
        70..90 => Severity::High,
        _ if version == Version::V2 => Severity::High,
        _ => Severity::Critical,
    }
}

/// A metric and the values that it may have.
type Metric = (&'static str, &'static [&'static str]);

/// The metrics of one vector: each known, with a value that it may have, and there once.
struct Metrics<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Metrics<'a> {
    fn parse(text: &'a str, known: &[Metric]) -> Option<Self> {
        let mut metrics = Vec::with_capacity(known.len());
        for field in text.split('/') {
            let (name, value) = field.split_once(':')?;
            let (_, values) = known.iter().find(|(known, _)| *known == name)?;
            if !values.contains(&value) || metrics.iter().any(|(other, _)| *other == name) {
                return None;
            }
            metrics.push((name, value));
        }
        Some(Self(metrics))
    }

    /// The value of a metric, when the vector has it.
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(metric, _)| *metric == name).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests;
