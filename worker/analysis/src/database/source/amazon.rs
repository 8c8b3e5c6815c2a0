//! Amazon Linux: `updateinfo.xml` of its repositories (1, 2 with its extras, 2022, 2023).
//!
//! The release is in the packages' releases (`1.amzn2.0.3`), else in the advisory's identifier. An advisory of an extra
//! names its topic (`ALAS2KERNEL-5.10-2022-002`, older `ALASKERNEL-5.10-…`). Where core has a package of the same name
//! (kernel, postgresql), the topic's own number says from which version on the advisory speaks: kernel 4.14 of core is none of
//! its business. A topic without a number (docker, livepatch) speaks of every version.

use std::io::BufRead;

use super::{
    Head, Sink, Source,
    updateinfo::{self, Build, Update},
};
use crate::database::osv::{Record, title};

/// The row.
pub(super) const ROW: Source =
    Source { name: "Amazon Linux", files: "updateinfo.xml of Amazon Linux's repositories", recognises, read };

fn recognises(head: Head<'_>) -> bool {
    head.contains("<updates") && head.contains("<id>ALAS")
}

fn read(input: &mut dyn BufRead, _file: &str, sink: Sink<'_>) -> Result<(), String> {
    updateinfo::read(input, |update| {
        let name = update.id.clone();
        sink(&name, record(update));
    })
}

fn record(update: Update) -> Result<Record, String> {
    if update.id.is_empty() {
        return Err("an update without an identifier".to_owned());
    }
    let (release, topic) = identity(&update.id);
    let (affected, defects) = updateinfo::affected(&update.packages, |build| {
        let release = of_build(build).or(release)?;
        Some((format!("Amazon Linux:{release}"), start(topic, build)))
    });
    Ok(Record {
        harmless: update.cves.is_empty() && update.kind != "security",
        modified: update.modified,
        title: title(text(&update.title, &update.id)),
        rating: update.severity,
        upstream: update.cves,
        affected,
        defects: update.defects.into_iter().chain(defects).collect(),
        id: update.id,
        ..Record::default()
    })
}

/// Titles begin with the system's name and the identifier, or with the identifier only.
fn text<'a>(title: &'a str, id: &str) -> &'a str {
    let rest = title.split_once(id).map_or(title, |(_, rest)| rest);
    rest.trim_start_matches([':', ' '])
}

/// Release and topic of an identifier; `None` for a release that it does not say.
fn identity(id: &str) -> (Option<&'static str>, &str) {
    let head = id.strip_prefix("ALAS").unwrap_or_default();
    // The year and the number follow the last two hyphens; a topic may hold hyphens of its own.
    let head = head.rsplitn(3, '-').nth(2).unwrap_or_default();
    for release in ["2023", "2022", "2"] {
        if let Some(topic) = head.strip_prefix(release) {
            return (Some(release), topic);
        }
    }
    // Release 1 has neither a number nor extras; old advisories of extras have no number.
    (Some(if head.is_empty() { "1" } else { "2" }), head)
}

/// The release that a package was built for.
fn of_build(build: &Build) -> Option<&'static str> {
    let (_, tag) = build.evr.split_once(".amzn")?;
    ["2023", "2022", "2", "1"].into_iter().find(|release| {
        tag.strip_prefix(release).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// The version from which on an advisory of a topic speaks: the number at the topic's end where the fix is of that line.
fn start(topic: &str, build: &Build) -> String {
    let number = topic.trim_start_matches(|c: char| !c.is_ascii_digit());
    let (epoch, version) = build.evr.split_once(':').unwrap_or(("", &build.evr));
    let follows = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_digit());
    let of_line = !number.is_empty() && version.strip_prefix(number).is_some_and(follows);
    match (of_line, epoch) {
        (false, _) => "0".to_owned(),
        (true, "") => number.to_owned(),
        (true, epoch) => format!("{epoch}:{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Build, identity, of_build, start};

    #[test]
    fn identifiers_say_release_and_topic() {
        for (id, expected) in [
            ("ALAS-2011-1", (Some("1"), "")),
            ("ALAS2-2018-951", (Some("2"), "")),
            ("ALAS2DOCKER-2021-001", (Some("2"), "DOCKER")),
            ("ALASREDIS6-2021-001", (Some("2"), "REDIS6")),
            ("ALAS2KERNEL-5.10-2022-002", (Some("2"), "KERNEL-5.10")),
            ("ALAS2022-2022-001", (Some("2022"), "")),
            ("ALAS2023-2024-500", (Some("2023"), "")),
            ("ALAS2023LIVEPATCH-2024-001", (Some("2023"), "LIVEPATCH")),
        ] {
            assert_eq!(identity(id), expected, "{id}");
        }
    }

    #[test]
    fn releases_and_lines_of_packages() {
        let build = |evr: &str| Build { evr: evr.to_owned(), ..Build::default() };
        for (evr, expected) in [
            ("3.0.8-1.amzn2023.0.1", Some("2023")),
            ("2:1.0-9.amzn2.0.1", Some("2")),
            ("4.14.77-70.59.amzn1", Some("1")),
            ("1.0-1.el7", None),
        ] {
            assert_eq!(of_build(&build(evr)), expected, "{evr}");
        }
        for (topic, evr, expected) in [
            ("KERNEL-5.10", "5.10.109-104.500.amzn2", "5.10"),
            ("KERNEL-5.1", "5.10.109-104.500.amzn2", "0"),
            ("POSTGRESQL14", "1:14.3-1.amzn2", "1:14"),
            ("DOCKER", "20.10.7-3.amzn2", "0"),
            ("", "1.0-1.amzn2", "0"),
        ] {
            assert_eq!(start(topic, &build(evr)), expected, "{topic} {evr}");
        }
    }
}
