//! Layers read in parts, against the same layers read whole.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Codec, Place, Plan, Table, TableError, footer, index_parts, plan::merged};
use crate::{
    limits::Limits,
    model::Inventory,
    testing::{Archive, indexed},
};
use build::{Builder, Made, convert};

mod build;

const CODECS: [Codec; 2] = [Codec::Gzip, Codec::Zstd];

fn open(made: &Made) -> Result<Table, TableError> {
    let limits = Limits::default();
    let size = u64::try_from(made.blob.len()).unwrap();
    match Place::parse(&made.position, size).unwrap() {
        Place::Footer => {
            let at = footer(&made.blob).ok_or_else(|| TableError::malformed("has no footer"))?;
            let stored = made.blob.get(usize::try_from(at).unwrap()..).unwrap_or_default();
            Table::of_estargz(stored, at, &made.digest, &limits)
        }
        Place::At { offset, length, plain } => {
            let (from, length) = (usize::try_from(offset).unwrap(), usize::try_from(length).unwrap());
            Table::of_chunked(&made.blob[from..from + length], offset, plain, &made.digest, &limits)
        }
    }
}

/// The bytes of a plan's ranges.
fn parts(made: &Made, plan: &Plan) -> Vec<u8> {
    let at = |offset: u64| usize::try_from(offset).unwrap();
    plan.ranges.iter().flat_map(|range| made.blob[at(range.start)..at(range.end)].to_vec()).collect()
}

fn in_parts(made: &Made) -> Result<Inventory, TableError> {
    let (limits, table) = (Limits::default(), open(made)?);
    let plan = merged(&table.pieces(&limits, false), 0);
    index_parts(&table, &plan, &mut parts(made, &plan).as_slice(), &limits, None)
}

/// The inventory of the whole, as far as parts can tell it.
fn whole(made: &Made) -> Inventory {
    Inventory { bytes: 0, ..indexed(&made.blob).unwrap() }
}

fn package(name: &str) -> String {
    format!(r#"{{"name":"{name}","version":"1.{}"}}"#, "0".repeat(300))
}

fn varied() -> Archive {
    let long = format!("{}/package.json", "deep/".repeat(40));
    Archive::default()
        .directory("a/")
        .file("a/package.json", package("a"))
        .file("a/readme", "x".repeat(5_000))
        .file("a/.wh.gone", "")
        .file("b/.wh..wh..opq", "")
        .hard_link("c/package.json", "a/package.json")
        .symlink("lib", "usr/lib")
        .file(".no.prefetch.landmark", [0xf])
        .program("bin/tool", "#!/bin/sh\n")
        .file("a/package.json", package("again"))
        .pax(&[("path", &long)])
        .file("short", package("long"))
        .file("empty/package.json", "")
        .file("../escaping/package.json", package("e"))
}

#[test]
fn parts_say_what_the_whole_says() {
    for codec in CODECS {
        for piece in [7, 100, 1 << 20] {
            let made = convert(codec, piece, &varied().end());
            let found = in_parts(&made).unwrap();
            assert_eq!(found, whole(&made), "{codec:?} {piece}");
            assert_eq!(found.whiteouts, ["a/gone"]);
            assert_eq!(found.opaques, ["b"]);
            let packages: Vec<&str> =
                found.files.iter().flat_map(|f| &f.packages).map(|p| &*p.name).collect();
            assert_eq!(packages, ["again", "again", "long"], "{codec:?}");
        }
    }
}

#[test]
fn a_small_part_of_a_large_layer_is_asked_for() {
    let noise = |seed: u32| {
        let mut state = seed;
        let next = move |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..1_500_000).map(next).collect::<Vec<u8>>()
    };
    for codec in CODECS {
        let tar = Archive::default()
            .file("a/package.json", package("a"))
            .file("share/noise", noise(1))
            .file("b/package.json", package("b"))
            .file("share/more", noise(2))
            .end();
        let made = convert(codec, 4 << 20, &tar);
        let (table, limits) = (open(&made).unwrap(), Limits::default());
        let size = u64::try_from(made.blob.len()).unwrap();
        let plan = table.plan(size, 1_000, &limits, false).unwrap();
        assert_eq!(plan.ranges.len(), 2, "{plan:?}");
        assert!(plan.bytes < 4_000, "{plan:?}");
        let found = index_parts(&table, &plan, &mut parts(&made, &plan).as_slice(), &limits, None).unwrap();
        assert_eq!(found, whole(&made));
        // What is small, or wanted for the most part, is read whole.
        assert_eq!(table.plan(super::SMALLEST - 1, 0, &limits, false), None);
        assert_eq!(table.plan(size, size * 6 / 10, &limits, false), None);
    }
}

