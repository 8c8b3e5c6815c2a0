//! Well-formed inputs from the cases of the tests: what a fuzzer would need days to find.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use flate2::{Compression, write::GzEncoder};
use strata_analysis::{database::Builder, ecosystem, version};

/// Larger inputs are left out: they make a fuzzer slow and show nothing more.
const MOST: usize = 64 << 10;

/// The families that the rows of the table fall into, each a target of its own. A new row is in one of them by itself.
pub const FAMILIES: &[&str] = &["system", "rpm", "text", "archive", "binary"];

/// The rows of one family, in the table's order.
pub fn family(name: &str) -> Vec<&'static ecosystem::Ecosystem> {
    let of = |row: &ecosystem::Ecosystem| match row.name {
        "rpm" => "rpm",
        "java" | "wheel" | "python" => "archive",
        "go" | "rust" | "binary" => "binary",
        _ if row.system => "system",
        _ => "text",
    };
    ecosystem::TABLE.iter().copied().filter(|row| of(row) == name).collect()
}

/// The seeds of one target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        "layer" => layers(),
        "table" => tables(),
        "version" => versions(),
        "database" => databases(),
        "osv" => advisories().into_iter().flatten().collect(),
        "document" => documents(),
        family => files(family),
    };
    seeds.retain(|seed| seed.len() <= MOST);
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds
}

fn testdata() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = here.join("testdata");
    if own.is_dir() { own } else { here.join("../testdata") }
}

fn sorted(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn below(directory: &Path, found: &mut Vec<PathBuf>) {
    for path in sorted(directory) {
        if path.is_dir() { below(&path, found) } else { found.push(path) }
    }
}

/// The files of each case of a row, with their paths in the image.
fn cases(row: &str) -> Vec<Vec<(String, Vec<u8>)>> {
    let mut cases = Vec::new();
    for case in sorted(&testdata().join("ecosystem").join(row)) {
        let (root, mut files) = (case.join("root"), Vec::new());
        below(&root, &mut files);
        let read = |file: PathBuf| {
            let path = file.strip_prefix(&root).expect("below the root").to_str().expect("text").to_owned();
            (path, fs::read(&file).expect("a file"))
        };
        cases.push(files.into_iter().map(read).collect());
    }
    cases
}

/// Paths that the row wants: those of its cases.
pub fn paths(row: &str) -> &'static [String] {
    static PATHS: OnceLock<BTreeMap<&str, Vec<String>>> = OnceLock::new();
    let all = PATHS.get_or_init(|| {
        let of = |row: &&ecosystem::Ecosystem| {
            let mut paths: Vec<_> = cases(row.name).into_iter().flatten().map(|(path, _)| path).collect();
            paths.sort();
            paths.dedup();
            if paths.is_empty() {
                paths.push("usr/lib/file".to_owned());
            }
            (row.name, paths)
        };
        ecosystem::TABLE.iter().map(of).collect()
    });
    &all[row]
}

/// Row within the family, path, content.
fn files(family_name: &str) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, row) in family(family_name).into_iter().enumerate() {
        for (path, content) in cases(row.name).into_iter().flatten() {
            let place = paths(row.name).iter().position(|other| *other == path).expect("a path");
            seeds.push(file(number, place, &content));
        }
    }
    seeds
}

/// The seed of a family's target.
pub fn file(row: usize, path: usize, content: &[u8]) -> Vec<u8> {
    let mut seed = vec![u8::try_from(row).expect("few rows"), u8::try_from(path % 256).expect("a byte")];
    seed.extend(content);
    seed
}

/// Kind, then a document: VEX, the two threat tables, a CVSS vector, a release file.
fn documents() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut add = |kind: u8, bytes: &[u8]| seeds.push([&[kind], bytes].concat());
    let mut files = Vec::new();
    below(&testdata().join("vex"), &mut files);
    for file in files {
        add(0, &fs::read(file).expect("a file"));
    }
    add(1, b"#model_version:v1,score_date:2025-01-01\ncve,epss,percentile\nCVE-2020-1,0.00042,0.05\n");
    add(2, br#"{"vulnerabilities":[{"cveID":"CVE-2021-44228","dateAdded":"2021-12-10"}]}"#);
    let vectors = fs::read_to_string(testdata().join("cvss.txt")).expect("vectors");
    for line in vectors.lines().filter(|line| !line.starts_with("//")).step_by(9) {
        add(3, line.split(' ').next().expect("a vector").as_bytes());
    }
    for (number, text) in (4_u8..).zip(RELEASES) {
        add(number, text.as_bytes());
    }
    seeds
}

/// Release files by path, as [`super::targets::RELEASES`] has them.
const RELEASES: [&str; 4] = [
    "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME='Debian \\GNU'\n# x\n",
    "CentOS Linux release 7.9.2009 (Core)\n",
    "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\n",
    "3.10.2\n",
];

