//! One advisory in OSV's JSON (the OSV schema, 1.0 to 1.7), read tolerantly: what the record says is kept, a part that
//! cannot be read is named as a defect, and an ecosystem that nobody has heard of is just a name.

use serde_json::Value;

/// The longest record that is read. The largest of the public export has about a megabyte.
pub const MAX_BYTES: usize = 16 << 20;
/// The longest title that is kept, in characters.
const TITLE: usize = 120;

/// One advisory, with the facts that a scanner needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Identifier in its source: `GHSA-…`, `DSA-…`.
    pub id: String,
    /// Last modification, RFC 3339 as written; may be empty.
    pub modified: String,
    /// Whether the source has withdrawn it.
    pub withdrawn: bool,
    /// One line for people, at most 120 characters; may be empty.
    pub title: String,
    /// Identifiers of the same flaw.
    pub aliases: Vec<String>,
    /// Identifiers of the flaws that a distribution's advisory answers.
    pub upstream: Vec<String>,
    /// Identifiers that have something to do with it. Some distributions list their CVEs here.
    pub related: Vec<String>,
    /// Whether its source says that it announces no flaw: a bug fix, an enhancement.
    pub harmless: bool,
    /// Ratings of the whole record.
    pub severity: Vec<Rating>,
    /// The source's own word for how bad it is (`database_specific.severity`): `MODERATE`; may be empty.
    pub rating: String,
    /// What it affects.
    pub affected: Vec<Affected>,
    /// Ranges of type GIT, which are ignored.
    pub git_ranges: u64,
    /// Parts that could not be read, one phrase each.
    pub defects: Vec<String>,
}

/// An entry of a `severity` list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rating {
    /// `CVSS_V3`, `Ubuntu`.
    pub kind: String,
    /// The vector or the word.
    pub score: String,
}

/// One affected package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affected {
    /// `Debian:12`, `npm`.
    pub ecosystem: String,
    /// Name as the source writes it.
    pub name: String,
    /// Ranges of versions, GIT ones left out.
    pub ranges: Vec<Range>,
    /// Versions listed one by one.
    pub versions: Vec<String>,
    /// Ratings of this package only.
    pub severity: Vec<Rating>,
    /// The source's word for how bad it is here: Debian's urgency, Ubuntu's priority, Azure Linux's severity.
    pub rating: String,
    /// The source's word for what happens about it: `needed`, `fix-not-planned`, `unmaintained`.
    pub status: String,
    /// Architectures that it speaks of, separated by spaces; empty for all.
    pub arch: String,
    /// Module and stream of the packages that it speaks of, `nodejs:16`; empty when the source does not say.
    pub module: String,
}

/// One range: events in the order of the record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// The events.
    pub events: Vec<Event>,
}

/// What happens at a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// The flaw came with it. `0` stands for "before every version".
    Introduced,
    /// The first version without the flaw.
    Fixed,
    /// The last version that is known to have the flaw.
    LastAffected,
    /// Versions from here on are outside of what the record speaks of.
    Limit,
}

/// One event of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happens.
    pub kind: EventKind,
    /// At which version.
    pub version: String,
}

/// Reads one record.
///
/// # Errors
/// A phrase that says why the bytes are no advisory at all: too long, not JSON, without an identifier.
pub fn parse(json: &[u8]) -> Result<Record, String> {
    if json.len() > MAX_BYTES {
        return Err(format!("longer than {MAX_BYTES} bytes"));
    }
    let value: Value = serde_json::from_slice(json).map_err(|error| format!("not JSON: {error}"))?;
    let id = text(&value, "id");
    if id.is_empty() {
        return Err("no identifier".to_owned());
    }
    let mut record = Record {
        id,
        modified: text(&value, "modified"),
        withdrawn: value.get("withdrawn").is_some_and(|field| !field.is_null()),
        title: title(value.get("summary").and_then(Value::as_str).unwrap_or_default()),
        aliases: texts(&value, "aliases"),
        upstream: texts(&value, "upstream"),
        related: texts(&value, "related"),
        severity: ratings(&value),
        rating: value.get("database_specific").map(|own| text(own, "severity")).unwrap_or_default(),
        ..Record::default()
    };
    match value.get("affected") {
        None | Some(Value::Null) => {}
        Some(Value::Array(list)) => list.iter().for_each(|entry| read_affected(entry, &mut record)),
        Some(_) => record.defects.push("`affected` is not a list".to_owned()),
    }
    Ok(record)
}

