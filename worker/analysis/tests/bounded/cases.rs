//! The cases by name. Each says what came of it; the process says what it took.

use std::{fs, io::Write as _, path::Path};

use strata_analysis::{
    ecosystem::{self, Facts, File},
    index,
    limits::Limits,
    model::Inventory,
    squash::squash,
};

use super::stream::{Stream, end, file, header, repeated, sealed};

/// What a child saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) peak_mib: u64,
    /// Bytes that were asked of the reader.
    pub(crate) read: u64,
    pub(crate) entries: u64,
    /// Packages of the inventory; of the image, where there is another layer.
    pub(crate) packages: u64,
    /// Codes of the layer's problems, each once.
    pub(crate) problems: String,
    /// Codes of the image's problems, each once.
    pub(crate) image_problems: String,
    pub(crate) error: String,
}

impl Seen {
    pub(crate) fn line(&self) -> String {
        let Self { peak_mib, read, entries, packages, problems, image_problems, error } = self;
        format!("{peak_mib}\t{read}\t{entries}\t{packages}\t{problems}\t{image_problems}\t{error}")
    }

    pub(crate) fn parse(line: &str) -> Self {
        let fields: Vec<&str> = line.split('\t').collect();
        let number = |at: usize| fields[at].parse().expect("a number");
        let text = |at: usize| fields[at].to_owned();
        Self {
            peak_mib: number(0),
            read: number(1),
            entries: number(2),
            packages: number(3),
            problems: text(4),
            image_problems: text(5),
            error: text(6),
        }
    }
}

const RELEASE: &[u8] = b"ID=debian\nVERSION_ID=12\n";
const MANIFEST: &[u8] = br#"{"name":"a","version":"1"}"#;

/// Runs a case.
pub(crate) fn run(case: &str, size: u64) -> Seen {
    let count = usize::try_from(size).expect("a size");
    match case {
        "empty-files" => layer((0..size).map(|n| file(&format!("srv/{:04}/file{n}", n % 7_000), b""))),
        "status-above-limit" => {
            let limits = Limits { file_bytes: size - 1, ..Limits::default() };
            layer_with(&limits, status(STANZA, size))
        }
        "status" => {
            let limits = Limits { file_bytes: size, budget_bytes: size, ..Limits::default() };
            layer_with(&limits, status(STANZA, size))
        }
        "tiny-stanzas" => layer(status("Package:a\nVersion:1\n\n", size)),
        "folded-lines" => {
            let text = "Package: a\nVersion: 1\nDescription: x\n";
            let text = format!("{text}{}{text}\n", " .\n".repeat(count) + "\n");
            layer([file("var/lib/dpkg/status", text.as_bytes())].into_iter())
        }
        "zstd-bomb" => zstd_bomb(size),
        "sparse-blocks" | "sparse-count" | "sparse-holes" => sparse(case, size),
        "pax-header" => layer([header(b'x', "pax", "", size), vec![b'1'; 1 << 20]].into_iter()),
        "long-names" => long_names(size),
        "link-chain" | "link-circle" | "link-ways" => links(case, size),
        "hard-links" | "hard-links-below" => hard_links(case, size),
        "whiteouts" => whiteouts(size),
        "release-files" => {
            let fields: String =
                (0..2_000).map(|n| format!("FIELD_{n}=\"some text of its own\"\n")).collect();
            let text = format!("ID=debian\nVERSION_ID=12\n{fields}");
            layer((0..size).map(move |n| file(&format!("r{n}/etc/os-release"), text.as_bytes())))
        }
        "zip-overlap" => layer([file("a.jar", &overlapping(count))].into_iter()),
        "zip-many" => {
            let jar = overlapping(64);
            layer((0..size).map(move |n| file(&format!("{n}.jar"), &jar)))
        }
        "zip-count" => {
            let end = [&b"PK\x05\x06\0\0\0\0"[..], &[0xff; 4], &[0; 8], &[0; 2]].concat();
            layer([file("a.jar", &end)].into_iter())
        }
        "awkward-texts" => awkward(count),
        _ => panic!("no case {case}"),
    }
}

