//! How likely a flaw is exploited: FIRST's EPSS (`epss_scores-*.csv`) and CISA's catalogue of known exploited
//! vulnerabilities (`known_exploited_vulnerabilities.json`).

use std::collections::BTreeMap;

use serde_json::Value;

/// Why a table could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    /// The file is not what it should be.
    #[error("the {table} table is malformed: {reason}")]
    Malformed {
        /// `EPSS` or `KEV`.
        table: &'static str,
        /// What is wrong, with the line where there is one.
        reason: String,
    },
}

/// What the catalogue of known exploited vulnerabilities says of a flaw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exploitation {
    /// Nothing.
    #[default]
    Unknown,
    /// It is exploited.
    Known,
    /// It is exploited, by ransomware too.
    Ransomware,
}

/// Probabilities and exploited flaws, by CVE.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Threats {
    epss: BTreeMap<String, u32>,
    exploited: BTreeMap<String, Exploitation>,
}

impl Threats {
    /// Reads EPSS's CSV: comment lines, a heading `cve,epss,percentile`, then a line for each CVE.
    ///
    /// # Errors
    /// When the heading is missing or a line is none of the table. Nothing of such a table is used.
    pub fn from_epss(csv: &str) -> Result<Self, ScoreError> {
        let malformed = |reason: String| ScoreError::Malformed { table: "EPSS", reason };
        let mut lines =
            csv.lines().zip(1_u64..).filter(|(line, _)| !line.starts_with('#') && !line.is_empty());
        match lines.next() {
            Some((heading, _)) if heading.starts_with("cve,epss") => {}
            _ => return Err(malformed("no heading `cve,epss`".to_owned())),
        }
        let mut epss = BTreeMap::new();
        for (line, number) in lines {
            let mut fields = line.split(',');
            let (cve, share) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            let share = millionths(share).ok_or_else(|| malformed(format!("line {number}")))?;
            epss.insert(cve.trim().to_owned(), share);
        }
        Ok(Self { epss, exploited: BTreeMap::new() })
    }

    /// Reads CISA's JSON: `vulnerabilities`, each with a `cveID`; `knownRansomwareCampaignUse` may be `Known`.
    ///
    /// # Errors
    /// When it is not that JSON. Nothing of such a table is used.
    pub fn from_kev(json: &[u8]) -> Result<Self, ScoreError> {
        let malformed = |reason: String| ScoreError::Malformed { table: "KEV", reason };
        let value: Value = serde_json::from_slice(json).map_err(|error| malformed(error.to_string()))?;
        let list = value.get("vulnerabilities").and_then(Value::as_array);
        let list = list.ok_or_else(|| malformed("no list `vulnerabilities`".to_owned()))?;
        let mut exploited = BTreeMap::new();
        for (entry, number) in list.iter().zip(1_u64..) {
            let cve = entry.get("cveID").and_then(Value::as_str);
            let cve = cve.ok_or_else(|| malformed(format!("entry {number} has no `cveID`")))?;
            let ransomware = entry.get("knownRansomwareCampaignUse").and_then(Value::as_str) == Some("Known");
            let known = if ransomware { Exploitation::Ransomware } else { Exploitation::Known };
            exploited.insert(cve.trim().to_owned(), known);
        }
        Ok(Self { epss: BTreeMap::new(), exploited })
    }

    /// Adds another table's facts; where both know a probability, the greater one stays.
    pub(super) fn merge(&mut self, other: Self) {
        for (cve, share) in other.epss {
            let known = self.epss.entry(cve).or_default();
            *known = share.max(*known);
        }
        for (cve, exploitation) in other.exploited {
            let known = self.exploited.entry(cve).or_default();
            *known = exploitation.max(*known);
        }
    }

    pub(super) fn epss(&self, id: &str) -> u32 {
        self.epss.get(id).copied().unwrap_or(0)
    }

    pub(super) fn exploitation(&self, id: &str) -> Exploitation {
        self.exploited.get(id).copied().unwrap_or_default()
    }
}

/// `0.15958` as 159,580 millionths; what follows the sixth digit is cut off.
fn millionths(share: &str) -> Option<u32> {
    let (whole, fraction) = share.trim().split_once('.').unwrap_or((share.trim(), ""));
    let whole: u32 = whole.parse().ok().filter(|whole| *whole <= 1)?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let fraction: u32 = fraction.parse().ok()?;
    Some(whole * 1_000_000 + fraction).filter(|share| *share <= 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::{Exploitation, Threats, millionths};

    #[test]
    fn shares_become_millionths() {
        for (text, expected) in [
            ("0.15958", Some(159_580)),
            ("1", Some(1_000_000)),
            ("0.0000429", Some(42)),
            ("1.1", None),
            ("-0.1", None),
            ("9e-3", None),
            ("", None),
        ] {
            assert_eq!(millionths(text), expected, "{text}");
        }
    }

    #[test]
    fn both_tables_are_read() {
        let epss = "#model:v1,score_date:2024-10-18\ncve,epss,percentile\nCVE-2000-0114,0.15958,0.95958\n";
        let mut threats = Threats::from_epss(epss).expect("a table");
        let kev = br#"{"vulnerabilities": [
            {"cveID": "CVE-2025-48384", "knownRansomwareCampaignUse": "Unknown"},
            {"cveID": "CVE-2021-44228", "knownRansomwareCampaignUse": "Known"}
        ]}"#;
        threats.merge(Threats::from_kev(kev).expect("a catalogue"));
        assert_eq!(threats.epss("CVE-2000-0114"), 159_580);
        for (id, expected) in [
            ("CVE-2025-48384", Exploitation::Known),
            ("CVE-2021-44228", Exploitation::Ransomware),
            ("CVE-2000-0114", Exploitation::Unknown),
        ] {
            assert_eq!(threats.exploitation(id), expected, "{id}");
        }
    }

    #[test]
    fn a_broken_table_is_refused_with_its_line() {
        let error = Threats::from_epss("cve,epss\nCVE-1,x\n").expect_err("no number");
        assert_eq!(error.to_string(), "the EPSS table is malformed: line 2");
        assert!(Threats::from_epss("<html>").is_err());
        assert!(Threats::from_kev(b"{}").is_err());
        assert!(Threats::from_kev(br#"{"vulnerabilities": [{}]}"#).is_err());
    }
}
