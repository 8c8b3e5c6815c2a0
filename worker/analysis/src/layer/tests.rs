//! Whole layers: compressions, archive formats, damage.

use std::io::{self, Read, Write as _};

use proptest::prelude::*;

use super::{LayerError, index};
use crate::{
    limits::Limits,
    model::Inventory,
    testing::{Archive, indexed, put, sealed},
};

mod batches;
mod limits;

fn manifest(name: &str) -> String {
    format!(r#"{{"name":"{name}","version":"1"}}"#)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `path name` of each package.
fn packages(inventory: &Inventory) -> Vec<String> {
    let lines = |file: &crate::model::FileFacts| {
        file.packages.iter().map(|package| format!("{} {}", file.path, package.name)).collect::<Vec<_>>()
    };
    inventory.files.iter().flat_map(lines).collect()
}

fn codes(inventory: &Inventory) -> Vec<&str> {
    inventory.problems.iter().map(|problem| problem.code.as_ref()).collect()
}

fn small() -> Archive {
    Archive::default().file("a/package.json", manifest("a")).file("b/package.json", manifest("b"))
}

#[test]
fn every_compression_gives_the_same_inventory() {
    let tar = small().end();
    let plain = indexed(&tar).unwrap();
    assert_eq!(packages(&plain), ["a/package.json a", "b/package.json b"]);
    assert_eq!((plain.entries, plain.bytes), (2, u64::try_from(tar.len()).unwrap()));
    let (first, second) = tar.split_at(700);
    let zstd = |bytes: &[u8]| zstd::bulk::compress(bytes, 1).unwrap();
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(&tar)].concat();
    for blob in [
        gzip(&tar),
        [gzip(first), gzip(second)].concat(),
        zstd(&tar),
        [zstd(first), zstd(second)].concat(),
        skippable,
    ] {
        assert_eq!(indexed(&blob).unwrap(), plain);
    }
}

#[test]
fn damage_is_an_error() {
    let tar = small().end();
    let gz = gzip(&tar);
    let zst = zstd::bulk::compress(&tar, 1).unwrap();
    let mut wrong_crc = gz.clone();
    let end = wrong_crc.len() - 6;
    wrong_crc[end] ^= 1;
    let mut wrong_checksum = tar.clone();
    wrong_checksum[0] ^= 1;
    let lone_zero_block = [&[0; 512][..], &tar].concat();
    for (what, blob) in [
        ("empty", vec![]),
        ("compressed nothing", gzip(&[])),
        ("no tar", b"this is no archive at all".to_vec()),
        ("a cut header", tar[..100].to_vec()),
        ("a cut content", tar[..520].to_vec()),
        ("a cut gzip", gz[..gz.len() - 20].to_vec()),
        ("a cut gzip trailer", gz[..gz.len() - 4].to_vec()),
        ("a cut zstd", zst[..zst.len() - 4].to_vec()),
        ("a wrong CRC", wrong_crc),
        ("a wrong checksum", wrong_checksum),
        ("rubbish after gzip", [&gz[..], b"rubbish"].concat()),
        ("a single zero block", lone_zero_block),
        ("bzip2", b"BZh91AY&SY".to_vec()),
        ("xz", b"\xfd7zXZ\0\0".to_vec()),
        ("a PAX header and nothing after", Archive::default().pax(&[("path", "x")]).bytes),
    ] {
        assert!(matches!(indexed(&blob), Err(LayerError::Malformed(_))), "{what}: {:?}", indexed(&blob));
    }
}

#[test]
fn the_ends_of_an_archive() {
    assert_eq!(indexed(&[0; 1024]).unwrap(), Inventory { bytes: 1_024, ..Inventory::default() });
    let marked = small().end();
    // What follows the end marker is not part of the archive, as for the runtimes.
    let joined = [&marked[..], &Archive::default().file("c/package.json", manifest("c")).end()].concat();
    assert_eq!(indexed(&joined).unwrap().files, indexed(&marked).unwrap().files);
    // Archives joined before their end markers are one.
    let one = [small().bytes, Archive::default().file("c/package.json", manifest("c")).end()].concat();
    assert_eq!(packages(&indexed(&one).unwrap()).len(), 3);
    // Without a marker, or without the last padding, it is read and said.
    let content = manifest("b").len();
    for cut in [small().bytes, small().bytes[..1536 + content].to_vec()] {
        let inventory = indexed(&cut).unwrap();
        assert_eq!(packages(&inventory).len(), 2);
        assert_eq!(codes(&inventory), ["no-end-marker"]);
    }
}

#[test]
fn a_failing_reader_is_not_called_malformed() {
    struct Failing<'a>(&'a [u8]);
    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                Err(io::Error::from(io::ErrorKind::TimedOut))
            } else {
                self.0.read(buffer)
            }
        }
    }
    let gz = gzip(&small().end());
    for part in [&gz[..0], &gz[..4], &gz[..30], &gz] {
        let result = index(&mut Failing(part), &Limits::default());
        assert!(
            matches!(&result, Err(LayerError::Read(error)) if error.kind() == io::ErrorKind::TimedOut),
            "{result:?}"
        );
    }
}