/// 512 bytes, as `dpkg` writes them.
const STANZA: &str = concat!(
    "Package: libexample-perl-base-common\nStatus: install ok installed\nPriority: optional\nSection: libs\n",
    "Installed-Size: 123456\nMaintainer: Somebody of Debian <somebody@lists.debian.org>\nArchitecture: amd64\n",
    "Source: example (1.2.3-4)\nVersion: 1.2.3-4+deb12u5\n",
    "Depends: libc6 (>= 2.36), libexample1 (= 1.2.3-4+deb12u5), perl:any, debconf (>= 0.5) | debconf-2.0\n",
    "Description: an example of a library that has a description of several lines\n",
    " which nobody reads, and that goes on up to a round number, which is 512 by\n tes.\n\n",
);

fn status(text: &str, size: u64) -> impl Iterator<Item = Vec<u8>> + use<> {
    repeated("var/lib/dpkg/status", text, size)
}

fn codes<'a>(problems: impl Iterator<Item = &'a str>) -> String {
    let mut codes: Vec<&str> = problems.collect();
    codes.sort_unstable();
    codes.dedup();
    codes.join(",")
}

fn layer(pieces: impl Iterator<Item = Vec<u8>>) -> Seen {
    layer_with(&Limits::default(), pieces)
}

/// Indexes an archive of these entries and squashes it alone.
fn layer_with(limits: &Limits, pieces: impl Iterator<Item = Vec<u8>>) -> Seen {
    let mut stream = Stream::new(pieces.chain([end()]));
    let indexed = index(&mut stream, limits);
    seen(stream.read, indexed.as_ref().map_err(ToString::to_string), &[])
}

fn seen(read: u64, indexed: Result<&Inventory, String>, below: &[&Inventory]) -> Seen {
    let inventory = match indexed {
        Ok(inventory) => inventory,
        Err(error) => return Seen { read, error, ..Seen::default() },
    };
    let layers: Vec<&Inventory> = below.iter().copied().chain([inventory]).collect();
    let contents = squash(&layers);
    let named = inventory.files.iter().map(|file| file.packages.len() as u64).sum();
    Seen {
        read,
        entries: inventory.entries,
        packages: if below.is_empty() { named } else { contents.packages.len() as u64 },
        problems: codes(inventory.problems.iter().map(|problem| problem.code.as_ref())),
        image_problems: codes(contents.problems.iter().map(|(problem, _)| problem.code.as_ref())),
        ..Seen::default()
    }
}

fn zstd_bomb(size: u64) -> Seen {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).expect("memory");
    for piece in repeated("zeros", "\0", size).chain([end()]) {
        encoder.write_all(&piece).expect("memory");
    }
    let packed = encoder.finish().expect("memory");
    let mut stream = Stream::new([packed].into_iter());
    let limits = Limits { ratio: 500, ..Limits::default() };
    let indexed = index(&mut stream, &limits);
    seen(stream.read, indexed.as_ref().map_err(ToString::to_string), &[])
}

