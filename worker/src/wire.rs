//! Inventories in the cache: the mirror of the analysis core's model as protobuf, compressed with zstd behind one byte
//! that names the codec.

use std::collections::BTreeMap;

use prost::Message as _;
use sha2::{Digest as _, Sha256};
use strata_analysis::model;
use strata_proto::{digest::Digest, v1};

use crate::{error::JobError, pack};

const CODEC_ZSTD: u8 = 1;
/// An inventory of half a million packages stays below this; more is not one that we wrote.
const MAX_INVENTORY: usize = 512 << 20;

/// Encodes an inventory.
///
/// # Errors
/// When the compressor fails, which it only does for want of memory.
pub fn encode(inventory: &model::Inventory) -> Result<Vec<u8>, JobError> {
    seal(&to_wire(inventory).encode_to_vec(), "an inventory")
}

/// What a digest of an inventory begins with, 32 times: a block that is no tar's header and begins as no compressed stream does. No layer
/// that has bytes can have such a digest and be read, so that one cannot stand for the other.
const TREE: [u8; 16] = *b"strata directory";

/// The digest of an inventory, for layers that have no bytes: SHA-256 over [`TREE`] and the inventory as a message that is not
/// compressed, problems and sizes included.
#[must_use]
pub fn digest(inventory: &model::Inventory) -> Digest {
    let mut hasher = Sha256::new();
    for _ in 0..32 {
        hasher.update(TREE);
    }
    hasher.update(to_wire(inventory).encode_to_vec());
    Digest::from_bytes(hasher.finalize().into())
}

/// Decodes an inventory.
///
/// # Errors
/// When the bytes are not an inventory that a worker wrote.
pub fn decode(bytes: &[u8]) -> Result<model::Inventory, JobError> {
    let wire = opened(bytes, "an inventory", |plain| v1::Inventory::decode(plain))?
        .map_err(|error| JobError::later("cache", format!("failed to decode an inventory: {error}")))?;
    Ok(from_wire(wire))
}

/// Compresses a message behind its codec byte.
///
/// # Errors
/// When the compressor fails, which it only does for want of memory.
pub fn seal(plain: &[u8], what: &str) -> Result<Vec<u8>, JobError> {
    let packed = pack::compress(plain)
        .map_err(|error| JobError::later("compress", format!("failed to compress {what}: {error}")))?;
    let mut sealed = Vec::with_capacity(packed.len().saturating_add(1));
    sealed.push(CODEC_ZSTD);
    sealed.extend_from_slice(&packed);
    Ok(sealed)
}

/// Undoes [`seal`], to at most 512 MiB.
///
/// # Errors
/// When the bytes are not what [`seal`] wrote.
pub fn open(bytes: &[u8], what: &str) -> Result<Vec<u8>, JobError> {
    opened(bytes, what, <[u8]>::to_vec)
}

fn opened<T>(bytes: &[u8], what: &str, reader: impl FnOnce(&[u8]) -> T) -> Result<T, JobError> {
    let bad = |reason: String| JobError::later("cache", format!("failed to decode {what}: {reason}"));
    let (codec, packed) = bytes.split_first().ok_or_else(|| bad("it is empty".to_owned()))?;
    if *codec != CODEC_ZSTD {
        return Err(bad(format!("codec {codec} is not known")));
    }
    let limit = u64::try_from(MAX_INVENTORY).unwrap_or(u64::MAX);
    let read = |plain: &[u8]| (plain.len() < MAX_INVENTORY).then(|| reader(plain));
    let read = pack::read(packed, limit, read).map_err(|error| bad(error.to_string()))?;
    read.ok_or_else(|| bad("it is larger than 512 MiB".to_owned()))
}

fn to_wire(inventory: &model::Inventory) -> v1::Inventory {
    v1::Inventory {
        files: inventory.files.iter().map(file_to_wire).collect(),
        whiteouts: inventory.whiteouts.clone(),
        opaques: inventory.opaques.clone(),
        others: inventory.others.clone(),
        links: inventory
            .links
            .iter()
            .map(|link| v1::InventoryLink {
                path: link.path.clone(),
                target: link.target.clone(),
                hard: link.hard,
            })
            .collect(),
        releases: inventory
            .releases
            .iter()
            .map(|release| v1::InventoryRelease {
                path: release.path.clone(),
                fields: properties(&release.fields),
            })
            .collect(),
        problems: inventory
            .problems
            .iter()
            .map(|problem| v1::InventoryProblem {
                code: problem.code.to_string(),
                message: problem.message.clone(),
                file: problem.file.clone(),
            })
            .collect(),
        entries: inventory.entries,
        bytes: inventory.bytes,
    }
}

