//! The three forms of tables.

use serde_json::Value;

use super::{Facts, LifecycleError, Lifecycles};
use crate::database::time;

pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Lifecycles, LifecycleError> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let product = name.rsplit('/').next().unwrap_or_default();
    let product = product.rsplit_once('.').map_or(product, |(stem, _)| stem);
    if text.starts_with("distribution,release,end,") {
        table(text)
    } else if text.starts_with("version,codename,series,") {
        distro_info(product, text)
    } else if text.starts_with(['[', '{']) {
        end_of_life(product, text)
    } else {
        Err(malformed("neither our columns, nor distro-info-data, nor a document of endoflife.date"))
    }
}

fn malformed(reason: &str) -> LifecycleError {
    LifecycleError(reason.to_owned())
}

/// A day as `2026-06-30`.
fn day(text: &str, place: &str) -> Result<String, LifecycleError> {
    match time::parse(text) {
        Some(_) if text.len() == 10 => Ok(text.to_owned()),
        _ => Err(LifecycleError(format!("`{text}` at {place} is no day"))),
    }
}

fn optional_day(text: &str, place: &str) -> Result<String, LifecycleError> {
    if text.is_empty() { Ok(String::new()) } else { day(text, place) }
}

/// Our own columns.
fn table(text: &str) -> Result<Lifecycles, LifecycleError> {
    let mut lifecycles = Lifecycles::default();
    let lines = text.lines().zip(1_u64..).skip(1).filter(|(line, _)| !line.trim().is_empty());
    for (line, number) in lines {
        let place = format!("line {number}");
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [distribution, release, end, extended, source] = fields.as_slice() else {
            return Err(LifecycleError(format!("{place} has no five fields")));
        };
        let facts = Facts {
            end: day(end, &place)?,
            extended: optional_day(extended, &place)?,
            source: (*source).to_owned(),
        };
        lifecycles.rows.insert(((*distribution).to_owned(), (*release).to_owned()), facts);
    }
    Ok(lifecycles)
}

/// distro-info-data: a heading names the columns; the last of a line may be missing.
fn distro_info(product: &str, text: &str) -> Result<Lifecycles, LifecycleError> {
    let mut lines = text.lines().zip(1_u64..);
    let heading: Vec<&str> = lines.next().map(|(line, _)| line.split(',').collect()).unwrap_or_default();
    let column = |name: &str| heading.iter().position(|known| *known == name);
    let end = column("eol").ok_or_else(|| malformed("no column `eol`"))?;
    // Ubuntu's longer support is ESM, Debian's is LTS.
    let extended = column("eol-esm").or_else(|| column("eol-lts"));
    let mut lifecycles = Lifecycles::default();
    for (line, number) in lines.filter(|(line, _)| !line.trim().is_empty()) {
        let place = format!("line {number}");
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let field = |at: Option<usize>| at.and_then(|at| fields.get(at)).copied().unwrap_or_default();
        let release = field(Some(0)).trim_end_matches("LTS").trim();
        // Releases to come have no version, or no end yet.
        if release.is_empty() || field(Some(end)).is_empty() {
            continue;
        }
        let facts = Facts {
            end: day(field(Some(end)), &place)?,
            extended: optional_day(field(extended), &place)?,
            source: "distro-info-data".to_owned(),
        };
        lifecycles.rows.insert((product.to_owned(), release.to_owned()), facts);
    }
    Ok(lifecycles)
}

/// Products of endoflife.date whose name is not the distribution's `ID`.
const PRODUCTS: &[(&str, &str)] = &[
    ("alpine-linux", "alpine"),
    ("amazon-linux", "amzn"),
    ("azure-linux", "azurelinux"),
    ("opensuse", "opensuse-leap"),
    ("oracle-linux", "ol"),
    ("rocky-linux", "rocky"),
];

/// endoflife.date: a list of cycles (its first interface), or `result.releases` (the second).
fn end_of_life(product: &str, text: &str) -> Result<Lifecycles, LifecycleError> {
    let value: Value = serde_json::from_str(text).map_err(|error| LifecycleError(error.to_string()))?;
    let result = value.get("result");
    let product = result.and_then(|result| result.get("name")).and_then(Value::as_str).unwrap_or(product);
    let id = PRODUCTS.iter().find(|(name, _)| *name == product).map_or(product, |(_, id)| id);
    let list = value.as_array().or_else(|| result?.get("releases")?.as_array());
    let list = list.ok_or_else(|| malformed("no list of releases"))?;
    let mut lifecycles = Lifecycles::default();
    for (entry, number) in list.iter().zip(1_u64..) {
        let place = format!("release {number}");
        let text = |keys: [&str; 2]| keys.iter().find_map(|key| entry.get(key)).and_then(Value::as_str);
        let release = text(["cycle", "name"]);
        let release = release.ok_or_else(|| LifecycleError(format!("{place} has no name")))?;
        // `true` and `false` say whether, not when.
        let Some(end) = text(["eol", "eolFrom"]) else { continue };
        let extended = text(["extendedSupport", "eoesFrom"]).unwrap_or_default();
        let facts = Facts {
            end: day(end, &place)?,
            extended: optional_day(extended, &place)?,
            source: "endoflife.date".to_owned(),
        };
        lifecycles.rows.insert((id.to_owned(), release.to_owned()), facts);
    }
    Ok(lifecycles)
}