fn sparse(case: &str, size: u64) -> Seen {
    let pax =
        |records: &str| [header(b'x', "pax", "", records.len() as u64), padded(records.as_bytes())].concat();
    let last = file("b/package.json", MANIFEST);
    match case {
        "sparse-blocks" => {
            let mut block = header(b'S', "a/package.json", "", 0);
            block[482] = 1;
            block[483..495].copy_from_slice(b"00000777777\0");
            let mut more = Vec::new();
            for _ in 0..21 {
                more.extend_from_slice(b"00000000000\x0000000000001\0");
            }
            more.resize(512, 0);
            more[504] = 1;
            let blocks = std::iter::repeat_n(more, usize::try_from(size / 21).expect("a size"));
            layer(std::iter::once(sealed(block)).chain(blocks))
        }
        "sparse-count" => {
            let records = pax(
                "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n34 GNU.sparse.name=a/package.json\n27 GNU.sparse.realsize=999\n",
            );
            let map = file("GNUSparseFile.0/x", format!("{size}\n0\n1\n").as_bytes());
            layer([records, map, last].into_iter())
        }
        _ => {
            let entry = move |n: u64| {
                let name = format!("GNU.sparse.name=r{n}/package.json\n");
                let name = format!("{} {name}", name.len() + 3);
                pax(&format!("29 GNU.sparse.size={:09}\n22 GNU.sparse.map=0,1\n{name}", 20_000_000))
                    .into_iter()
                    .chain(file("GNUSparseFile.0/x", b"{"))
                    .collect()
            };
            layer((0..size).map(entry).chain([last]))
        }
    }
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// Names of 1 MiB that follow each other; only the last one counts.
fn long_names(size: u64) -> Seen {
    let name = |text: &[u8]| [header(b'L', "././@LongLink", "", text.len() as u64), padded(text)].concat();
    let long = name(&vec![b'a'; 1 << 20]);
    let names = std::iter::repeat_n(long, usize::try_from(size).expect("a size"));
    layer(names.chain([name(b"a/package.json\0"), file("cut", MANIFEST)]))
}

fn links(case: &str, size: u64) -> Seen {
    let start = [file("etc/os-release", RELEASE), file("a/package.json", MANIFEST)];
    let link = |path: &str, target: &str| header(b'2', path, target, 0);
    match case {
        // var/lib/dpkg is the first of a chain; a circle's last is its first.
        "link-chain" | "link-circle" => {
            let circle = case == "link-circle";
            let chain = (0..size).map(move |n| {
                let next = if circle && n + 1 == size { 0 } else { n + 1 };
                link(&format!("node_modules/l{n}"), &format!("l{next}"))
            });
            layer(start.into_iter().chain([link("var/lib/dpkg", "/node_modules/l0")]).chain(chain))
        }
        // Each path goes through 39 links with a detour each.
        _ => {
            let detour = "x/../".repeat(12);
            let hops = (0..39)
                .map(move |n| link(&format!("node_modules/h{n}"), &format!("{}h{}", detour.clone(), n + 1)));
            let ways = (0..size).map(move |n| link(&format!("n{n}/package.json"), "/node_modules/h0/a"));
            layer(start.into_iter().chain(hops).chain(ways))
        }
    }
}

fn hard_links(case: &str, size: u64) -> Seen {
    let target = "var/lib/dpkg/status";
    let status: String = (0..2_000).map(|n| format!("Package: p{n}\nVersion: 1\n\n")).collect();
    let database = [file("etc/os-release", RELEASE), file(target, status.as_bytes())];
    let links = (0..size).map(move |n| header(b'1', &format!("var/lib/dpkg/status.d/l{n}"), target, 0));
    if case == "hard-links" {
        return layer(database.into_iter().chain(links));
    }
    let limits = Limits::default();
    let below = index(&mut Stream::new(database.into_iter().chain([end()])), &limits).expect("a sound layer");
    let mut stream = Stream::new(links.chain([end()]));
    let indexed = index(&mut stream, &limits);
    seen(stream.read, indexed.as_ref().map_err(ToString::to_string), &[&below])
}

/// A layer deletes each of very many packages of the layer below but one.
fn whiteouts(size: u64) -> Seen {
    let limits = Limits::default();
    let few = size.min(20_000);
    let files = (0..=few).map(|n| file(&format!("p{n}/package.json"), MANIFEST));
    let lower = [file("etc/os-release", RELEASE)].into_iter().chain(files).chain([end()]);
    let below = index(&mut Stream::new(lower), &limits).expect("a sound layer");
    let gone = (1..=size).map(|n| file(&format!("p{n}/.wh.package.json"), b""));
    let mut stream = Stream::new(gone.chain([end()]));
    let indexed = index(&mut stream, &limits);
    seen(stream.read, indexed.as_ref().map_err(ToString::to_string), &[&below])
}

/// A zip archive whose directory names one packed entry of 1 MiB so many times.
fn overlapping(count: usize) -> Vec<u8> {
    let name = b"META-INF/maven/g/a/pom.properties";
    let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b'#'; 1 << 20]).expect("memory");
    let packed = packed.finish().expect("memory");
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("small").to_le_bytes();
    let name_length = [u8::try_from(name.len()).expect("short"), 0];
    let mut zip =
        [&b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0"[..], &length(&packed), &(1_u32 << 20).to_le_bytes()]
            .concat();
    zip.extend_from_slice(&[&name_length[..], &[0, 0], name, &packed].concat());
    let start = length(&zip);
    let entry = [
        &b"PK\x01\x02\x14\0\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0"[..],
        &length(&packed),
        &(1_u32 << 20).to_le_bytes(),
        &name_length,
        &[0; 16],
        name,
    ]
    .concat();
    let directory = entry.repeat(count);
    zip.extend_from_slice(&directory);
    let number = u16::try_from(count).expect("few entries").to_le_bytes();
    zip.extend_from_slice(
        &[&b"PK\x05\x06\0\0\0\0"[..], &number, &number, &length(&directory), &start, &[0, 0]].concat(),
    );
    zip
}

