//! CVSS 2.0: the base equation, over integers.

use super::{Metric, Metrics};

const IMPACT: &[&str] = &["N", "P", "C"];
const REQUIREMENT: &[&str] = &["L", "M", "H", "ND"];

/// Every metric of a vector.
pub(super) const METRICS: &[Metric] = &[
    ("AV", &["L", "A", "N"]),
    ("AC", &["H", "M", "L"]),
    ("Au", &["M", "S", "N"]),
    ("C", IMPACT),
    ("I", IMPACT),
    ("A", IMPACT),
    ("E", &["U", "POC", "F", "H", "ND"]),
    ("RL", &["OF", "TF", "W", "U", "ND"]),
    ("RC", &["UC", "UR", "C", "ND"]),
    ("CDP", &["N", "L", "LM", "MH", "H", "ND"]),
    ("TD", &["N", "L", "M", "H", "ND"]),
    ("CR", REQUIREMENT),
    ("IR", REQUIREMENT),
    ("AR", REQUIREMENT),
];

/// The base score in tenths.
pub(super) fn score(metrics: &Metrics<'_>) -> Option<u32> {
    // Weights in thousandths.
    let vector = weight(metrics, "AV", &[("L", 395), ("A", 646), ("N", 1_000)])?;
    let complexity = weight(metrics, "AC", &[("H", 350), ("M", 610), ("L", 710)])?;
    let authentication = weight(metrics, "Au", &[("M", 450), ("S", 560), ("N", 704)])?;
    let kept = |name| Some(1_000 - weight(metrics, name, &[("N", 0), ("P", 275), ("C", 660)])?);
    // In 10^-9: the part of confidentiality, integrity and availability that is lost.
    let lost = 1_000_000_000 - kept("C")? * kept("I")? * kept("A")?;
    if lost == 0 {
        return Some(0);
    }
    // In 10^-12: 0.6 × 10.41 × lost + 0.4 × 20 × exploitability − 1.5.
    let exploitability = 8_000 * vector * complexity * authentication;
    let sum = 6 * 1_041 * lost + exploitability - 1_500_000_000_000;
    // In 10^-15, times ten for tenths, and rounded half up.
    let tenths = (sum * 1_176 * 10 + 500_000_000_000_000) / 1_000_000_000_000_000;
    u32::try_from(tenths).ok()
}

fn weight(metrics: &Metrics<'_>, name: &str, weights: &[(&str, i128)]) -> Option<i128> {
    let value = metrics.get(name)?;
    weights.iter().find(|(known, _)| *known == value).map(|(_, weight)| *weight)
}
