//! In which order findings are shown.

use std::cmp::{Ordering, Reverse};

use strata_proto::v1::{Finding, Report};

use crate::exit::Failure;

/// What comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The greatest threat × severity.
    #[default]
    Risk,
    /// The worst rating, then the greatest risk.
    Severity,
    /// The most probable exploitation.
    Epss,
    /// What is known to be exploited, by ransomware first, then the greatest risk.
    Kev,
    /// Packages by name.
    Package,
    /// Vulnerabilities by identifier.
    Vulnerability,
}

/// Every order by its name on the command line.
const TABLE: &[(&str, Order)] = &[
    ("risk", Order::Risk),
    ("severity", Order::Severity),
    ("epss", Order::Epss),
    ("kev", Order::Kev),
    ("package", Order::Package),
    ("vulnerability", Order::Vulnerability),
];

/// The order of that name.
///
/// # Errors
/// When there is none; the hint names those that there are.
pub fn parse(name: &str) -> Result<Order, Failure> {
    TABLE.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, order)| *order).ok_or_else(
        || {
            let names: Vec<&str> = TABLE.iter().map(|(name, _)| *name).collect();
            Failure::usage(format!("`{name}` is not an order of findings"))
                .hint(format!("orders: {}", names.join(", ")))
        },
    )
}

impl Order {
    /// Sorts the findings of a report. Those that are alike come by package, then identifier.
    pub fn sort(self, report: &mut Report) {
        let names: Vec<&str> = report.packages.iter().map(|package| package.name.as_str()).collect();
        let name = |finding: &Finding| {
            usize::try_from(finding.package).ok().and_then(|at| names.get(at)).copied().unwrap_or_default()
        };
        report.findings.sort_by(|a, b| {
            self.compare(a, b)
                .then_with(|| name(a).cmp(name(b)))
                .then_with(|| a.package.cmp(&b.package))
                .then_with(|| a.id.cmp(&b.id))
        });
    }

    fn compare(self, a: &Finding, b: &Finding) -> Ordering {
        let risk = |finding: &Finding| Reverse((finding.risk_millionths, finding.severity() as i32));
        let severity = |finding: &Finding| Reverse(finding.severity() as i32);
        let kev = |finding: &Finding| Reverse((finding.known_exploited, finding.ransomware));
        match self {
            Self::Risk => risk(a).cmp(&risk(b)),
            Self::Severity => severity(a).cmp(&severity(b)).then_with(|| risk(a).cmp(&risk(b))),
            Self::Epss => b.epss_millionths.cmp(&a.epss_millionths).then_with(|| risk(a).cmp(&risk(b))),
            Self::Kev => kev(a).cmp(&kev(b)).then_with(|| risk(a).cmp(&risk(b))),
            Self::Package => Ordering::Equal,
            Self::Vulnerability => a.id.cmp(&b.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use strata_proto::v1::{Finding, Package, Report, Severity};

    use super::{Order, TABLE, parse};

    fn finding(
        package: u32,
        id: &str,
        severity: Severity,
        risk: u32,
        epss: u32,
        kev: (bool, bool),
    ) -> Finding {
        Finding {
            package,
            id: id.to_owned(),
            severity: severity.into(),
            risk_millionths: risk,
            epss_millionths: epss,
            known_exploited: kev.0,
            ransomware: kev.1,
            ..Finding::default()
        }
    }

    fn report() -> Report {
        let package = |name: &str| Package { name: name.to_owned(), ..Package::default() };
        Report {
            packages: vec![package("zlib"), package("curl"), package("bash")],
            findings: vec![
                finding(0, "CVE-1", Severity::Medium, 500, 900, (false, false)),
                finding(0, "CVE-2", Severity::Critical, 90, 10, (false, false)),
                finding(1, "CVE-3", Severity::Low, 400, 20, (true, false)),
                finding(2, "CVE-0", Severity::Medium, 300, 30, (true, true)),
                finding(2, "CVE-9", Severity::Medium, 300, 5, (false, false)),
            ],
            ..Report::default()
        }
    }

    #[test]
    fn each_order_puts_its_own_first() {
        for (name, expected) in [
            ("risk", ["CVE-1", "CVE-3", "CVE-0", "CVE-9", "CVE-2"]),
            ("severity", ["CVE-2", "CVE-1", "CVE-0", "CVE-9", "CVE-3"]),
            ("epss", ["CVE-1", "CVE-0", "CVE-3", "CVE-2", "CVE-9"]),
            ("KEV", ["CVE-0", "CVE-3", "CVE-1", "CVE-9", "CVE-2"]),
            ("package", ["CVE-0", "CVE-9", "CVE-3", "CVE-1", "CVE-2"]),
            ("vulnerability", ["CVE-0", "CVE-1", "CVE-2", "CVE-3", "CVE-9"]),
        ] {
            let mut report = report();
            parse(name).expect("an order").sort(&mut report);
            let ids: Vec<&str> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
            assert_eq!(ids, expected, "{name}");
        }
    }

    #[test]
    fn other_names_are_refused_and_the_first_is_the_default() {
        assert!(parse("size").is_err());
        assert_eq!(TABLE.first().map(|row| row.1), Some(Order::default()));
    }
}
