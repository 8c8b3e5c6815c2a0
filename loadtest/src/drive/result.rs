//! What a profile measured: a file of figures with names, that another run is compared with.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Version of the file's form. Others are refused.
const VERSION: u32 = 1;
/// The longest latency that a histogram tells from others: an hour, in microseconds.
const LONGEST_US: u64 = 3_600_000_000;

/// One run of one profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measurement {
    pub(crate) version: u32,
    pub(crate) profile: String,
    /// How it was run: what must be the same for two runs to be compared.
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) figures: BTreeMap<String, Figure>,
    /// What was not as it must be, one sentence each.
    pub(crate) wrong: Vec<String>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) unit: String,
    pub(crate) better: Better,
}

/// Which way a figure should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Higher,
    Lower,
    /// It says how something was, not how good.
    Neither,
}

/// Latencies of one kind.
pub(crate) struct Latencies(Histogram<u64>);

impl Measurement {
    pub(crate) fn new(profile: &str) -> Self {
        Self {
            version: VERSION,
            profile: profile.to_owned(),
            settings: BTreeMap::new(),
            figures: BTreeMap::new(),
            wrong: Vec::new(),
        }
    }

    pub(crate) fn setting(&mut self, name: &str, value: impl ToString) {
        self.settings.insert(name.to_owned(), value.to_string());
    }

    pub(crate) fn figure(&mut self, name: impl Into<String>, value: f64, unit: &str, better: Better) {
        self.figures.insert(name.into(), Figure { value, unit: unit.to_owned(), better });
    }

    /// Says that something was not as it must be, unless it was.
    pub(crate) fn must(&mut self, good: bool, what: impl FnOnce() -> String) {
        if !good {
            self.wrong.push(what());
        }
    }

    /// The percentiles of latencies, in milliseconds.
    pub(crate) fn latencies(&mut self, name: &str, latencies: &Latencies) {
        self.figure(format!("{name}.count"), latencies.0.len() as f64, "", Better::Neither);
        for (what, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
            self.figure(format!("{name}.{what}"), latencies.quantile_ms(quantile), "ms", Better::Lower);
        }
    }

    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let read: Self = serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        let version = read.version;
        ensure!(version == VERSION, "read {}: its form is of version {version}", path.display());
        Ok(read)
    }

    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(self).context("write the measurement as JSON")?;
        fs::write(path, json + "\n").with_context(|| format!("write {}", path.display()))
    }

    pub(crate) fn table(&self) -> String {
        let settings = self.settings.iter().map(|(name, value)| format!(" {name}={value}"));
        let mut text = format!("{}:{}\n", self.profile, settings.collect::<String>());
        for (name, Figure { value, unit, .. }) in &self.figures {
            text.push_str(&format!("{name:<44}{value:>16.3} {unit}\n"));
        }
        for wrong in &self.wrong {
            text.push_str(&format!("WRONG: {wrong}\n"));
        }
        text
    }
}

impl Latencies {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LONGEST_US, 3).context("make a histogram")?))
    }

    pub(crate) fn note(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US).max(1));
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_was_measured() {
        let mut measured = Measurement::new("cold");
        measured.setting("images", 10);
        let mut latencies = Latencies::new().expect("a histogram");
        for ms in 1..=100 {
            latencies.note(Duration::from_millis(ms));
        }
        measured.latencies("scan", &latencies);
        measured.must(true, || "not this".to_owned());
        measured.must(false, || "2 is not 1".to_owned());
        assert_eq!(measured.figures["scan.count"].value, 100.0);
        assert!((measured.figures["scan.p50"].value - 50.0).abs() < 0.1, "{measured:?}");
        assert!((measured.figures["scan.max"].value - 100.0).abs() < 0.1, "{measured:?}");
        assert!(measured.table().ends_with("WRONG: 2 is not 1\n"), "{}", measured.table());
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.json");
        measured.write(&path).expect("written");
        assert_eq!(Measurement::read(&path).expect("read"), measured);
        measured.version = 2;
        measured.write(&path).expect("written");
        assert!(Measurement::read(&path).unwrap_err().to_string().contains("version 2"));
    }
}
