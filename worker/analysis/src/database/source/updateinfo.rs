//! `updateinfo.xml` of rpm repositories: what Amazon Linux and Oracle Linux publish their errata in. One `update` an advisory:
//! `id`, `title`, `severity`, `updated` and `issued` (dates), `references` of type `cve`, and `pkglist` with the first versions
//! that hold the answer.

use std::{collections::BTreeMap, io::BufRead};

use crate::{
    database::osv::{Affected, Event as Step, EventKind, Range},
    xml::{Event, Reader, Tag},
};

/// Packages of one update. The largest real one has some thousands.
const PACKAGES: usize = 100_000;
/// References of one update.
const REFERENCES: usize = 20_000;

/// One update.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Update {
    pub(super) id: String,
    /// `security`, `bugfix`, `enhancement`, `newpackage`.
    pub(super) kind: String,
    pub(super) title: String,
    pub(super) severity: String,
    /// RFC 3339, or as much of it as the source writes.
    pub(super) modified: String,
    pub(super) cves: Vec<String>,
    pub(super) packages: Vec<Build>,
    pub(super) defects: Vec<String>,
}

/// One package of an update.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Build {
    pub(super) name: String,
    /// Epoch, version and release; an epoch of 0 is not written.
    pub(super) evr: String,
    pub(super) arch: String,
    /// `name:stream` of the module that it belongs to; empty when it belongs to none.
    pub(super) module: String,
}

/// Hands on every update of the document.
///
/// # Errors
/// When the document breaks off, or is not well-formed.
pub(super) fn read(input: &mut dyn BufRead, mut each: impl FnMut(Update)) -> Result<(), String> {
    let mut reader = Reader::new(input);
    let mut update: Option<Update> = None;
    let (mut path, mut module, mut text) = (Vec::new(), String::new(), String::new());
    while let Some(event) = reader.next()? {
        match event {
            Event::Start(tag) => {
                text.clear();
                match (tag.name.as_str(), &mut update) {
                    ("update", None) => {
                        update = Some(Update { kind: tag.get("type").to_owned(), ..Update::default() });
                    }
                    (_, Some(update)) => start(&tag, update, &mut module),
                    _ => {}
                }
                path.push(tag.name);
            }
            Event::Text(part) => text.push_str(&part),
            Event::End(name) => {
                path.pop();
                if name == "update" {
                    if let Some(update) = update.take() {
                        each(update);
                    }
                } else if let (Some(update), Some("update")) = (&mut update, path.last().map(String::as_str))
                {
                    field(&name, text.trim(), update);
                }
                if name == "collection" {
                    module.clear();
                }
                text.clear();
            }
        }
    }
    Ok(())
}

fn start(tag: &Tag, update: &mut Update, module: &mut String) {
    match tag.name.as_str() {
        // `updated` follows `issued`; the later of the two counts.
        "issued" | "updated" => {
            let date = moment(tag.get("date"));
            if date > update.modified {
                update.modified = date;
            }
        }
        "reference" if tag.get("type").eq_ignore_ascii_case("cve") => {
            let id = [tag.get("id"), tag.get("title")].into_iter().find(|id| !id.is_empty());
            match id {
                Some(id) if update.cves.len() < REFERENCES => update.cves.push(id.trim().to_owned()),
                Some(_) => update.defects.push("more references than are read".to_owned()),
                None => update.defects.push("a reference to a CVE without its number".to_owned()),
            }
        }
        "module" => *module = format!("{}:{}", tag.get("name"), tag.get("stream")),
        "package" => package(tag, update, module),
        _ => {}
    }
}

fn package(tag: &Tag, update: &mut Update, module: &str) {
    let (name, version, release) = (tag.get("name"), tag.get("version"), tag.get("release"));
    if name.is_empty() || version.is_empty() || release.is_empty() {
        return update.defects.push("a package without a name, a version or a release".to_owned());
    }
    if update.packages.len() >= PACKAGES {
        return update.defects.push("more packages than are read".to_owned());
    }
    let epoch = match tag.get("epoch") {
        "" | "0" => String::new(),
        epoch => format!("{epoch}:"),
    };
    update.packages.push(Build {
        name: name.to_owned(),
        evr: format!("{epoch}{version}-{release}"),
        arch: tag.get("arch").to_owned(),
        module: module.to_owned(),
    });
}

fn field(name: &str, text: &str, update: &mut Update) {
    let place = match name {
        "id" => &mut update.id,
        "title" => &mut update.title,
        "severity" => &mut update.severity,
        _ => return,
    };
    text.clone_into(place);
}

/// `2024-07-02 23:22:00`, `2011-09-27 22:46` or `2024-07-02` in RFC 3339.
pub(super) fn moment(date: &str) -> String {
    let date = date.trim();
    let (day, time) = date.split_once([' ', 'T']).unwrap_or((date, ""));
    match time.trim_end_matches('Z').len() {
        0 => day.to_owned(),
        5 => format!("{day}T{time}:00Z"),
        _ => format!("{day}T{}Z", time.trim_end_matches('Z')),
    }
}

/// Names of architectures that no installed package has.
const SOURCES: &[&str] = &["src", "nosrc"];

/// What is affected, one entry for each package and version with the architectures that it was built for. `place` says
/// the ecosystem, and from which version on.
pub(super) fn affected(
    builds: &[Build],
    mut place: impl FnMut(&Build) -> Option<(String, String)>,
) -> (Vec<Affected>, Vec<String>) {
    let mut groups: BTreeMap<(String, &str, String, &str, &str), Vec<&str>> = BTreeMap::new();
    let mut defects = Vec::new();
    for build in builds.iter().filter(|build| !SOURCES.contains(&build.arch.as_str())) {
        let Some((ecosystem, from)) = place(build) else {
            defects.push(format!("nothing says of which release `{}` {} is", build.name, build.evr));
            continue;
        };
        let key = (ecosystem, build.name.as_str(), from, build.evr.as_str(), build.module.as_str());
        groups.entry(key).or_default().push(&build.arch);
    }
    let entry = |((ecosystem, name, from, evr, module), mut arches): (
        (String, &str, String, &str, &str),
        Vec<&str>,
    )| {
        arches.sort_unstable();
        arches.dedup();
        // One that is for every machine is not bound to the others' names.
        let arch = if arches.contains(&"") { String::new() } else { arches.join(" ") };
        let step = |kind, version: &str| Step { kind, version: version.to_owned() };
        let events = vec![step(EventKind::Introduced, &from), step(EventKind::Fixed, evr)];
        Affected {
            ecosystem,
            name: name.to_owned(),
            ranges: vec![Range { events }],
            arch,
            module: module.to_owned(),
            ..Affected::default()
        }
    };
    (groups.into_iter().map(entry).collect(), defects)
}
