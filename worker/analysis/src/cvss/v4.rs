//! CVSS 4.0: the score of the vector's macro vector, less the mean way towards the next lower ones.

use super::{Metric, Metrics};

mod scores;

const IMPACT: &[&str] = &["H", "L", "N"];
const MODIFIED_IMPACT: &[&str] = &["X", "H", "L", "N"];
const MODIFIED_SAFETY: &[&str] = &["X", "S", "H", "L", "N"];
const REQUIREMENT: &[&str] = &["X", "H", "M", "L"];

/// Every metric of a vector.
pub(super) const METRICS: &[Metric] = &[
    ("AV", &["N", "A", "L", "P"]),
    ("AC", &["L", "H"]),
    ("AT", &["N", "P"]),
    ("PR", &["N", "L", "H"]),
    ("UI", &["N", "P", "A"]),
    ("VC", IMPACT),
    ("VI", IMPACT),
    ("VA", IMPACT),
    ("SC", IMPACT),
    ("SI", IMPACT),
    ("SA", IMPACT),
    ("E", &["X", "A", "P", "U"]),
    ("CR", REQUIREMENT),
    ("IR", REQUIREMENT),
    ("AR", REQUIREMENT),
    ("MAV", &["X", "N", "A", "L", "P"]),
    ("MAC", &["X", "L", "H"]),
    ("MAT", &["X", "N", "P"]),
    ("MPR", &["X", "N", "L", "H"]),
    ("MUI", &["X", "N", "P", "A"]),
    ("MVC", MODIFIED_IMPACT),
    ("MVI", MODIFIED_IMPACT),
    ("MVA", MODIFIED_IMPACT),
    ("MSC", MODIFIED_IMPACT),
    ("MSI", MODIFIED_SAFETY),
    ("MSA", MODIFIED_SAFETY),
    ("S", &["X", "N", "P"]),
    ("AU", &["X", "N", "Y"]),
    ("R", &["X", "A", "U", "I"]),
    ("V", &["X", "D", "C"]),
    ("RE", &["X", "L", "M", "H"]),
    ("U", &["X", "Clear", "Green", "Amber", "Red"]),
];

/// A common multiple of all depths, so that the mean is exact.
const SCALE: u32 = 840;

/// Each metric as its distance from the most severe value.
struct Levels {
    vector: u32,
    complexity: u32,
    requirements: u32,
    privileges: u32,
    interaction: u32,
    /// Confidentiality, integrity, availability of the vulnerable system: 0 high, 1 low, 2 none.
    vulnerable: [u32; 3],
    /// The same of subsequent systems, where 0 is safety, 1 high.
    subsequent: [u32; 3],
    /// How much confidentiality, integrity and availability are required: 0 high.
    required: [u32; 3],
    exploited: u32,
}

/// One equivalence class: its level, how far the vector is below the class's most severe one, how deep the class is.
#[derive(Clone, Copy)]
struct Class {
    level: u32,
    distance: u32,
    depth: u32,
}

/// The score in tenths.
pub(super) fn score(metrics: &Metrics<'_>) -> Option<u32> {
    let levels = Levels::of(metrics)?;
    if levels.vulnerable == [2; 3] && levels.subsequent == [3; 3] {
        return Some(0);
    }
    let [one, two, four] = [levels.access(), levels.conditions(), levels.subsequent()];
    let (three, six, impact) = levels.impact()?;
    let five = levels.exploited;
    let value = scores::of([one.level, two.level, three, four.level, five, six])?;
    let lower_impact = match (three, six) {
        (0, 0) => {
            let by_requirement = scores::of([one.level, two.level, 0, four.level, five, 1]);
            by_requirement.max(scores::of([one.level, two.level, 1, four.level, five, 0]))
        }
        (1, 0) => scores::of([one.level, two.level, 1, four.level, five, 1]),
        (three, _) => scores::of([one.level, two.level, three + 1, four.level, five, six]),
    };
    let ways = [
        (one, scores::of([one.level + 1, two.level, three, four.level, five, six])),
        (two, scores::of([one.level, two.level + 1, three, four.level, five, six])),
        (impact, lower_impact),
        (four, scores::of([one.level, two.level, three, four.level + 1, five, six])),
        // Exploit maturity has one metric only: the vector is always the most severe one of its class.
        (Class { level: five, distance: 0, depth: 1 }, {
            scores::of([one.level, two.level, three, four.level, five + 1, six])
        }),
    ];
    let (mut count, mut below) = (0, 0);
    for (class, lower) in ways.into_iter().filter_map(|(class, lower)| Some((class, lower?))) {
        count += 1;
        below += value.checked_sub(lower)? * class.distance * (SCALE / class.depth);
    }
    if count == 0 {
        return Some(value);
    }
    let whole = SCALE * count;
    Some((2 * (value * whole).saturating_sub(below) + whole) / (2 * whole))
}

