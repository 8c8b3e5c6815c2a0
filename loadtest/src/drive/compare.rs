//! Measurements against thresholds, and against those of another run.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, ensure};
use clap::Args as Arguments;
use serde::Deserialize;

use super::result::{Better, Measurement};

/// Arguments of `compare`.
#[derive(Debug, Arguments)]
pub(crate) struct CompareArgs {
    /// The measurement that was
    #[arg(value_name = "A.json")]
    before: PathBuf,
    /// The one that is
    #[arg(value_name = "B.json")]
    after: PathBuf,
    /// By how much a figure may be worse
    #[arg(long, default_value = "10%", value_name = "PERCENT", value_parser = percent)]
    max_regression: f64,
    /// Only these figures (repeatable); default: all that have a better and a worse
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// What a figure may be.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct ThresholdArgs {
    /// The most that a figure may be: `scan.p99=200` (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    max: Vec<Threshold>,
    /// The least (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    min: Vec<Threshold>,
    /// A file of thresholds: `{"unchanged": {"max": {"NAME": VALUE}, "min": {"NAME": VALUE}}}`, by profile
    #[arg(long, value_name = "FILE")]
    thresholds: Option<PathBuf>,
}

/// The thresholds of one profile, as a file has them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Bounds {
    max: BTreeMap<String, f64>,
    min: BTreeMap<String, f64>,
}

impl Bounds {
    /// Those of a profile. A file without any for it would promise what nobody looks at.
    fn read(path: &Path, profile: &str) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let mut all: BTreeMap<String, Self> =
            serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        all.remove(profile).with_context(|| format!("find thresholds of {profile} in {}", path.display()))
    }
}

/// A figure's name and a bound.
#[derive(Debug, Clone)]
struct Threshold {
    name: String,
    bound: f64,
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bound = text.rsplit_once('=').and_then(|(name, bound)| Some((name, bound.parse::<f64>().ok()?)));
        match bound {
            Some((name, bound)) if bound.is_finite() && !name.is_empty() => {
                Ok(Self { name: name.to_owned(), bound })
            }
            _ => Err("a threshold is NAME=NUMBER".to_owned()),
        }
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>();
    number.ok().filter(|number| (0.0..=1000.0).contains(number)).ok_or_else(|| "a share like 10%".to_owned())
}

impl ThresholdArgs {
    /// Adds the thresholds that the file has for a profile.
    pub(crate) fn load(&mut self, profile: &str) -> anyhow::Result<()> {
        let Some(path) = &self.thresholds else { return Ok(()) };
        let Bounds { max, min } = Bounds::read(path, profile)?;
        let all = |bounds: BTreeMap<String, f64>| {
            bounds.into_iter().map(|(name, bound)| Threshold { name, bound }).collect::<Vec<_>>()
        };
        self.max.extend(all(max));
        self.min.extend(all(min));
        Ok(())
    }

    /// Figures that are over or under their thresholds, one sentence each. A figure that was not measured is one of them.
    pub(crate) fn broken(&self, measured: &Measurement) -> Vec<String> {
        let bounds = self.max.iter().map(|max| (max, true)).chain(self.min.iter().map(|min| (min, false)));
        let broken = bounds.filter_map(|(Threshold { name, bound }, is_max)| {
            let Some(figure) = measured.figures.get(name) else {
                return Some(format!("{name} was not measured"));
            };
            let good = if is_max { figure.value <= *bound } else { figure.value >= *bound };
            let word = if is_max { "at most" } else { "at least" };
            (!good).then(|| format!("{name} is {:.3}, and may be {word} {bound}", figure.value))
        });
        broken.collect()
    }
}

/// Compares two measurements. True when no figure is worse by more than is allowed.
pub(crate) fn compare(args: &CompareArgs) -> anyhow::Result<bool> {
    let (before, after) = (Measurement::read(&args.before)?, Measurement::read(&args.after)?);
    let (table, good) = rows(&before, &after, args)?;
    io::stdout().lock().write_all(table.as_bytes()).context("print")?;
    Ok(good)
}

