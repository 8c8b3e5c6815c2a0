//! Photon OS: its public list of flaws for each release (`cve_data_photon4.0.json`): objects of `cve_id`, `pkg` (the source
//! package), `cve_score`, `aff_ver`, `res_ver` (the version that resolves it, or `NA`) and, in later lists, `status`.

use std::{collections::BTreeMap, io::BufRead};

use serde_json::Value;

use super::{Head, Sink, Source};
use crate::database::osv::{Affected, Event, EventKind, Range, Record};

/// The row.
pub(super) const ROW: Source =
    Source { name: "Photon OS", files: "cve_data_photon*.json of Photon's metadata", recognises, read };

/// Bytes of one list. The largest known one has some ten MiB.
const LIST: u64 = 256 << 20;

fn recognises(head: Head<'_>) -> bool {
    head.bytes.trim_ascii_start().starts_with(b"[")
        && head.contains("\"cve_id\"")
        && head.contains("\"res_ver\"")
}

fn read(input: &mut dyn BufRead, file: &str, sink: Sink<'_>) -> Result<(), String> {
    let list: Vec<Value> = serde_json::from_reader(std::io::Read::take(input, LIST))
        .map_err(|error| format!("not JSON: {error}"))?;
    let of_file = of_file(file);
    let mut flaws: BTreeMap<String, Record> = BTreeMap::new();
    for (entry, number) in list.iter().zip(1_u64..) {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::trim).unwrap_or_default();
        let (cve, package) = (text("cve_id"), text("pkg"));
        if cve.is_empty() || package.is_empty() {
            sink(&format!("{number}"), Err("an entry without `cve_id` or `pkg`".to_owned()));
            continue;
        }
        if text("status").eq_ignore_ascii_case("not affected") {
            continue;
        }
        let id = format!("PHOTON-{cve}");
        let record = flaws.entry(id.clone()).or_insert_with(|| Record {
            id,
            upstream: vec![cve.to_owned()],
            ..Record::default()
        });
        let fixed = Some(text("res_ver")).filter(|version| !version.is_empty() && *version != "NA");
        let Some(release) = of_file.clone().or_else(|| of_version(fixed?)) else {
            record.defects.push(format!("nothing says of which release `{package}` is"));
            continue;
        };
        let rating = rating(entry.get("cve_score")).unwrap_or_default().to_owned();
        record.affected.push(affected(release, package, fixed, rating));
    }
    for (id, record) in flaws {
        sink(&id, Ok(record));
    }
    Ok(())
}

fn affected(release: String, package: &str, fixed: Option<&str>, rating: String) -> Affected {
    let step = |kind, version: &str| Event { kind, version: version.to_owned() };
    let mut events = vec![step(EventKind::Introduced, "0")];
    events.extend(fixed.map(|fixed| step(EventKind::Fixed, fixed)));
    Affected {
        ecosystem: format!("Photon OS:{release}"),
        name: package.to_owned(),
        ranges: vec![Range { events }],
        rating,
        ..Affected::default()
    }
}

/// `4.0` of `cve_data_photon4.0.json`.
fn of_file(file: &str) -> Option<String> {
    let rest = file.rsplit('/').next()?.split_once("photon")?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let release = rest.get(..end)?.trim_matches('.');
    (!release.is_empty()).then(|| release.to_owned())
}

/// `4.0` of `1.10.8-2.ph4`.
fn of_version(version: &str) -> Option<String> {
    let (_, tag) = version.rsplit_once(".ph")?;
    let whole = !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_digit());
    whole.then(|| format!("{tag}.0"))
}

/// The word of a base score: it comes without a vector, and without the version of CVSS that it is of.
fn rating(score: Option<&Value>) -> Option<&'static str> {
    let score = match score? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    match score {
        0.1..4.0 => Some("low"),
        4.0..7.0 => Some("medium"),
        7.0..9.0 => Some("high"),
        9.0..=10.0 => Some("critical"),
        _ => None,
    }
}
