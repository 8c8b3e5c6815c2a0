//! The database that is measured, and its keys.

use std::{
    collections::BTreeSet,
    fs,
    io::{Cursor, Read as _},
    path::Path,
};

use strata_analysis::database::{Builder, Database, osv};

/// A compiled database.
pub(crate) struct Data {
    /// Which advisories it holds, for people.
    pub(crate) source: &'static str,
    /// The file.
    pub(crate) bytes: Vec<u8>,
    /// Ecosystem and package of every key, in order.
    pub(crate) keys: Vec<(String, String)>,
}

/// Bytes of one block of a tar.
const BLOCK: usize = 512;

/// Compiles the shared export, or the advisories of the test cases.
pub(crate) fn compiled() -> Data {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut gathered = Gathered::default();
    let source = match fs::read(manifest.join("../../../shared/data/osv-export.tar")) {
        Ok(tar) => {
            gathered.tar(&tar);
            "the shared export"
        }
        Err(_) => {
            gathered.cases(&manifest.join("testdata/assess"));
            "the advisories of the test cases: small, so figures are better than those of a whole export"
        }
    };
    let bytes = std::mem::take(&mut gathered.builder).finish().unwrap().bytes;
    let database = Database::open(&bytes).unwrap();
    // Without those whose every record was dropped, such as announcements of bug fixes.
    let keys = gathered.keys.into_iter();
    let keys = keys.filter(|key| database.lookup(&key.0, &key.1).unwrap().is_some()).collect();
    Data { source, keys, bytes }
}

#[derive(Default)]
struct Gathered {
    builder: Builder,
    keys: BTreeSet<(String, String)>,
}

impl Gathered {
    fn take(&mut self, json: &[u8]) {
        self.builder.add("bench", json);
        let Ok(record) = osv::parse(json) else { return };
        if record.withdrawn {
            return;
        }
        let affected = record.affected.into_iter();
        let versioned = affected.filter(|each| !each.ranges.is_empty() || !each.versions.is_empty());
        self.keys.extend(versioned.map(|each| (each.ecosystem, each.name)));
    }

    /// Every `all.zip` of a tar.
    fn tar(&mut self, tar: &[u8]) {
        let mut rest = tar;
        while let Some((header, content)) = rest.split_at_checked(BLOCK) {
            let text = |from: usize, to: usize| {
                let field = header.get(from..to).unwrap_or_default();
                String::from_utf8_lossy(field).trim_matches(['\0', ' ']).to_owned()
            };
            let (name, size) = (text(0, 100), usize::from_str_radix(&text(124, 136), 8).unwrap_or(0));
            if name.ends_with("all.zip") {
                self.zip(content.get(..size).unwrap());
            }
            rest = content.get(size.next_multiple_of(BLOCK)..).unwrap_or_default();
        }
    }

    fn zip(&mut self, bytes: &[u8]) {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        for index in 0..archive.len() {
            let mut json = Vec::new();
            archive.by_index(index).unwrap().read_to_end(&mut json).unwrap();
            self.take(&json);
        }
    }

    fn cases(&mut self, directory: &Path) {
        for case in fs::read_dir(directory).unwrap() {
            let advisories = fs::read(case.unwrap().path().join("advisories.json")).unwrap();
            let advisories: Vec<serde_json::Value> = serde_json::from_slice(&advisories).unwrap();
            advisories.iter().for_each(|advisory| self.take(advisory.to_string().as_bytes()));
        }
    }
}