#[test]
fn what_is_not_as_the_table_says_is_refused() {
    for codec in CODECS {
        let made = convert(codec, 100, &varied().end());
        let table = open(&made).unwrap();
        for place in table.pieces(&Limits::default(), false) {
            for at in [place.start + 4, place.start + (place.end - place.start) / 2] {
                let mut damaged = made.clone();
                damaged.blob[usize::try_from(at).unwrap()] ^= 0xff;
                // Bytes that change nothing of the content may be others.
                match in_parts(&damaged) {
                    Ok(found) => assert_eq!(found, in_parts(&made).unwrap()),
                    Err(error) => {
                        assert!(matches!(error, TableError::Content(_) | TableError::Read(_)), "{error}");
                    }
                }
            }
        }
        let other = Made { digest: build::sha256(b"other"), ..made };
        assert!(matches!(open(&other), Err(TableError::Digest)));
    }
}

/// A layer as skopeo writes it, with the descriptor that its manifest has.
#[test]
fn a_layer_of_a_real_tool() {
    let blob = include_bytes!("../../../testdata/table/chunked.tar.zst").to_vec();
    let descriptor: Value =
        serde_json::from_slice(include_bytes!("../../../testdata/table/chunked.json")).unwrap();
    let annotation = |name: &str| {
        let value = &descriptor["annotations"][format!("io.containers.zstd-chunked.manifest-{name}")];
        value.as_str().unwrap().to_owned()
    };
    let made = Made { blob, position: annotation("position"), digest: annotation("checksum") };
    let found = in_parts(&made).unwrap();
    assert_eq!(found, whole(&made));
    assert_eq!((found.files.len(), found.releases.len(), found.entries), (3, 1, 9), "{found:?}");
    assert_eq!((found.whiteouts, found.opaques), (vec!["app/old".to_owned()], vec!["opt".to_owned()]));
    let in_two = open(&made).unwrap().rows.iter().filter(|row| row.pieces.len() > 1).count();
    assert_eq!(in_two, 1);
}

/// A table of these rows over no archive at all.
fn table(codec: Codec, rows: Vec<Value>) -> Result<Table, TableError> {
    let mut builder = Builder::new(codec, 100);
    builder.archive(&Archive::default().file("a/package.json", package("a")).end());
    builder.rows = rows;
    open(&builder.finish())
}

