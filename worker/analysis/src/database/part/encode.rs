//! Writes a part.

use sha2::{Digest as _, Sha256};

use super::Read;
use crate::{
    assess::{FixState, Severity},
    database::{
        compact::{Advisory, Package, Prepared},
        encode::out::Out,
        osv::EventKind,
    },
};

pub(super) fn encode(heading: &str, records: &[Read]) -> Vec<u8> {
    let mut out = Out::default();
    out.text(heading);
    out.index(records.len());
    for (name, record) in records {
        out.text(name);
        match record {
            Err(reason) => {
                out.byte(0);
                out.text(reason);
            }
            Ok(Prepared { advisory, defects }) => {
                out.byte(1);
                texts(&mut out, defects);
                encode_advisory(&mut out, advisory);
            }
        }
    }
    // Compression into memory fails for want of memory only; what cannot be decoded is read again from its file.
    let packed = zstd::bulk::compress(&out.bytes, 1).unwrap_or_default();
    let mut file = Sha256::digest(&packed).to_vec();
    file.extend_from_slice(&packed);
    file
}

fn texts(out: &mut Out, list: &[String]) {
    out.index(list.len());
    list.iter().for_each(|text| out.text(text));
}

fn encode_advisory(out: &mut Out, advisory: &Advisory<String>) {
    out.text(&advisory.id);
    out.text(&advisory.source);
    out.varint(advisory.modified);
    advisory.content.to_le_bytes().into_iter().for_each(|byte| out.byte(byte));
    out.byte(u8::from(advisory.withdrawn));
    out.byte(u8::from(advisory.harmless));
    out.text(&advisory.title);
    rating(out, advisory.rating);
    out.score(advisory.score);
    texts(out, &advisory.cves);
    texts(out, &advisory.aliases);
    texts(out, &advisory.answers);
    out.varint(advisory.git_ranges);
    out.varint(advisory.unversioned);
    out.index(advisory.packages.len());
    advisory.packages.iter().for_each(|package| encode_package(out, package));
}

fn encode_package(out: &mut Out, package: &Package<String>) {
    for text in [&package.ecosystem, &package.name, &package.stream, &package.arch, &package.bound] {
        out.text(text);
    }
    out.byte(match package.state {
        FixState::Fixed(_) | FixState::NotFixed => 0,
        FixState::WillNotFix => 1,
        FixState::Deferred => 2,
        FixState::UnderInvestigation => 3,
        FixState::EndOfLife => 4,
    });
    rating(out, package.rating);
    out.score(package.score);
    out.byte(u8::from(package.modular));
    out.byte(u8::from(package.sorted));
    out.index(package.ranges.len());
    for range in &package.ranges {
        out.index(range.len());
        for (kind, version) in range {
            out.byte(match kind {
                EventKind::Introduced => 0,
                EventKind::Fixed => 1,
                EventKind::LastAffected => 2,
                EventKind::Limit => 3,
            });
            out.text(version);
        }
    }
    texts(out, &package.versions);
}

/// 0 for none, else one more than the severity's number in the database.
fn rating(out: &mut Out, rating: Option<Severity>) {
    out.byte(rating.map_or(0, |rating| crate::database::encode::severity(rating) + 1));
}
