//! Oracle Linux: `updateinfo.xml` of its repositories. The release is in the packages' releases (`4.el8_10`).

use std::io::BufRead;

use super::{
    Head, Sink, Source,
    updateinfo::{self, Build, Update},
};
use crate::database::osv::{Record, title};

/// The row.
pub(super) const ROW: Source = Source {
    name: "Oracle Linux updateinfo",
    files: "updateinfo.xml of Oracle Linux's repositories",
    recognises,
    read,
};

fn recognises(head: Head<'_>) -> bool {
    head.contains("<updates") && (head.contains("<id>ELSA-") || head.contains("<id>ELBA-"))
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
    let place = |build: &Build| Some((format!("Oracle Linux:{}", release(&build.evr)?), "0".to_owned()));
    let (affected, defects) = updateinfo::affected(&update.packages, place);
    Ok(Record {
        harmless: update.cves.is_empty() && update.kind != "security",
        modified: update.modified,
        title: title(update.title.trim_start_matches(&update.id).trim_start_matches([':', ' '])),
        rating: update.severity,
        upstream: update.cves,
        affected,
        defects: update.defects.into_iter().chain(defects).collect(),
        id: update.id,
        ..Record::default()
    })
}

/// `8` of `1:1.1.1k-12.el8_9` and `2.module+el8.9.0+1`.
fn release(evr: &str) -> Option<&str> {
    let mut parts = evr.split("el").skip(1);
    parts.find_map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part.get(..end).filter(|digits| !digits.is_empty())
    })
}
