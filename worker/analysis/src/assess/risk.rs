//! The order in which findings want attention: threat × severity. Whole numbers only, so that every machine agrees.
//!
//! `threat` is how likely the flaw is used: certain for what is known to be exploited and for packages that were made to
//! do harm, else the EPSS probability, else [`UNRATED_THREAT`]. `severity` is the mean of the rating's weight and the
//! CVSS base score, or the one that there is. What is known to be exploited counts a twentieth more, and a tenth more
//! where ransomware uses it. The product is cut off at the whole.

use super::Severity;

/// The whole: 100 points.
const WHOLE: u64 = 1_000_000;
/// Threat of a flaw that EPSS does not rate: 1 %. Most rated flaws are below, so that a new flaw is not buried.
const UNRATED_THREAT: u64 = 10_000;

/// What the risk of a finding depends on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Factors {
    pub(super) severity: Severity,
    /// CVSS base score in tenths; `None` when there is none.
    pub(super) cvss_tenths: Option<u32>,
    /// EPSS probability in millionths; 0 when not known.
    pub(super) epss_millionths: u32,
    pub(super) known_exploited: bool,
    pub(super) ransomware: bool,
    /// The package itself was made to do harm.
    pub(super) malicious: bool,
}

/// Risk in millionths of the greatest possible one.
pub(super) fn risk(factors: Factors) -> u32 {
    let threat = if factors.known_exploited || factors.malicious {
        WHOLE
    } else if factors.epss_millionths > 0 {
        u64::from(factors.epss_millionths)
    } else {
        UNRATED_THREAT
    };
    // In two-hundredths: the mean of two numbers in hundredths stays whole.
    let weight = weight(factors.severity);
    let severity = weight + factors.cvss_tenths.map_or(weight, u64::from);
    let percent = match (factors.known_exploited, factors.ransomware) {
        (true, true) => 110,
        (true, false) => 105,
        (false, _) => 100,
    };
    let risk = (threat.min(WHOLE) * severity.min(200) * percent / 20_000).min(WHOLE);
    u32::try_from(risk).unwrap_or(u32::MAX)
}

/// A rating as hundredths: about the middle of its CVSS band. Unknown counts as medium: it is not harmless.
const fn weight(severity: Severity) -> u64 {
    match severity {
        Severity::Negligible => 5,
        Severity::Low => 30,
        Severity::Unknown | Severity::Medium => 50,
        Severity::High => 75,
        Severity::Critical => 90,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Factors, Severity, risk};

    const RATINGS: [Severity; 5] =
        [Severity::Negligible, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    #[test]
    fn threat_times_severity() {
        let factors = |severity, cvss_tenths, epss_millionths| Factors {
            severity,
            cvss_tenths,
            epss_millionths,
            ..Factors::default()
        };
        let exploited = |factors| Factors { known_exploited: true, ..factors };
        for (given, expected) in [
            // 0.5 × 75 %.
            (factors(Severity::High, None, 500_000), 375_000),
            // 0.5 × (75 % + 81 %) / 2.
            (factors(Severity::High, Some(81), 500_000), 390_000),
            // A score of 0.0 is a score.
            (factors(Severity::Negligible, Some(0), 1_000_000), 25_000),
            // 1 % × 90 %.
            (factors(Severity::Critical, None, 0), 9_000),
            (factors(Severity::Unknown, None, 0), 5_000),
            // Certain × 90 % × 1.05; EPSS does not matter any more.
            (exploited(factors(Severity::Critical, None, 20)), 945_000),
            (Factors { ransomware: true, ..exploited(factors(Severity::Critical, None, 20)) }, 990_000),
            (Factors { ransomware: true, ..exploited(factors(Severity::Critical, Some(100), 0)) }, 1_000_000),
            (Factors { malicious: true, ..factors(Severity::Critical, None, 0) }, 900_000),
        ] {
            assert_eq!(risk(given), expected, "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn worse_is_never_less(
            rating in 0..4_usize, cvss in 0..100_u32, epss in 1..1_000_000_u32, known in any::<bool>(), ransom in any::<bool>(),
        ) {
            let factors = Factors {
                severity: RATINGS[rating], cvss_tenths: Some(cvss), epss_millionths: epss,
                known_exploited: known, ransomware: ransom, malicious: false,
            };
            let base = risk(factors);
            prop_assert!(base <= 1_000_000);
            let mut worse = [factors; 5];
            worse[0].severity = RATINGS[rating + 1];
            worse[1].cvss_tenths = Some(cvss + 1);
            worse[2].epss_millionths += 1;
            worse[3].known_exploited = true;
            worse[4].ransomware = true;
            for worse in worse {
                prop_assert!(risk(worse) >= base, "{worse:?}");
            }
            let malicious = Factors { malicious: true, ..factors };
            prop_assert!(risk(malicious) >= base);
        }
    }
}