/// What texts are made of: repeated without end.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "[",
    "{\"a\":",
    "\"",
    "\\",
    "a",
    " ",
    "\n",
    "\n ",
    ":",
    ": ",
    "=",
    "a=",
    "a:\n",
    "-",
    "--",
    "-1",
    ".",
    "1.",
    "/",
    "../",
    "(",
    "((",
    "<a>",
    "<!ENTITY a \"&a;&a;\">",
    "&a;",
    "'",
    "'a",
    "|",
    "%",
    "%q{",
    "#",
    "# ",
    "[[package]]\n",
    "Package: a\n",
    "Version: 1\n",
    "P:a\n",
    "F:a\nR:b\n",
    "Name: a\n",
    "s.name = \"a",
    "\0",
    "\u{e9}",
    "\0go1.2\0",
    "\u{0}1.2.3",
    "@",
    "@a/",
    "\t",
    "dep\ta\tb\tc\n",
    "obj a b c\n",
    "{\"name\":\"a\",\"version\":\"1\"},",
    "%NAME%\n",
    "a, ",
    "a b ",
    "a (= 1), ",
];

/// Every row reads every awkward text at each of its paths. `entries` counts them.
fn awkward(size: usize) -> Seen {
    let limits = Limits::default();
    let mut seen = Seen::default();
    for row in ecosystem::TABLE {
        for path in &paths(row.name) {
            for piece in PIECES {
                let text = piece.repeat(size / piece.len());
                let mut facts = Facts::default();
                (row.parse)(File { path, bytes: text.as_bytes(), limits: &limits }, &mut facts);
                seen.entries += 1;
                seen.packages += facts.packages.len() as u64;
                if facts.packages.len() > limits.packages {
                    seen.error = format!("{} packages in {path}", facts.packages.len());
                }
            }
        }
    }
    seen
}

/// Paths of the row's cases: the directories and names that its files have, each name once.
fn paths(row: &str) -> Vec<String> {
    fn below(directory: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                below(&path, root, found);
            } else {
                found.push(path.strip_prefix(root).expect("below it").to_str().expect("text").to_owned());
            }
        }
    }
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/ecosystem").join(row);
    let mut found = Vec::new();
    for case in fs::read_dir(cases).into_iter().flatten() {
        let root = case.expect("a case").path().join("root");
        below(&root, &root, &mut found);
    }
    found.sort();
    found.dedup_by_key(|path| path.rsplit('/').next().expect("a name").to_owned());
    found
}