fn rows(before: &Measurement, after: &Measurement, args: &CompareArgs) -> anyhow::Result<(String, bool)> {
    let same = before.profile == after.profile && before.settings == after.settings;
    ensure!(
        same,
        "compare {} {:?} with {} {:?}: they were run in other ways",
        before.profile,
        before.settings,
        after.profile,
        after.settings
    );
    let mut good = after.wrong.is_empty();
    let mut text = format!("{:<44}{:>14}{:>14}{:>9}\n", "", "before", "after", "ratio");
    for (name, old) in &before.figures {
        let chosen = args.only.is_empty() || args.only.contains(name);
        let Some(new) = after.figures.get(name).filter(|_| chosen) else {
            good &= !chosen;
            if chosen {
                text.push_str(&format!("{name:<44}{:>14.3}{:>14}  MISSING\n", old.value, "-"));
            }
            continue;
        };
        let allowed = args.max_regression / 100.0;
        let worse = match old.better {
            Better::Higher => new.value < old.value * (1.0 - allowed),
            Better::Lower => new.value > old.value * (1.0 + allowed),
            Better::Neither => false,
        };
        good &= !worse;
        let verdict = if worse { "  WORSE" } else { "" };
        let ratio = new.value / old.value;
        text.push_str(&format!("{name:<44}{:>14.3}{:>14.3}{ratio:>9.3}{verdict}\n", old.value, new.value));
    }
    for name in args.only.iter().filter(|name| !before.figures.contains_key(*name)) {
        good = false;
        text.push_str(&format!("{name:<44} was not measured before\n"));
    }
    text.extend(after.wrong.iter().map(|wrong| format!("WRONG: {wrong}\n")));
    Ok((text, good))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(speed: f64, latency: f64) -> Measurement {
        let mut measured = Measurement::new("cold");
        measured.figure("speed", speed, "images/s", Better::Higher);
        measured.figure("latency.p99", latency, "ms", Better::Lower);
        measured.figure("layers", speed, "", Better::Neither);
        measured
    }

    fn args(max_regression: f64, only: &[&str]) -> CompareArgs {
        let only = only.iter().map(|&name| name.to_owned()).collect();
        CompareArgs { before: PathBuf::new(), after: PathBuf::new(), max_regression, only }
    }

    #[test]
    fn what_is_worse_is_found() {
        for (speed, latency, only, good) in [
            (100.0, 10.0, &[][..], true),
            (91.0, 10.9, &[], true),
            (89.0, 10.0, &[], false),
            (100.0, 11.1, &[], false),
            (300.0, 1.0, &[], true),
            (89.0, 10.0, &["latency.p99"], true),
            (100.0, 10.0, &["nothing"], false),
        ] {
            let (text, found) =
                rows(&measured(100.0, 10.0), &measured(speed, latency), &args(10.0, only)).expect("rows");
            assert_eq!(found, good, "{speed} {latency} {only:?}\n{text}");
        }
        let mut less = measured(100.0, 10.0);
        less.figures.remove("speed");
        assert!(!rows(&measured(100.0, 10.0), &less, &args(10.0, &[])).expect("rows").1);
        let mut wrong = measured(100.0, 10.0);
        wrong.wrong.push("an image is missing".to_owned());
        assert!(!rows(&measured(100.0, 10.0), &wrong, &args(10.0, &[])).expect("rows").1);
        let mut other = measured(100.0, 10.0);
        other.setting("images", 5);
        assert!(rows(&measured(100.0, 10.0), &other, &args(10.0, &[])).is_err());
        assert_eq!((percent("10%"), percent("5")), (Ok(10.0), Ok(5.0)));
        assert!(percent("-1").is_err() && percent("x").is_err());
    }

    #[test]
    fn thresholds() {
        let of = |max: &[&str], min: &[&str]| {
            let read = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a threshold")).collect();
            ThresholdArgs { max: read(max), min: read(min), thresholds: None }.broken(&measured(100.0, 10.0))
        };
        assert_eq!(of(&["latency.p99=10"], &["speed=100"]), Vec::<String>::new());
        assert_eq!(of(&["latency.p99=9.5"], &[]), ["latency.p99 is 10.000, and may be at most 9.5"]);
        assert_eq!(of(&[], &["speed=101"]), ["speed is 100.000, and may be at least 101"]);
        assert_eq!(of(&["p99=1"], &[]), ["p99 was not measured"]);
        for bad in ["p99", "p99=", "=1", "p99=nan", "p99=inf"] {
            assert!(bad.parse::<Threshold>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_of_thresholds() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("thresholds.json");
        let of = |text: &str, profile: &str| {
            fs::write(&path, text).expect("written");
            let mut args = ThresholdArgs {
                max: vec!["latency.p99=20".parse().expect("a threshold")],
                min: Vec::new(),
                thresholds: Some(path.clone()),
            };
            args.load(profile).map(|()| args.broken(&measured(100.0, 10.0)))
        };
        let text =
            r#"{"cold": {"min": {"speed": 101}, "max": {"latency.p99": 9.5}}, "search": {"max": {"x": 1}}}"#;
        let broken = of(text, "cold").expect("read");
        assert_eq!(broken.len(), 2, "{broken:?}");
        assert_eq!(of(r#"{"cold": {"min": {"speed": 99}}}"#, "cold").expect("read"), Vec::<String>::new());
        assert!(of(text, "unchanged").is_err(), "no promise for that profile");
        assert!(of(r#"{"cold": {"most": {}}}"#, "cold").is_err(), "a word that nobody knows");
    }

    #[test]
    fn the_shipped_thresholds_can_be_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("thresholds.json");
        for profile in ["unchanged", "reassess", "interactive", "cold", "concurrent"] {
            let bounds = Bounds::read(&path, profile).expect("read");
            assert!(bounds.max.len() + bounds.min.len() > 0, "{profile}");
        }
    }
}