#[test]
fn long_names_of_every_kind() {
    let long = format!("{}/package.json", "d".repeat(150));
    let expected = format!("{long} x");
    let cut = long.as_bytes();
    let gnu = Archive::default().entry(b'L', b"././@LongLink", "", 0o644, format!("{long}\0").as_bytes());
    let pax = Archive::default().pax(&[("path", &long)]);
    for archive in [gnu, pax] {
        let tar = archive.entry(b'0', cut, "", 0o644, manifest("x").as_bytes()).end();
        assert_eq!(packages(&indexed(&tar).unwrap()), [expected.as_str()]);
    }
    // The prefix of ustar, and a global header, which no runtime applies to entries.
    let mut tar = Archive::default().entry(b'g', b"pax_global_header", "", 0o644, b"11 path=no\n");
    tar = tar.file("package.json", manifest("x"));
    let header = tar.bytes.len() - 1024;
    let mut block: [u8; 512] = tar.bytes[header..header + 512].try_into().unwrap();
    put(&mut block, 345, "d".repeat(150).as_bytes());
    tar.bytes[header..header + 512].copy_from_slice(&sealed(block));
    assert_eq!(packages(&indexed(&tar.end()).unwrap()), [expected.as_str()]);
    // Long targets of links.
    let target = format!("/{}/os-release", "e".repeat(120));
    let gnu = Archive::default().entry(b'K', b"././@LongLink", "", 0o644, format!("{target}\0").as_bytes());
    for archive in [gnu, Archive::default().pax(&[("linkpath", &target)])] {
        let inventory = indexed(&archive.symlink("etc/os-release", "cut").end()).unwrap();
        assert_eq!(inventory.links[0].target, target);
    }
}

#[test]
fn sizes_beyond_octal() {
    let content = manifest("x");
    let mut tar = Archive::default().file("x/package.json", &content).file("y/package.json", manifest("y"));
    let mut block: [u8; 512] = tar.bytes[..512].try_into().unwrap();
    let mut size = [0; 12];
    size[0] = 0x80;
    size[11] = u8::try_from(content.len()).unwrap();
    put(&mut block, 124, &size);
    tar.bytes[..512].copy_from_slice(&sealed(block));
    assert_eq!(packages(&indexed(&tar.end()).unwrap()), ["x/package.json x", "y/package.json y"]);
    // A size in a PAX header counts instead of the entry's own.
    let length = content.len().to_string();
    let mut tar = Archive::default().pax(&[("size", &length)]);
    let header = tar.bytes.len();
    tar = tar.file("x/package.json", &content).file("y/package.json", manifest("y"));
    let mut block: [u8; 512] = tar.bytes[header..header + 512].try_into().unwrap();
    put(&mut block, 124, b"00000000000\0");
    tar.bytes[header..header + 512].copy_from_slice(&sealed(block));
    assert_eq!(packages(&indexed(&tar.end()).unwrap()).len(), 2);
}

#[test]
fn sparse_files_are_put_together() {
    let content = r#"{"name":"x",          "version":"1"}"#;
    let (left, right) = (&content[..12], &content[20..]);
    let pieces = format!("{left}{right}");
    // PAX format 0.1: the holes are zeros, which JSON refuses, so the expectation is a problem of the parser's.
    let size = content.len().to_string();
    let map = format!("0,12,20,{}", right.len());
    let records =
        [("GNU.sparse.size", &*size), ("GNU.sparse.map", &map), ("GNU.sparse.name", "x/package.json")];
    let tar = Archive::default()
        .pax(&records)
        .file("GNUSparseFile.0/x", &pieces)
        .file("y/package.json", manifest("y"));
    let inventory = indexed(&tar.end()).unwrap();
    assert_eq!(packages(&inventory), ["y/package.json y"]);
    assert_eq!(codes(&inventory), ["malformed"]);
    // A map without holes gives the content.
    let map = format!("0,{size}");
    let records =
        [("GNU.sparse.size", &*size), ("GNU.sparse.map", &map), ("GNU.sparse.name", "x/package.json")];
    let tar = Archive::default().pax(&records).file("GNUSparseFile.0/x", content);
    assert_eq!(packages(&indexed(&tar.end()).unwrap()), ["x/package.json x"]);
    // The old format, with an extension block, is skipped right.
    let mut block = [0; 512];
    put(&mut block, 0, b"data/core");
    put(&mut block, 100, b"0000644\0");
    put(&mut block, 124, b"00000000003\0");
    put(&mut block, 257, b"ustar  \0");
    put(&mut block, 386, b"00000000000\x0000000000003\0");
    put(&mut block, 482, &[1]);
    put(&mut block, 483, b"00000777777\0");
    block[156] = b'S';
    let mut tar = Archive { bytes: sealed(block).to_vec() };
    tar.bytes.extend_from_slice(&[0; 512]);
    tar.bytes.extend_from_slice(b"abc");
    tar.bytes.resize(tar.bytes.len().next_multiple_of(512), 0);
    assert_eq!(
        packages(&indexed(&tar.file("y/package.json", manifest("y")).end()).unwrap()),
        ["y/package.json y"]
    );
}

