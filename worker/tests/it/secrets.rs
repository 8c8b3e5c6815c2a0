//! No inventory holds what a file says beside its packages: secrets are planted all over the cases of the analysis, and
//! looked for in the encoded inventories.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use strata_analysis::{index, limits::Limits};
use strata_worker::wire;

/// What is planted. As it stands, nothing of it is a name or a version.
const SECRET: &str = "5tr4ta+pl4nted/s3cret==";

#[test]
fn planted_secrets_reach_no_inventory() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("analysis/testdata/ecosystem");
    let (mut planted, mut packages, mut found) = (0, 0, Vec::new());
    for root in roots(&cases) {
        let mut files = Vec::new();
        below(&root, &mut files);
        for file in files {
            let path = file.strip_prefix(&root).expect("below it").to_str().expect("text").to_owned();
            let bytes = fs::read(&file).expect("a file");
            for (how, content) in plantings(&path, &bytes) {
                let (plain, count) = encoded(&path, &content);
                if plain.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()) {
                    found.push(format!("{how} of {}", file.display()));
                }
                planted += 1;
                packages += count;
            }
        }
    }
    assert!(found.is_empty(), "inventories hold {}", found.join("\n"));
    assert!(planted > 300 && packages > 300, "{planted} secrets, {packages} packages");
}

/// The counterpart: where a package's name is the secret, it is found.
#[test]
fn what_is_kept_is_found() {
    let manifest = format!(r#"{{"name":"{SECRET}","version":"1"}}"#);
    let (plain, count) = encoded("a/package.json", manifest.as_bytes());
    assert!(plain.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
    assert_eq!(count, 1);
}

fn roots(cases: &Path) -> Vec<PathBuf> {
    let list = |directory: &Path| {
        let entries = fs::read_dir(directory).expect("a directory");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths
    };
    let cases = list(cases).into_iter().flat_map(|row| list(&row));
    cases.map(|case| case.join("root")).filter(|root| root.is_dir()).collect()
}

fn below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { below(&path, found) } else { found.push(path) }
    }
}

/// The inventory of a layer with that one file, as it goes into the cache, decompressed; and its packages.
fn encoded(path: &str, content: &[u8]) -> (Vec<u8>, usize) {
    let mut tar = Vec::new();
    let name = format!("{path}\0");
    entry(&mut tar, b'L', b"././@LongLink", name.as_bytes());
    entry(&mut tar, b'0', b"file", content);
    tar.resize(tar.len() + 1_024, 0);
    let inventory = index(&mut tar.as_slice(), &Limits::default()).expect("a sound archive");
    let packages = inventory.files.iter().map(|file| file.packages.len()).sum();
    let packed = wire::encode(&inventory).expect("memory");
    (wire::open(&packed, "an inventory").expect("what was packed"), packages)
}

fn entry(tar: &mut Vec<u8>, flag: u8, name: &[u8], content: &[u8]) {
    let mut block = [0_u8; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name);
    put(100, b"0000755\0");
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

/// The file with secrets in it, by how they came there.
fn plantings(path: &str, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    // Lists of paths and locks of names hold nothing but what is kept; their comments are planted all the same.
    let mut plantings = Vec::new();
    if let Ok(document) = serde_json::from_slice::<Value>(bytes) {
        let mut added = document.clone();
        add_fields(&mut added);
        plantings.push(("a field".to_owned(), added.to_string().into_bytes()));
        let mut places = Vec::new();
        containers(&document, String::new(), &mut places);
        for place in places.into_iter().take(40) {
            let mut changed = document.clone();
            if let Some(value) = changed.pointer_mut(&place) {
                *value = Value::from(SECRET);
            }
            plantings.push((format!("the text in place of {place}"), changed.to_string().into_bytes()));
        }
        let cut = added.to_string();
        let cut = cut.rfind(SECRET).map(|at| cut.as_bytes()[..at + SECRET.len()].to_vec());
        plantings.extend(cut.map(|cut| ("a document that ends in the text".to_owned(), cut)));
    } else if !bytes.contains(&0) {
        let text = String::from_utf8_lossy(bytes);
        for (how, line) in lines_of(path) {
            let all: String = text.lines().map(|old| format!("{old}\n{}", follow(old, &line))).collect();
            plantings.push((format!("{how} after each line"), all.into_bytes()));
            plantings.push((format!("{how} at the start"), format!("{line}\n{text}").into_bytes()));
            plantings.push((format!("{how} at the end"), format!("{text}\n{line}\n").into_bytes()));
        }
    } else {
        plantings
            .push(("a text at the end".to_owned(), [bytes, b"\0token=", SECRET.as_bytes(), b"\0"].concat()));
        plantings.push(("a text in place of the end".to_owned(), {
            let mut changed = bytes.to_vec();
            changed.truncate(bytes.len() * 3 / 4);
            changed.extend_from_slice(SECRET.as_bytes());
            changed
        }));
    }
    plantings
}

/// The line, where one may stand: an empty line parts stanzas, and after a title a line is the title's value.
fn follow(old: &str, line: &str) -> String {
    if old.trim().is_empty() || old.starts_with('%') { String::new() } else { format!("{line}\n") }
}

/// Lines that a format allows beside those that are read.
fn lines_of(path: &str) -> Vec<(&'static str, String)> {
    let name = path.rsplit('/').next().expect("a name");
    let mut lines = vec![("a comment", format!("# {SECRET}"))];
    let only_paths =
        name.ends_with(".list") || name == "CONTENTS" || name == "files" || name.ends_with(".md5sums");
    if !only_paths {
        lines.push(("a field with a colon", format!("X-Token: {SECRET}")));
        lines.push(("an assignment", format!("API_TOKEN=\"{SECRET}\"")));
        lines.push(("a spaced assignment", format!("api_token = \"{SECRET}\"")));
        lines.push(("a short field", format!("Z:{SECRET}")));
        lines.push(("an instruction", format!("ENV API_TOKEN={SECRET}")));
    }
    lines
}

/// Adds a field to every object.
fn add_fields(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(add_fields);
            map.insert("apiToken".to_owned(), Value::from(SECRET));
            map.insert("zApi".to_owned(), serde_json::json!({ "tokens": [SECRET] }));
        }
        Value::Array(list) => list.iter_mut().for_each(add_fields),
        _ => {}
    }
}

/// Pointers to all lists and objects: no name and no version is one.
fn containers(value: &Value, at: String, found: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            containers(value, format!("{at}/{}", escaped(key)), found);
        }),
        Value::Array(list) => list.iter().enumerate().for_each(|(index, value)| {
            containers(value, format!("{at}/{index}"), found);
        }),
        _ => return,
    }
    found.push(at);
}