fn file_to_wire(file: &model::FileFacts) -> v1::InventoryFile {
    v1::InventoryFile {
        path: file.path.clone(),
        ecosystem: file.ecosystem.clone(),
        packages: file.packages.iter().map(package_to_wire).collect(),
        owned: file.owned.clone(),
        owner: file.owner.clone(),
        notes: properties(&file.notes),
    }
}

fn package_to_wire(package: &model::Package) -> v1::InventoryPackage {
    v1::InventoryPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        source_name: package.source_name.clone(),
        source_version: package.source_version.clone(),
        architecture: package.architecture.clone(),
        properties: properties(&package.properties),
    }
}

/// A map as ordered properties.
#[must_use]
pub fn properties(map: &BTreeMap<String, String>) -> Vec<v1::Property> {
    map.iter().map(|(key, value)| v1::Property { key: key.clone(), value: value.clone() }).collect()
}

fn map(properties: Vec<v1::Property>) -> BTreeMap<String, String> {
    properties.into_iter().map(|property| (property.key, property.value)).collect()
}

fn from_wire(wire: v1::Inventory) -> model::Inventory {
    model::Inventory {
        files: wire
            .files
            .into_iter()
            .map(|file| model::FileFacts {
                path: file.path,
                ecosystem: file.ecosystem,
                packages: file.packages.into_iter().map(package_from_wire).collect(),
                owned: file.owned,
                owner: file.owner,
                notes: map(file.notes),
            })
            .collect(),
        whiteouts: wire.whiteouts,
        opaques: wire.opaques,
        others: wire.others,
        links: wire
            .links
            .into_iter()
            .map(|link| model::Link { path: link.path, target: link.target, hard: link.hard })
            .collect(),
        releases: wire
            .releases
            .into_iter()
            .map(|release| model::Release { path: release.path, fields: map(release.fields) })
            .collect(),
        problems: wire
            .problems
            .into_iter()
            .map(|problem| model::Problem {
                code: problem.code.into(),
                message: problem.message,
                file: problem.file,
            })
            .collect(),
        entries: wire.entries,
        bytes: wire.bytes,
    }
}

fn package_from_wire(package: v1::InventoryPackage) -> model::Package {
    model::Package {
        name: package.name,
        version: package.version,
        source_name: package.source_name,
        source_version: package.source_version,
        architecture: package.architecture,
        properties: map(package.properties),
    }
}

#[cfg(test)]
mod tests {
    use strata_analysis::model::{FileFacts, Inventory, Link, Package, Problem, Release};

    use super::*;

    fn full() -> Inventory {
        let text = |text: &str| text.to_owned();
        let one = |key: &str, value: &str| BTreeMap::from([(text(key), text(value))]);
        Inventory {
            files: vec![FileFacts {
                path: text("var/lib/dpkg/status"),
                ecosystem: text("dpkg"),
                packages: vec![Package {
                    name: text("libc6"),
                    version: text("2.36-9"),
                    source_name: text("glibc"),
                    source_version: text("2.36"),
                    architecture: text("amd64"),
                    properties: one("vendor", "x"),
                }],
                owned: vec![text("usr/lib/a.jar")],
                owner: text("libc6"),
                notes: one("content-sets", "y"),
            }],
            whiteouts: vec![text("a")],
            opaques: vec![text("b")],
            links: vec![Link { path: text("c"), target: text("../d"), hard: true }],
            others: vec![text("e")],
            releases: vec![Release { path: text("etc/os-release"), fields: one("ID", "debian") }],
            problems: vec![Problem { code: "any-code".into(), message: text("m"), file: text("f") }],
            entries: 7,
            bytes: u64::MAX,
        }
    }

    #[test]
    fn an_inventory_survives_the_cache_whole() {
        for inventory in [full(), Inventory::default()] {
            let packed = encode(&inventory).expect("it is encoded");
            assert_eq!(decode(&packed).expect("it is decoded"), inventory);
        }
    }

    /// What a worker of the first version stored: `encode(&full())` of its day.
    #[test]
    fn an_inventory_of_every_version_is_read() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/wire/1/inventory.bin");
        let recorded = std::fs::read(&file).expect("it is recorded");
        assert_eq!(decode(&recorded).expect("it is read"), full());
        // With a field that a later version adds: 2000, varint 5.
        let mut later = open(&recorded, "an inventory").expect("it is opened");
        later.extend([0x80, 0x7d, 0x05]);
        assert_eq!(decode(&seal(&later, "an inventory").expect("sealed")).expect("it is read"), full());
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        let packed = encode(&full()).expect("it is encoded");
        for length in [0, 1, 2, packed.len() / 2, packed.len() - 1] {
            assert!(decode(&packed[..length]).is_err(), "{length} bytes were accepted");
        }
        let mut other = packed;
        other[0] = 9;
        assert!(decode(&other).is_err_and(|error| error.message.contains("codec 9")));
    }
}
