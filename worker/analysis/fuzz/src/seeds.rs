//! Well-formed inputs from the cases of the tests: what a fuzzer would need days to find.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use flate2::{Compression, write::GzEncoder};
use strata_analysis::{database::Builder, ecosystem, version};

/// Larger inputs are left out: they make a fuzzer slow and show nothing more.
const MOST: usize = 64 << 10;

/// The seeds of one target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        "layer" => layers(),
        "ecosystem" => files(),
        "version" => versions(),
        "database" => databases(),
        "osv" => advisories().into_iter().flatten().collect(),
        _ => panic!("no target {target}"),
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

/// Paths that rows want, one list for each row of the table.
pub fn paths() -> &'static [Vec<String>] {
    static PATHS: OnceLock<Vec<Vec<String>>> = OnceLock::new();
    PATHS.get_or_init(|| {
        let of = |row: &&ecosystem::Ecosystem| {
            let mut paths: Vec<_> = cases(row.name).into_iter().flatten().map(|(path, _)| path).collect();
            paths.sort();
            paths.dedup();
            if paths.is_empty() { vec!["usr/lib/file".to_owned()] } else { paths }
        };
        ecosystem::TABLE.iter().map(of).collect()
    })
}

/// Row, path, content.
fn files() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (row, paths) in ecosystem::TABLE.iter().zip(paths()) {
        let number = ecosystem::TABLE.iter().position(|other| other.name == row.name).expect("a row");
        for (path, content) in cases(row.name).into_iter().flatten() {
            let place = paths.iter().position(|other| *other == path).expect("a path");
            let mut seed =
                vec![u8::try_from(number).expect("few rows"), u8::try_from(place % 256).expect("a byte")];
            seed.extend(content);
            seeds.push(seed);
        }
    }
    seeds
}

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

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn entry(tar: &mut Vec<u8>, flag: u8, path: &str, content: &[u8]) {
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

/// The advisories of each case.
fn advisories() -> Vec<Vec<Vec<u8>>> {
    let read = |case: PathBuf| {
        let text = fs::read(case.join("advisories.json")).expect("advisories");
        let list: Vec<serde_json::Value> = serde_json::from_slice(&text).expect("a list");
        list.iter().map(|record| record.to_string().into_bytes()).collect()
    };
    sorted(&testdata().join("assess")).into_iter().map(read).collect()
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
