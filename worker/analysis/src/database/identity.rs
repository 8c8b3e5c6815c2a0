//! Which flaw an advisory is about. A finding is a package and a flaw, and a flaw is a CVE where there is one: two
//! advisories of one flaw give one finding, an advisory that answers five CVEs gives five.

use std::collections::{BTreeSet, HashMap};

use super::osv::Record;

/// An identifier in its usual spelling: `ghsa-AAAA-…` and `cve-2024-1` are written in many ways.
pub(super) fn spelled(id: &str) -> String {
    let id = id.trim();
    match id.split_once('-') {
        Some((head, tail)) if head.eq_ignore_ascii_case("ghsa") => {
            format!("GHSA-{}", tail.to_ascii_lowercase())
        }
        Some((head, _)) if head.eq_ignore_ascii_case("cve") => id.to_ascii_uppercase(),
        _ => id.to_owned(),
    }
}

/// The CVE that an identifier is, or that a distribution's own name for it ends with (`DEBIAN-CVE-2024-1`).
pub(super) fn cve(id: &str) -> Option<&str> {
    let at = id.find("CVE-")?;
    if at != 0 && !id.get(..at)?.ends_with('-') {
        return None;
    }
    let cve = id.get(at..)?;
    let (year, number) = cve.strip_prefix("CVE-")?.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (year.len() == 4 && digits(year) && digits(number)).then_some(cve)
}

/// What one record says about identity, before the other records are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// CVEs: of the record and its aliases; where there are none, those that it answers.
    pub(super) cves: Vec<String>,
    /// Other identifiers of the same flaw, in order.
    pub(super) aliases: Vec<String>,
    /// Where no CVE is named: the identifiers of the several flaws that it answers, in order.
    pub(super) answers: Vec<String>,
}

/// Reads the names of a record. `distribution` says that its `related` list holds the CVEs that it answers.
pub(super) fn names(record: &Record, distribution: bool) -> Names {
    let direct: BTreeSet<String> = record.aliases.iter().chain([&record.id]).map(|id| spelled(id)).collect();
    let upstream: BTreeSet<String> = record.upstream.iter().map(|id| spelled(id)).collect();
    let related: BTreeSet<String> = record.related.iter().map(|id| spelled(id)).collect();
    let cves = |ids: &BTreeSet<String>| -> BTreeSet<String> {
        ids.iter().filter_map(|id| cve(id)).map(str::to_owned).collect()
    };
    let mut found = cves(&direct);
    // The upstream list names the flaw itself only when the record answers one flaw.
    let upstream_cves = cves(&upstream);
    let nameless = found.is_empty() && upstream_cves.is_empty();
    let several = if nameless { upstream.len() } else { upstream_cves.len().max(found.len()) } > 1;
    if found.is_empty() {
        found = upstream_cves;
    }
    if found.is_empty() && distribution {
        found = cves(&related);
    }
    let own = spelled(&record.id);
    let mut aliases: BTreeSet<String> = direct;
    let mut answers = BTreeSet::new();
    if !several {
        aliases.extend(upstream);
    } else if found.is_empty() {
        answers = upstream;
        answers.remove(&own);
    }
    aliases.retain(|id| *id != own && !found.contains(id) && !answers.contains(id));
    Names {
        cves: found.into_iter().collect(),
        aliases: aliases.into_iter().collect(),
        answers: answers.into_iter().collect(),
    }
}

/// Which CVE an identifier stands for, from the records that name exactly one.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    known: HashMap<String, Option<String>>,
}

impl Aliases {
    /// Learns from one record. An identifier that stands for two CVEs stands for none.
    pub(super) fn learn(&mut self, id: &str, names: &Names) {
        let [cve] = names.cves.as_slice() else { return };
        for name in names.aliases.iter().map(String::as_str).chain([id]) {
            let known = self.known.entry(name.to_owned()).or_insert_with(|| Some(cve.clone()));
            if known.as_ref() != Some(cve) {
                *known = None;
            }
        }
    }

    /// The flaws that a record is about: its CVEs, else the flaws that it answers, else the one CVE that another record knows for one of its names
    /// (one step, never a chain), else its GHSA, else its own identifier.
    pub(super) fn flaws(&self, id: &str, names: &Names) -> Vec<String> {
        if !names.cves.is_empty() {
            return names.cves.clone();
        }
        if !names.answers.is_empty() {
            let best = |id: &String| self.known.get(id).cloned().flatten().unwrap_or_else(|| id.clone());
            let flaws: BTreeSet<String> = names.answers.iter().map(best).collect();
            return flaws.into_iter().collect();
        }
        let all = || names.aliases.iter().map(String::as_str).chain([id]);
        let known: BTreeSet<&String> =
            all().filter_map(|name| self.known.get(name)).filter_map(Option::as_ref).collect();
        if let (1, Some(cve)) = (known.len(), known.first()) {
            return vec![(*cve).clone()];
        }
        vec![all().filter(|name| name.starts_with("GHSA-")).min().unwrap_or(id).to_owned()]
    }
}

#[cfg(test)]
mod tests;
