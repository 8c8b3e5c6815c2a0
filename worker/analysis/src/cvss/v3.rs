//! CVSS 3.0 and 3.1: the base equation, which is the same in both.
//!
//! It has a fifteenth power in it and so is done in floating point, with the rounding of 3.1, which was written for
//! that: all base vectors have the same score in 3.0.

use super::{Metric, Metrics};

const IMPACT: &[&str] = &["N", "L", "H"];
const MODIFIED_IMPACT: &[&str] = &["X", "N", "L", "H"];
const REQUIREMENT: &[&str] = &["X", "L", "M", "H"];

/// Every metric of a vector.
pub(super) const METRICS: &[Metric] = &[
    ("AV", &["N", "A", "L", "P"]),
    ("AC", &["L", "H"]),
    ("PR", &["N", "L", "H"]),
    ("UI", &["N", "R"]),
    ("S", &["U", "C"]),
    ("C", IMPACT),
    ("I", IMPACT),
    ("A", IMPACT),
    ("E", &["X", "U", "P", "F", "H"]),
    ("RL", &["X", "O", "T", "W", "U"]),
    ("RC", &["X", "U", "R", "C"]),
    ("CR", REQUIREMENT),
    ("IR", REQUIREMENT),
    ("AR", REQUIREMENT),
    ("MAV", &["X", "N", "A", "L", "P"]),
    ("MAC", &["X", "L", "H"]),
    ("MPR", &["X", "N", "L", "H"]),
    ("MUI", &["X", "N", "R"]),
    ("MS", &["X", "U", "C"]),
    ("MC", MODIFIED_IMPACT),
    ("MI", MODIFIED_IMPACT),
    ("MA", MODIFIED_IMPACT),
];

/// The base score in tenths.
pub(super) fn score(metrics: &Metrics<'_>) -> Option<u32> {
    let changed = metrics.get("S")? == "C";
    let privileges: &[(&str, f64)] = if changed {
        &[("N", 0.85), ("L", 0.68), ("H", 0.5)]
    } else {
        &[("N", 0.85), ("L", 0.62), ("H", 0.27)]
    };
    let exploitability = 8.22
        * weight(metrics, "AV", &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?
        * weight(metrics, "AC", &[("L", 0.77), ("H", 0.44)])?
        * weight(metrics, "PR", privileges)?
        * weight(metrics, "UI", &[("N", 0.85), ("R", 0.62)])?;
    let kept = |name| Some(1.0 - weight(metrics, name, &[("N", 0.0), ("L", 0.22), ("H", 0.56)])?);
    let lost = 1.0 - kept("C")? * kept("I")? * kept("A")?;
    let (impact, factor) = if changed {
        (7.52 * (lost - 0.029) - 3.25 * (lost - 0.02_f64).powi(15), 1.08)
    } else {
        (6.42 * lost, 1.0)
    };
    if impact <= 0.0 {
        return Some(0);
    }
    tenths_rounded_up((factor * (impact + exploitability)).min(10.0))
}

fn weight(metrics: &Metrics<'_>, name: &str, weights: &[(&str, f64)]) -> Option<f64> {
    let value = metrics.get(name)?;
    weights.iter().find(|(known, _)| *known == value).map(|(_, weight)| *weight)
}

/// The next tenth at or above a score; what floating point adds below a hundred-thousandth does not count.
fn tenths_rounded_up(score: f64) -> Option<u32> {
    let wanted = (score * 100_000.0).round() / 10_000.0;
    (0..=100).find(|tenths| f64::from(*tenths) >= wanted)
}