#[test]
fn malformed_tables_are_refused() {
    let digest = build::sha256(b"");
    let row = |changes: Value| {
        let mut row = json!({"name": "a", "type": "reg", "size": 5, "offset": 30, "chunkDigest": digest});
        row.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        row
    };
    assert!(table(Codec::Gzip, vec![row(json!({}))]).is_ok());
    for (why, rows) in [
        ("a kind", vec![row(json!({"type": "socket"}))]),
        ("no digest", vec![row(json!({"chunkDigest": ""}))]),
        ("another hash", vec![row(json!({"chunkDigest": "md5:00"}))]),
        ("no offset", vec![row(json!({"offset": 0}))]),
        ("beyond the table", vec![row(json!({"offset": 1_u64 << 40}))]),
        ("a negative size", vec![row(json!({"size": -1}))]),
        ("a huge size", vec![row(json!({"size": u64::MAX}))]),
        ("a piece that is too long", vec![row(json!({"chunkSize": 6}))]),
        ("a piece too few", vec![row(json!({"chunkSize": 3}))]),
        ("a lone piece", vec![row(json!({"type": "chunk"}))]),
        ("another's piece", vec![row(json!({"chunkSize": 3})), row(json!({"type": "chunk", "name": "b"}))]),
        ("a shared piece", vec![row(json!({"innerOffset": 3}))]),
        ("no text", vec![row(json!({"name": "a\u{fffd}"}))]),
        ("a directory's content", vec![row(json!({"type": "dir"})), row(json!({"type": "chunk"}))]),
    ] {
        for codec in CODECS {
            let found = table(codec, rows.clone());
            assert!(matches!(found, Err(TableError::Malformed(_))), "{why}: {found:?}");
        }
    }
    let many = vec![json!({"name": "a", "type": "dir"}); 100_001];
    let error = table(Codec::Zstd, many).unwrap_err();
    assert!(error.to_string().contains("more than 100000 entries"), "{error}");
    // Files that are not in the blob's order would have to be looked for back and forth.
    let rows = ["a/package.json", "b/package.json"];
    let rows = rows.iter().zip([40, 30]).map(|(name, at)| row(json!({"name": name, "offset": at})));
    let table = table(Codec::Zstd, rows.collect()).unwrap();
    let plan = merged(&table.pieces(&Limits::default(), false), 0);
    let found = index_parts(&table, &plan, &mut [0; 500].as_slice(), &Limits::default(), None);
    assert!(matches!(found, Err(TableError::Content(_) | TableError::Read(_))), "{found:?}");
}

#[test]
fn places() {
    assert_eq!(Place::parse("", 51), None);
    assert_eq!(Place::parse("", 52), Some(Place::Footer));
    assert_eq!(Place::parse("10:5:9:1", 15), Some(Place::At { offset: 10, length: 5, plain: 9 }));
    for bad in [
        "10:5:9:1:0",
        "10:5:9:2",
        "10:5:9",
        "10:6:9:1",
        "x:5:9:1",
        "18446744073709551615:5:9:1",
        "1:5:99999999999:1",
    ] {
        assert_eq!(Place::parse(bad, 15), None, "{bad}");
    }
    let made = convert(Codec::Gzip, 9, &varied().end());
    let at = footer(&made.blob).unwrap();
    assert_eq!(made.blob[usize::try_from(at).unwrap()], 0x1f);
    for cut in [&made.blob[..50], &made.blob[..made.blob.len() - 1]] {
        assert_eq!(footer(cut), None);
    }
}

/// Entries that meet each other at the same few paths.
fn archives() -> impl Strategy<Value = Archive> {
    let paths = [
        "a/package.json",
        "a/b/package.json",
        "a",
        "a/x",
        "usr/bin/t",
        "lib",
        ".prefetch.landmark",
        "a/.wh.b",
    ];
    let entry =
        (0..6_u8, prop::sample::select(paths.to_vec()), prop::sample::select(paths.to_vec()), 0..600_usize);
    prop::collection::vec(entry, 0..14).prop_map(|entries| {
        entries.into_iter().fold(
            Archive::default().file("first", "x"),
            |archive, (kind, path, other, length)| match kind {
                0 => archive.directory(path),
                1 => archive.symlink(path, other),
                2 => archive.hard_link(path, other),
                3 => archive.program(path, "x".repeat(length)),
                4 => archive.file(path, "y".repeat(length)),
                _ => archive.file(path, package(&format!("p{length}"))),
            },
        )
    })
}

proptest! {
    #[test]
    fn parts_and_whole_agree(archive in archives(), piece in 1..700_usize) {
        for codec in CODECS {
            let made = convert(codec, piece, &archive.clone().end());
            prop_assert_eq!(in_parts(&made).unwrap(), whole(&made));
        }
    }
}
