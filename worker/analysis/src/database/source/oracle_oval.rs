//! Oracle Linux: its OVAL definitions (`com.oracle.elsa-all.xml`). The criteria of a definition say in their comments what they
//! test, from the outside in: `Oracle Linux 8 is installed`, `Oracle Linux arch is x86_64`, `Module nodejs:16 is enabled`,
//! `openssl is earlier than 1:1.1.1k-12.el8_9`. So one definition after the other can be read, without the tables behind them.

use std::{collections::BTreeMap, io::BufRead};

use super::{
    Head, Sink, Source,
    updateinfo::{self, Build, moment},
};
use crate::{
    database::osv::{Rating, Record, title},
    xml::{Event, Reader, Tag},
};

/// The row.
pub(super) const ROW: Source = Source {
    name: "Oracle Linux OVAL",
    files: "com.oracle.elsa-*.xml of Oracle's OVAL repository",
    recognises,
    read,
};

/// Tests of one definition.
const TESTS: usize = 200_000;

fn recognises(head: Head<'_>) -> bool {
    head.contains("<oval_definitions") && head.contains("oracle")
}

/// What the criteria around a test ask for.
#[derive(Debug, Clone, Default)]
struct Scope {
    release: String,
    arch: String,
    module: String,
}

#[derive(Debug, Default)]
struct Definition {
    /// `oval:com.oracle.elsa:def:20180004`.
    oval: String,
    id: String,
    title: String,
    severity: String,
    issued: String,
    cves: Vec<String>,
    vectors: Vec<String>,
    scopes: Vec<Scope>,
    /// Packages by release.
    builds: BTreeMap<String, Vec<Build>>,
    tests: usize,
    defects: Vec<String>,
}

fn read(input: &mut dyn BufRead, _file: &str, sink: Sink<'_>) -> Result<(), String> {
    let mut reader = Reader::new(input);
    let mut definition: Option<Definition> = None;
    let (mut text, mut any) = (String::new(), false);
    while let Some(event) = reader.next()? {
        match event {
            Event::Start(tag) => {
                text.clear();
                match &mut definition {
                    None if tag.name == "definition" => {
                        let oval = tag.get("id").to_owned();
                        definition = Some(Definition { oval, ..Definition::default() });
                    }
                    Some(definition) => definition.start(&tag),
                    None => {}
                }
            }
            Event::Text(part) => text.push_str(&part),
            Event::End(name) if name == "definition" => {
                let Some(definition) = definition.take() else { continue };
                any = true;
                let name = if definition.id.is_empty() { &definition.oval } else { &definition.id }.clone();
                sink(&name, definition.record());
            }
            Event::End(name) => {
                if let Some(definition) = &mut definition {
                    definition.end(&name, text.trim());
                }
                text.clear();
            }
        }
    }
    if any { Ok(()) } else { Err("it holds no definition".to_owned()) }
}

impl Definition {
    fn start(&mut self, tag: &Tag) {
        match tag.name.as_str() {
            "reference" => match tag.get("source").to_ascii_lowercase().as_str() {
                "elsa" => tag.get("ref_id").clone_into(&mut self.id),
                "cve" => self.cves.push(tag.get("ref_id").to_owned()),
                _ => {}
            },
            "issued" | "updated" => {
                let date = moment(tag.get("date"));
                if date > self.issued {
                    self.issued = date;
                }
            }
            "cve" => {
                // `7.5/CVSS:3.1/AV:N/…`
                let vector = |key| tag.get(key).split_once('/').map(|(_, vector)| vector.to_owned());
                self.vectors.extend(["cvss4", "cvss3"].into_iter().filter_map(vector));
            }
            "criteria" => {
                let scope = self.scopes.last().cloned().unwrap_or_default();
                self.scopes.push(scope);
            }
            "criterion" => self.test(tag.get("comment")),
            _ => {}
        }
    }

    fn end(&mut self, name: &str, text: &str) {
        match name {
            "criteria" => drop(self.scopes.pop()),
            "title" => text.clone_into(&mut self.title),
            "severity" => text.clone_into(&mut self.severity),
            "cve" if !text.is_empty() => self.cves.push(text.to_owned()),
            _ => {}
        }
    }

    fn test(&mut self, comment: &str) {
        let comment = comment.trim();
        let between = |start: &str, end: &str| {
            comment.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)).map(str::trim)
        };
        if let Some((name, fixed)) = comment.split_once(" is earlier than ") {
            let scope = self.scopes.last().cloned().unwrap_or_default();
            self.tests += 1;
            if self.tests > TESTS {
                return self.defects.push("more tests than are read".to_owned());
            }
            let evr = fixed.trim().strip_prefix("0:").unwrap_or(fixed.trim()).to_owned();
            let build = Build { name: name.trim().to_owned(), evr, arch: scope.arch, module: scope.module };
            if build.name.is_empty() || build.evr.is_empty() {
                return self.defects.push("a test without a package or a version".to_owned());
            }
            self.builds.entry(scope.release).or_default().push(build);
            return;
        }
        let Some(scope) = self.scopes.last_mut() else { return };
        if let Some(arch) = between("Oracle Linux arch is ", "") {
            arch.clone_into(&mut scope.arch);
        } else if let Some(release) = between("Oracle Linux ", " is installed") {
            let end = release.find(|c: char| !c.is_ascii_digit()).unwrap_or(release.len());
            release.get(..end).unwrap_or_default().clone_into(&mut scope.release);
        } else if let Some(module) = between("Module ", " is enabled") {
            module.clone_into(&mut scope.module);
        }
    }

    fn record(self) -> Result<Record, String> {
        if self.id.is_empty() {
            return Err("a definition that names no advisory".to_owned());
        }
        let (mut affected, mut defects) = (Vec::new(), self.defects);
        for (release, builds) in &self.builds {
            let ecosystem = (!release.is_empty()).then(|| format!("Oracle Linux:{release}"));
            let (entries, bad) = updateinfo::affected(builds, |_| Some((ecosystem.clone()?, "0".to_owned())));
            affected.extend(entries);
            defects.extend(bad);
        }
        let mut cves = self.cves;
        cves.sort_unstable();
        cves.dedup();
        // Vectors of several flaws say nothing of one.
        let vectors = if cves.len() == 1 { self.vectors } else { Vec::new() };
        let rating = |score: String| Rating { kind: "CVSS".to_owned(), score };
        Ok(Record {
            modified: self.issued,
            title: title(shown(&self.title, &self.id)),
            severity: vectors.into_iter().map(rating).collect(),
            rating: self.severity,
            upstream: cves,
            affected,
            defects,
            id: self.id,
            ..Record::default()
        })
    }
}

/// `bash security update` of `ELSA-2014-1306:  bash security update (IMPORTANT)`.
fn shown<'a>(title: &'a str, id: &str) -> &'a str {
    let title = title.trim().trim_start_matches(id).trim_start_matches([':', ' ']).trim();
    match title.rsplit_once(" (") {
        Some((text, word)) if word.ends_with(')') && !word.chars().any(|c| c.is_ascii_lowercase()) => text,
        _ => title,
    }
}