fn layers() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for row in ecosystem::TABLE {
        for case in cases(row.name) {
            let mut tar = Vec::new();
            for (path, content) in &case {
                if path.len() > 100 {
                    entry(&mut tar, b'L', "././@LongLink", format!("{path}\0").as_bytes());
                }
                entry(&mut tar, b'0', path, content);
            }
            entry(&mut tar, b'x', "pax", b"27 path=usr/lib/os-release\n");
            entry(&mut tar, b'0', "short", b"ID=debian\nVERSION_ID=12\n");
            entry(&mut tar, b'0', "srv/.wh.gone", b"");
            entry(&mut tar, b'0', "opt/.wh..wh..opq", b"");
            entry(&mut tar, b'2', "etc/os-release", b"");
            tar.resize(tar.len() + 1_024, 0);
            seeds.push(tar);
        }
    }
    let packed: Vec<Vec<u8>> = seeds.iter().step_by(8).map(|tar| gzip(tar)).collect();
    seeds.extend(packed);
    seeds
}

/// Format, then a table: of every kind of entry, with a file in one piece and one in two.
fn tables() -> Vec<Vec<u8>> {
    let digest = format!("sha256:{}", "0".repeat(64));
    let rows = [
        r#"{"name":"a/","type":"dir","mode":493}"#.to_owned(),
        r#"{"name":"lib","type":"symlink","linkName":"usr/lib"}"#.to_owned(),
        r#"{"name":"a/.wh.gone","type":"reg","mode":420}"#.to_owned(),
        r#"{"name":"dev/null","type":"char"}"#.to_owned(),
        format!(r#"{{"name":"a/readme","type":"reg","size":9,"offset":100,"chunkDigest":"{digest}"}}"#),
        format!(
            r#"{{"name":"a/package.json","type":"reg","size":9,"offset":200,"endOffset":240,"digest":"{digest}"}}"#
        ),
        format!(
            r#"{{"name":"var/lib/dpkg/status","type":"reg","size":9,"offset":300,"chunkSize":5,"chunkDigest":"{digest}"}}"#
        ),
        format!(
            r#"{{"name":"var/lib/dpkg/status","type":"chunk","offset":400,"chunkOffset":5,"chunkSize":4,"chunkDigest":"{digest}"}}"#
        ),
        r#"{"name":"b/package.json","type":"hardlink","linkName":"a/package.json"}"#.to_owned(),
    ];
    let mut seeds = vec![b"\x01100:20:30:1".to_vec()];
    for rows in [&rows[..], &rows[..5], &rows[..4]] {
        for format in [0, 1] {
            let table = format!(r#"{{"version":1,"entries":[{}]}}"#, rows.join(","));
            seeds.push([&[format], table.as_bytes()].concat());
        }
    }
    seeds
}

/// A zstd frame (RFC 8878) of raw blocks.
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    frame.extend(u32::try_from(bytes.len()).expect("few bytes").to_le_bytes());
    for block in bytes.chunks(100_000) {
        let header = u32::try_from(block.len()).expect("few bytes") << 3;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(block);
    }
    frame.extend([1, 0, 0]);
    frame
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Appends an entry to a tar archive.
pub fn entry(tar: &mut Vec<u8>, flag: u8, path: &str, content: &[u8]) {
    let mut block = [0_u8; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &path.as_bytes()[..path.len().min(100)]);
    put(100, b"0000644\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(148, b"        ");
    put(156, &[flag]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend_from_slice(&block);
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

/// Scheme, then two versions, each with a zero behind.
fn versions() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, scheme) in version::TABLE.iter().enumerate() {
        let path = testdata().join("version").join(format!("{}.txt", scheme.name));
        let text = fs::read_to_string(path).expect("vectors");
        for line in text.lines().filter(|line| !line.starts_with("//")).step_by(5) {
            let words: Vec<&str> = line.split(' ').collect();
            if let [a, _, b] = words.as_slice() {
                let mut seed = vec![u8::try_from(number).expect("few schemes")];
                seed.extend(format!("{a}\0{b}\0").bytes());
                seeds.push(seed);
            }
        }
    }
    seeds
}

/// The advisories of each case that has them in OSV's form.
fn advisories() -> Vec<Vec<Vec<u8>>> {
    let read = |file: PathBuf| {
        let text = fs::read(file).expect("advisories");
        let list: Vec<serde_json::Value> = serde_json::from_slice(&text).expect("a list");
        list.iter().map(|record| record.to_string().into_bytes()).collect()
    };
    let files = sorted(&testdata().join("assess")).into_iter().map(|case| case.join("advisories.json"));
    files.filter(|file| file.is_file()).map(read).collect()
}

fn databases() -> Vec<Vec<u8>> {
    let build = |records: &Vec<Vec<u8>>| {
        let mut builder = Builder::new();
        for record in records {
            builder.add("seed", record);
        }
        builder.finish().expect("a small database").bytes
    };
    advisories().iter().map(build).collect()
}
