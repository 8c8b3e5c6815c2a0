//! One function for each target. Each must hold for all bytes: no panic, no unbounded memory, and what it asserts.

use std::{cmp::Ordering, collections::BTreeMap, io::Read};

use sha2::{Digest as _, Sha256};
use strata_analysis::{
    assess::assess,
    bill, cvss,
    database::{Builder, Database, diff, osv, score::Threats},
    ecosystem::{Facts, File},
    index,
    layer::table::{self, Place, Table, index_parts},
    limits::Limits,
    model::{Contents, Distribution, Installed, Package},
    squash::squash,
    version, vex,
};

use super::seeds;

/// A target: its name and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TABLE: &[Target] = &[
    ("layer", layer),
    ("table", table),
    ("system", |data| ecosystem("system", data)),
    ("rpm", |data| ecosystem("rpm", data)),
    ("text", |data| ecosystem("text", data)),
    ("archive", |data| ecosystem("archive", data)),
    ("binary", |data| ecosystem("binary", data)),
    ("version", version),
    ("database", database),
    ("osv", osv),
    ("document", document),
];

/// The target of that name.
pub fn by_name(name: &str) -> fn(&[u8]) {
    TABLE.iter().find(|(other, _)| *other == name).expect("a target").1
}

/// Small enough that a fuzzer meets every limit.
fn limits() -> Limits {
    Limits {
        layer_bytes: 8 << 20,
        layer_entries: 1_000,
        ratio: 200,
        file_bytes: 1 << 20,
        spool_bytes: 1 << 20,
        budget_bytes: 2 << 20,
        path_bytes: 512,
        records: 200,
        text_bytes: 32 << 10,
        packages: 500,
        nesting: 3,
    }
}

/// Gives its bytes in pieces of changing length.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1 % 7 + 1;
        let (piece, rest) = self.0.split_at(self.1.min(self.0.len()).min(buffer.len()));
        buffer[..piece.len()].copy_from_slice(piece);
        self.0 = rest;
        Ok(piece.len())
    }
}

/// *index* and *squash* over a layer: within the limits, without a failing parser, and however the bytes arrive.
pub fn layer(data: &[u8]) {
    let limits = limits();
    let sealed = sealed(data);
    let data = sealed.as_slice();
    let whole = index(&mut &*data, &limits);
    if data.len() < 8_192 {
        match (&whole, index(&mut Pieces(data, 0), &limits)) {
            (Ok(whole), Ok(pieces)) => assert_eq!(*whole, pieces, "pieces change the inventory"),
            // Which of two flaws is met first may differ.
            (Err(_), Err(_)) => {}
            (whole, pieces) => panic!("whole: {whole:?}\nin pieces: {pieces:?}"),
        }
    }
    let Ok(inventory) = whole else { return };
    let packages: usize = inventory.files.iter().map(|file| file.packages.len()).sum();
    assert!(packages <= limits.packages, "{packages} packages");
    assert!(inventory.entries <= limits.layer_entries, "{} entries", inventory.entries);
    assert!(inventory.bytes <= limits.layer_bytes, "{} bytes", inventory.bytes);
    let failed = inventory.problems.iter().find(|problem| problem.code == "parser-failed");
    assert_eq!(failed, None);
    let contents = squash(&[&inventory, &inventory]);
    assert!(contents.packages.len() <= packages, "the same layer twice has more packages");
}

/// A table of contents, under the digest that it happens to have, then the layer by it. First byte: the format.
pub fn table(data: &[u8]) {
    let [format, json @ ..] = data else { return };
    let (limits, size) = (limits(), u64::try_from(json.len()).expect("few bytes"));
    let digest = |bytes: &[u8]| {
        let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digits}")
    };
    let opened = if *format == 0 {
        let mut tar = Vec::new();
        seeds::entry(&mut tar, b'0', "stargz.index.json", json);
        let stored = seeds::gzip(&tar);
        Table::of_estargz(&stored, 4_096, &digest(json), &limits)
    } else {
        let stored = seeds::zstd(json);
        Table::of_chunked(&stored, 4_096, size, &digest(&stored), &limits)
    };
    if let Some(Place::At { offset, length, .. }) = Place::parse(&String::from_utf8_lossy(json), 4_096) {
        assert!(offset + length <= 4_096);
    }
    let Ok(table) = opened else { return };
    assert_eq!(table.plan(table::SMALLEST - 1, 0, &limits, false), None);
    let Some(plan) = table.plan(table::SMALLEST, 0, &limits, false) else { return };
    assert!(plan.ranges.iter().all(|range| range.start < range.end && range.end <= 4_096), "{plan:?}");
    let parts = vec![*format; usize::try_from(plan.bytes).expect("few bytes")];
    let found = index_parts(&table, &plan, &mut parts.as_slice(), &limits, None);
    // These bytes are no content of any digest.
    if let Ok(inventory) = found {
        assert!(plan.ranges.is_empty() && inventory.bytes == 0, "{plan:?}: {inventory:?}");
    }
}