impl Levels {
    fn of(metrics: &Metrics<'_>) -> Option<Self> {
        // A modified metric replaces the base metric, which must be there all the same.
        let level = |name: &str, modified: &str, values: &str| {
            let base = metrics.get(name)?;
            let value = metrics.get(modified).filter(|value| *value != "X").unwrap_or(base);
            u32::try_from(values.find(value)?).ok()
        };
        // What is not defined is as severe as can be.
        let optional = |name: &str, values: &str| match metrics.get(name) {
            None | Some("X") => Some(0),
            Some(value) => u32::try_from(values.find(value)?).ok(),
        };
        Some(Self {
            vector: level("AV", "MAV", "NALP")?,
            complexity: level("AC", "MAC", "LH")?,
            requirements: level("AT", "MAT", "NP")?,
            privileges: level("PR", "MPR", "NLH")?,
            interaction: level("UI", "MUI", "NPA")?,
            vulnerable: [level("VC", "MVC", "HLN")?, level("VI", "MVI", "HLN")?, level("VA", "MVA", "HLN")?],
            subsequent: [
                level("SC", "MSC", "SHLN")?,
                level("SI", "MSI", "SHLN")?,
                level("SA", "MSA", "SHLN")?,
            ],
            required: [optional("CR", "HML")?, optional("IR", "HML")?, optional("AR", "HML")?],
            exploited: optional("E", "APU")?,
        })
    }

    /// The first class: attack vector, privileges, user interaction.
    fn access(&self) -> Class {
        let now = [self.vector, self.privileges, self.interaction];
        let (level, depth, most): (u32, u32, &[[u32; 3]]) = match now {
            [0, 0, 0] => (0, 1, &[[0, 0, 0]]),
            [0..=2, _, _] if now.contains(&0) => (1, 4, &[[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
            _ => (2, 5, &[[3, 0, 0], [1, 1, 1]]),
        };
        Class { level, distance: distance(now, most).unwrap_or(0), depth }
    }

    /// The second class: attack complexity, attack requirements.
    fn conditions(&self) -> Class {
        let now = [self.complexity, self.requirements];
        let (level, depth, most): (u32, u32, &[[u32; 2]]) = match now {
            [0, 0] => (0, 1, &[[0, 0]]),
            _ => (1, 2, &[[1, 0], [0, 1]]),
        };
        Class { level, distance: distance(now, most).unwrap_or(0), depth }
    }

    /// The third and the sixth class, which depend on each other: impact on the vulnerable system, and on what is
    /// required of it. Their levels, and both as one.
    fn impact(&self) -> Option<(u32, u32, Class)> {
        let [c, i, a] = self.vulnerable;
        let three = match [c, i, a] {
            [0, 0, _] => 0,
            impacts if impacts.contains(&0) => 1,
            _ => 2,
        };
        let required = self.vulnerable.iter().zip(&self.required).any(|pair| pair == (&0, &0));
        let six = u32::from(!required);
        let (depth, most): (u32, &[[u32; 6]]) = match (three, six) {
            (0, 0) => (7, &[[0, 0, 0, 0, 0, 0]]),
            (0, _) => (6, &[[0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1]]),
            (1, 0) => (8, &[[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]]),
            (1, _) => (
                8,
                &[
                    [1, 0, 1, 0, 1, 0],
                    [1, 0, 0, 0, 1, 1],
                    [0, 1, 0, 1, 0, 1],
                    [0, 1, 1, 1, 0, 0],
                    [1, 1, 0, 0, 0, 1],
                ],
            ),
            _ => (10, &[[1, 1, 1, 0, 0, 0]]),
        };
        let [cr, ir, ar] = self.required;
        Some((three, six, Class { level: three, distance: distance([c, i, a, cr, ir, ar], most)?, depth }))
    }

    /// The fourth class: impact on subsequent systems.
    fn subsequent(&self) -> Class {
        let now @ [c, i, a] = self.subsequent;
        let (level, depth, most) = match now {
            _ if i == 0 || a == 0 => (0, 6, [1, 0, 0]),
            _ if [c, i, a].contains(&1) => (1, 5, [1, 1, 1]),
            _ => (2, 4, [2, 2, 2]),
        };
        Class { level, distance: distance(now, &[most]).unwrap_or(0), depth }
    }
}

/// How far the vector is below the first of the most severe vectors that it does not exceed anywhere.
fn distance<const N: usize>(now: [u32; N], most: &[[u32; N]]) -> Option<u32> {
    most.iter().find_map(|most| now.iter().zip(most).map(|(now, most)| now.checked_sub(*most)).sum())
}
