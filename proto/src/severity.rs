//! Severities: their order, their names, and counts by severity.

use crate::v1::{Severity, SeverityCounts};

impl Severity {
    /// Upper-case name as in the field's tools; `UNKNOWN` for an advisory without a rating.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "UNKNOWN",
            Self::Negligible => "NEGLIGIBLE",
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }

    /// Worst first, unknown last: the order of columns and summaries.
    pub const WORST_FIRST: [Self; 6] =
        [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Negligible, Self::Unspecified];

    /// From a name in any case; `None` for a word that is no severity.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        Self::WORST_FIRST.into_iter().find(|severity| severity.name() == name)
    }
}

impl SeverityCounts {
    /// Counts one more finding.
    pub fn add(&mut self, severity: Severity) {
        *self.slot(severity) += 1;
    }

    /// Adds another count.
    pub fn merge(&mut self, other: &Self) {
        for severity in Severity::WORST_FIRST {
            *self.slot(severity) += other.get(severity);
        }
    }

    /// The number of findings of one severity.
    #[must_use]
    pub fn get(&self, severity: Severity) -> u64 {
        let mut counts = *self;
        *counts.slot(severity)
    }

    /// All findings.
    #[must_use]
    pub fn total(&self) -> u64 {
        Severity::WORST_FIRST.into_iter().map(|severity| self.get(severity)).sum()
    }

    fn slot(&mut self, severity: Severity) -> &mut u64 {
        match severity {
            Severity::Unspecified => &mut self.unknown,
            Severity::Negligible => &mut self.negligible,
            Severity::Low => &mut self.low,
            Severity::Medium => &mut self.medium,
            Severity::High => &mut self.high,
            Severity::Critical => &mut self.critical,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_severity() {
        let mut counts = SeverityCounts::default();
        for severity in Severity::WORST_FIRST {
            counts.add(severity);
            assert_eq!(counts.get(severity), 1, "{}", severity.name());
            assert_eq!(Severity::parse(&severity.name().to_lowercase()), Some(severity));
        }
        let copy = counts;
        counts.merge(&copy);
        assert_eq!(counts.total(), 12);
        assert_eq!(Severity::parse("awful"), None);
    }
}