/// The archive with right checksums in its headers, so that a change of one gets past them; one of an odd length stays
/// as it is.
fn sealed(data: &[u8]) -> Vec<u8> {
    let mut archive = data.to_vec();
    if archive.len().is_multiple_of(2) {
        let (blocks, _) = archive.as_chunks_mut::<512>();
        for block in blocks.iter_mut().filter(|block| block[257..262] == *b"ustar") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    archive
}

/// A parser of one family, package URLs and keys. Bytes: row, path, content.
pub fn ecosystem(family: &str, data: &[u8]) {
    let [row, path, content @ ..] = data else { return };
    let rows = seeds::family(family);
    let row = rows[usize::from(*row) % rows.len()];
    let paths = seeds::paths(row.name);
    let path = &paths[usize::from(*path) % paths.len()];
    let mut facts = Facts::default();
    let limits = limits();
    (row.parse)(File { path, bytes: content, limits: &limits }, &mut facts);
    assert!(facts.packages.len() <= limits.packages, "{} packages", facts.packages.len());
    let debian = distribution("debian", "12");
    for package in &facts.packages {
        for known in [None, Some(&debian)] {
            assert!((row.purl)(package, known).starts_with("pkg:"), "{package:?}");
            for key in (row.advisory_keys)(package, known) {
                assert!(!key.ecosystem.is_empty(), "{key:?}");
            }
        }
    }
}

/// Where [`document`] puts a release file.
pub const RELEASES: [&str; 4] =
    ["etc/os-release", "etc/redhat-release", "etc/lsb-release", "etc/alpine-release"];

/// A small document beside layers and advisories. Bytes: kind, content.
pub fn document(data: &[u8]) {
    let [kind, content @ ..] = data else { return };
    let text = String::from_utf8_lossy(content);
    match kind % 8 {
        0 => {
            // Bills of materials and VEX statements share a format.
            if let Ok(inventory) = bill::index(&mut &*content, &limits()) {
                let _ = squash(&[&inventory]);
            }
            let Ok(statements) = vex::parse(content) else { return };
            let purls = ["pkg:deb/debian/openssl@1.1.1?arch=amd64", "pkg:npm/%40a/b@1.0"];
            let ids: Vec<&str> = statements.iter().flat_map(|all| &all.ids).map(String::as_str).collect();
            let flaws = purls.map(|purl| vex::Flaw { purl, ids: ids.clone() });
            let image = vex::Image { purls: &["pkg:oci/app@sha256:00"], ..vex::Image::default() };
            for suppression in vex::apply(image, &flaws, &statements).into_iter().flatten() {
                assert!(suppression.statement < statements.len());
            }
        }
        1 => drop(Threats::from_epss(&text)),
        2 => drop(Threats::from_kev(content)),
        3 => {
            if let Some((version, tenths)) = cvss::base_score_tenths(&text) {
                assert!(tenths <= 100, "{text}: {tenths}");
                let _ = cvss::severity(version, tenths);
            }
        }
        release => {
            let path = RELEASES[usize::from(release - 4)];
            let mut tar = Vec::new();
            seeds::entry(&mut tar, b'0', path, content);
            tar.resize(tar.len() + 1_024, 0);
            let inventory = index(&mut tar.as_slice(), &limits()).expect("a sound archive");
            if let Some(distribution) = squash(&[&inventory]).distribution {
                assert!(!distribution.id.is_empty(), "{distribution:?}");
            }
        }
    }
}

/// The laws of an order. Bytes: scheme, then up to three versions between zeros.
pub fn version(data: &[u8]) {
    let [scheme, texts @ ..] = data else { return };
    let scheme = version::TABLE[usize::from(*scheme) % version::TABLE.len()];
    let texts = String::from_utf8_lossy(texts);
    let texts: Vec<&str> = texts.split('\0').take(3).collect();
    let order = scheme.compare;
    for a in &texts {
        assert!(order(a, a).is_none_or(Ordering::is_eq), "{}: {a:?} with itself", scheme.name);
        for b in &texts {
            let forth = order(a, b);
            assert_eq!(forth, order(b, a).map(Ordering::reverse), "{}: {a:?} and {b:?}", scheme.name);
            let versions = order(a, a).is_some() && order(b, b).is_some();
            // Composer has branch names, which only equal themselves.
            if scheme.name != "composer" {
                assert_eq!(forth.is_some(), versions, "{}: {a:?} and {b:?}", scheme.name);
            }
            // These three are not transitive on odd shapes, nor are the tools whose order they are.
            if ["composer", "maven", "pacman"].contains(&scheme.name) {
                continue;
            }
            for c in &texts {
                if let (Some(Ordering::Less | Ordering::Equal), Some(Ordering::Less)) = (forth, order(b, c)) {
                    assert_eq!(order(a, c), Some(Ordering::Less), "{}: {a:?} {b:?} {c:?}", scheme.name);
                }
            }
        }
    }
}

/// A database whose frame is made whole: everything behind it is hostile.
pub fn database(data: &[u8]) {
    let mut bytes = data.to_vec();
    if let Some(length) = bytes.len().checked_sub(240) {
        bytes[48..56].copy_from_slice(&(240 + length as u64).to_le_bytes());
        let mut hasher = Sha256::new();
        hasher.update(&bytes[..56]);
        hasher.update(&bytes[64..240]);
        let sum = hasher.finalize();
        bytes[56..64].copy_from_slice(&sum[..8]);
    }
    let Ok(database) = Database::open(&bytes) else { return };
    let _ = (database.verify(), database.digest(), database.modified(), database.threat_counts());
    assert!(database.advisory_count() <= bytes.len());
    for number in 0..database.advisory_count().min(64) {
        let _ = database.advisory(number).map(|advisory| advisory.modified());
        let _ = database.flaw(number);
    }
    let _ = diff(&database, &database);
    for status in database.status() {
        assert!(database.has_ecosystem(&status.name));
    }
    let names = ["a", "jinja2", "lodash", "openssl", "busybox", "nodejs", "left-pad"];
    let contents = contents(&names, &["0", "1.2.3", "1.1.1d-0+deb10u3"], distribution("debian", "12"));
    let _ = assess(&contents, &database);
}

/// One advisory → a database that is whole, and assessments that end.
pub fn osv(data: &[u8]) {
    let mut once = Builder::new();
    once.add("one", data);
    let once = once.finish().expect("a small database");
    let mut twice = Builder::new();
    twice.add_batch(&[("one", data), ("two", data)]);
    assert!(
        once.bytes == twice.finish().expect("a small database").bytes,
        "a record that comes twice counts"
    );
    let database = Database::open(&once.bytes).expect("what was built can be opened");
    database.verify().expect("what was built is whole");
    assert_eq!(diff(&database, &database), Ok(Vec::new()));
    let Ok(record) = osv::parse(data) else { return };
    for affected in record.affected.iter().take(4) {
        database.lookup(&affected.ecosystem, &affected.name).expect("what was built can be read");
        let bounds =
            affected.ranges.iter().flat_map(|range| &range.events).map(|event| event.version.as_str());
        let versions: Vec<&str> =
            bounds.chain(affected.versions.iter().map(String::as_str)).take(4).collect();
        let (_, release) = affected.ecosystem.split_once(':').unwrap_or_default();
        for id in ["debian", "ubuntu", "alpine", "rocky"] {
            let contents = contents(&[&affected.name], &versions, distribution(id, release));
            let assessment = assess(&contents, &database);
            assert!(assessment.problems.iter().all(|problem| problem.code != "damaged-advisories"));
        }
    }
}

fn distribution(id: &str, version: &str) -> Distribution {
    Distribution {
        id: id.to_owned(),
        version: version.to_owned(),
        title: String::new(),
        fields: BTreeMap::new(),
    }
}

fn contents(names: &[&str], versions: &[&str], distribution: Distribution) -> Contents {
    let mut contents = Contents { distribution: Some(distribution), ..Contents::default() };
    for ecosystem in ["dpkg", "apk", "rpm", "npm", "python", "java", "go"] {
        for name in names {
            for version in versions {
                let (name, version) = ((*name).to_owned(), (*version).to_owned());
                let package = Package { name, version, ..Package::default() };
                let (purl, file) = (String::new(), String::new());
                contents.packages.push(Installed { package, ecosystem, purl, file, layer: 0 });
            }
        }
    }
    contents
}