fn read_affected(entry: &Value, record: &mut Record) {
    let (own, source) = (entry.get("ecosystem_specific"), entry.get("database_specific"));
    let word = |names: &[(Option<&Value>, &str)]| {
        names
            .iter()
            .filter_map(|(holder, key)| holder.map(|map| text(map, key)))
            .find(|word| !word.is_empty())
    };
    let mut affected = Affected {
        versions: texts(entry, "versions"),
        severity: ratings(entry),
        rating: word(&[
            (own, "urgency"),
            (own, "ubuntu_priority"),
            (own, "severity"),
            (source, "severity"),
            (source, "urgency"),
        ])
        .unwrap_or_default(),
        status: word(&[(own, "status"), (source, "status"), (source, "informational")]).unwrap_or_default(),
        ..Affected::default()
    };
    let git_before = record.git_ranges;
    match entry.get("ranges") {
        None | Some(Value::Null) => {}
        Some(Value::Array(list)) => list.iter().for_each(|range| read_range(range, &mut affected, record)),
        Some(_) => record.defects.push("`ranges` is not a list".to_owned()),
    }
    if let Some(package) = entry.get("package") {
        affected.ecosystem = text(package, "ecosystem");
        affected.name = text(package, "name");
    }
    if affected.ecosystem.is_empty() || affected.name.is_empty() {
        // A record about a repository only has no package: nothing that an image could hold.
        if record.git_ranges == git_before {
            record.defects.push("an affected package without an ecosystem or a name".to_owned());
        }
        return;
    }
    record.affected.push(affected);
}

fn read_range(range: &Value, affected: &mut Affected, record: &mut Record) {
    match range.get("type").and_then(Value::as_str) {
        Some("GIT") => {
            record.git_ranges += 1;
            return;
        }
        Some("SEMVER" | "ECOSYSTEM") => {}
        other => {
            record.defects.push(format!("a range of type `{}`", other.unwrap_or_default()));
            return;
        }
    }
    let mut events = Vec::new();
    for event in range.get("events").and_then(Value::as_array).into_iter().flatten() {
        // One event should hold one key; where it holds several, each is an event, the introduction first.
        let before = events.len();
        for (key, kind) in [
            ("introduced", EventKind::Introduced),
            ("fixed", EventKind::Fixed),
            ("last_affected", EventKind::LastAffected),
            ("limit", EventKind::Limit),
        ] {
            match event.get(key).and_then(Value::as_str) {
                // `*` as a limit is the same as none.
                Some("*") if kind == EventKind::Limit => {}
                Some(version) => events.push(Event { kind, version: version.trim().to_owned() }),
                None => {}
            }
        }
        if events.len() == before && event.get("limit").is_none() {
            record.defects.push("an event that says nothing".to_owned());
        }
    }
    if !events.iter().any(|event| event.kind == EventKind::Introduced) {
        record.defects.push("a range without a beginning".to_owned());
        return;
    }
    affected.ranges.push(Range { events });
}

fn ratings(holder: &Value) -> Vec<Rating> {
    let list = holder.get("severity").and_then(Value::as_array).into_iter().flatten();
    list.map(|entry| Rating { kind: text(entry, "type"), score: text(entry, "score") })
        .filter(|rating| !rating.score.is_empty())
        .collect()
}

fn text(holder: &Value, key: &str) -> String {
    holder.get(key).and_then(Value::as_str).map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn texts(holder: &Value, key: &str) -> Vec<String> {
    let list = holder.get(key).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str)
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .collect()
}

/// The first line, cut at a word, without control characters.
pub(super) fn title(summary: &str) -> String {
    let line = summary.trim().lines().next().unwrap_or_default();
    let clean: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let Some((end, _)) = clean.char_indices().nth(TITLE) else { return clean.trim_end().to_owned() };
    let cut = clean.get(..end).unwrap_or_default();
    let cut = cut.rsplit_once(' ').map_or(cut, |(words, _)| words);
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests;