#[test]
fn names_that_are_no_text_stay_apart() {
    let tar = Archive::default()
        .entry(b'0', b"\xff/package.json", "", 0o644, manifest("a").as_bytes())
        .entry(b'0', b"\xfe/package.json", "", 0o644, manifest("b").as_bytes());
    assert_eq!(
        packages(&indexed(&tar.end()).unwrap()),
        ["\u{fffd}FE/package.json b", "\u{fffd}FF/package.json a"]
    );
}

proptest! {
    /// The inventory does not depend on how the bytes arrive.
    #[test]
    fn chunks_do_not_matter(sizes in prop::collection::vec(1..2_000_usize, 1..40)) {
        struct Pieces<'a>(&'a [u8], std::iter::Cycle<std::vec::IntoIter<usize>>);
        impl Read for Pieces<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let size = self.1.next().unwrap().min(buffer.len());
                self.0.read(&mut buffer[..size])
            }
        }
        let tar = rich();
        let whole = indexed(&tar).unwrap();
        let pieces = index(&mut Pieces(&tar, sizes.into_iter().cycle()), &Limits::default()).unwrap();
        prop_assert_eq!(pieces, whole);
    }

    /// Arbitrary bytes are an inventory or an error, never a panic.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..3_000)) {
        let _ = indexed(&bytes);
    }

    /// So are archives with some bytes changed, with their checksums made right again so that they are read on.
    #[test]
    fn changed_archives_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30), cut in any::<prop::sample::Index>()) {
        let mut tar = rich();
        for (at, byte) in changes {
            let at = at.index(tar.len());
            tar[at] = byte;
        }
        for start in (0..tar.len()).step_by(512) {
            let block: [u8; 512] = tar[start..start + 512].try_into().unwrap();
            if block[257..262] == *b"ustar" {
                tar[start..start + 512].copy_from_slice(&sealed(block));
            }
        }
        let _ = indexed(&tar);
        tar.truncate(cut.index(tar.len()));
        let _ = indexed(&tar);
        let _ = indexed(&gzip(&tar));
    }
}

/// An archive with something of everything.
fn rich() -> Vec<u8> {
    Archive::default()
        .directory("usr/")
        .file("usr/lib/os-release", "ID=debian\nVERSION_ID=12\n")
        .symlink("etc/os-release", "../usr/lib/os-release")
        .file("var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n\n")
        .file("var/lib/dpkg/info/a.list", "/usr/share/nodejs/x/package.json\n")
        .pax(&[("path", "usr/share/nodejs/x/package.json"), ("mtime", "1.5")])
        .file("cut", manifest("x"))
        .entry(b'L', b"././@LongLink", "", 0o644, b"app/node_modules/long/package.json\0")
        .file("cut", manifest("long"))
        .hard_link("app/copy/package.json", "usr/share/nodejs/x/package.json")
        .program("usr/bin/program", [0x7f, b'E', b'L', b'F', 2, 1, 1, 0])
        .pax(&[
            ("GNU.sparse.size", "9"),
            ("GNU.sparse.map", "0,3,6,3"),
            ("GNU.sparse.name", "y/package.json"),
        ])
        .file("cut", "abcdef")
        .file("app/.wh.gone", "")
        .file("app/.wh..wh..opq", "")
        .file("lib/apk/db/installed", "P:a\nV:1\nF:usr\nR:x/package.json\n\n")
        .file("usr/lib/python3/a.dist-info/METADATA", "Name: a\nVersion: 1\n\n")
        .end()
}
