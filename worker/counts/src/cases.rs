//! The pieces of the core that are measured, on fixed inputs: what is not a file of the repository is made by counting.
//! Instructions are counted of them (`strata-counts`), and time is taken (`cargo bench -p strata-analysis`).

use std::{
    fs,
    io::{Cursor, Write as _},
    path::Path,
};

use strata_analysis::{
    assess::assess,
    cvss,
    database::{Builder, Database},
    ecosystem::{self, Facts, File},
    layer,
    limits::Limits,
    model::{Contents, FileFacts, Inventory, Package, Release},
    squash::squash,
    version,
};

/// A piece of work.
pub(crate) struct Case {
    /// Its name, one word.
    pub(crate) name: &'static str,
    /// How many of what it is that it handles: entries, packages, files, pairs.
    pub(crate) elements: u64,
    /// Does it; the number is of what was found, and never 0.
    pub(crate) work: Box<dyn Fn() -> usize>,
}

/// All cases, with the files of `testdata`.
pub(crate) fn all(testdata: &Path) -> Vec<Case> {
    let ecosystem = testdata.join("ecosystem");
    let file = |path: &str| fs::read(ecosystem.join(path)).unwrap();
    let mut cases = vec![
        walk(),
        parser("dpkg", "dpkg", "var/lib/dpkg/status", dpkg(), 400, 1),
        parser("apk", "apk", "lib/apk/db/installed", apk(), 200, 1),
        parser("npm", "npm", "srv/node_modules/x/package.json", manifest(), 20, 20),
        parser("jar", "java", "opt/app/library-1.2.3.jar", jar(), 1, 1),
        parser(
            "python",
            "python",
            "usr/lib/python3/dist-packages/x-1.0.dist-info/METADATA",
            metadata(),
            20,
            20,
        ),
    ];
    for (name, row, root, path, times) in [
        ("rpm-sqlite", "rpm", "rpm/sqlite/root", "usr/lib/sysimage/rpm/rpmdb.sqlite", 50),
        ("rpm-ndb", "rpm", "rpm/ndb/root", "usr/lib/sysimage/rpm/Packages.db", 50),
        ("rpm-bdb", "rpm", "rpm/bdb/root", "var/lib/rpm/Packages", 50),
        ("go-binary", "go", "go/pointers-elf64/root", "bin/tool", 50),
        ("rust-binary", "rust", "rust/elf/root", "usr/bin/tool", 20),
    ] {
        let bytes = file(&format!("{root}/{path}"));
        cases.push(parser(name, row, path, bytes, times, usize::try_from(times).unwrap()));
    }
    cases.extend([squashed(), matched(testdata), compared(testdata), scored(testdata)]);
    cases
}

/// A tar of files that nobody wants, as most are.
fn walk() -> Case {
    const ENTRIES: u64 = 5_000;
    let mut tar = Vec::new();
    for number in 0..ENTRIES {
        let path = match number % 5 {
            0 => format!("usr/share/doc/package-{number}/changelog.Debian.gz"),
            1 => format!("usr/lib/x86_64-linux-gnu/libsome{number}.so.1.2"),
            2 => format!("usr/bin/program-{number}"),
            3 => format!("usr/lib/python3/dist-packages/some/module_{number}.py"),
            _ => format!("./usr/share/locale/de/LC_MESSAGES/text{number}.mo"),
        };
        let size = number % 1_500;
        tar.extend(header(&path, size, if number % 5 == 2 { 0o755 } else { 0o644 }));
        tar.resize(tar.len() + usize::try_from(size.next_multiple_of(512)).unwrap(), b'x');
    }
    tar.resize(tar.len() + 1_024, 0);
    let work = move || {
        let inventory = layer::index(&mut tar.as_slice(), &Limits::default()).unwrap();
        usize::try_from(inventory.entries).unwrap()
    };
    Case { name: "tar-walk", elements: ENTRIES, work: Box::new(work) }
}

/// A header of POSIX's ustar.
fn header(path: &str, size: u64, mode: u32) -> Vec<u8> {
    let mut block = vec![0; 512];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, &format!("{mode:07o}\0"));
    put(124, &format!("{size:011o}\0"));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\0");
    put(263, "00");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// A row's parser, so many times on one file.
fn parser(
    name: &'static str,
    row: &'static str,
    path: &'static str,
    bytes: Vec<u8>,
    elements: u64,
    times: usize,
) -> Case {
    let row = ecosystem::by_name(row).unwrap();
    let work = move || {
        let limits = Limits::default();
        let mut found = 0;
        for _ in 0..times {
            let mut facts = Facts::default();
            (row.parse)(File { path, bytes: &bytes, limits: &limits }, &mut facts);
            assert!(facts.problems.is_empty(), "{name}: {:?}", facts.problems);
            found += facts.packages.len();
        }
        found
    };
    Case { name, elements, work: Box::new(work) }
}

fn dpkg() -> Vec<u8> {
    let mut text = String::new();
    for number in 0..400 {
        text += &format!(
            "Package: libsome{number}\nStatus: install ok installed\nPriority: optional\nSection: libs\n\
             Installed-Size: {number}\nMaintainer: Some Maintainers <some@example.org>\nArchitecture: amd64\n\
             Multi-Arch: same\nSource: some-source{} (1.2.{number}-3)\nVersion: 1:1.2.{number}-3+deb12u1\n\
             Depends: libc6 (>= 2.34), libother{} (= 1.{number}), libthird (>= 3) | libfourth\n\
             Description: one of many libraries\n This is the long text that follows, on two lines or three,\n \
             with a word about the number {number}.\n .\n And an end.\nHomepage: https://some.example/{number}\n\n",
            number / 3,
            number + 1,
        );
    }
    text.into_bytes()
}

fn apk() -> Vec<u8> {
    let mut text = String::new();
    for number in 0..200 {
        text += &format!(
            "C:Q1sSNCl4MTQ0d1V/0NTAhIjjci1i8=\nP:lib{number}\nV:1.{number}.5-r0\nA:x86_64\nS:40727\nI:66764\n\
             T:one of many\nU:https://some.example/\nL:MIT\no:source{}\nm:Someone <someone@example.org>\n\
             t:1710420082\nc:ea2a1b4d1f7ae4b3bc7ae6b2cb1b1bfe6cba5ef1\nD:so:libc.musl-x86_64.so.1\nF:usr/lib\n\
             R:lib{number}.so.1\na:0:0:755\nZ:Q1+lDH4Yz5ZhG8VvQ2wHD+Y4hP3zE=\nF:usr/share/doc\nR:{number}.txt\n\n",
            number / 2,
        );
    }
    text.into_bytes()
}

fn manifest() -> Vec<u8> {
    let mut text =
        String::from("{\"name\": \"@some/package\", \"version\": \"4.17.21\", \"dependencies\": {");
    for number in 0..60 {
        text += &format!("\"dependency-{number}\": \"^{number}.1.0\", ");
    }
    text += "\"last\": \"*\"}, \"scripts\": {\"test\": \"node test.js\"}, \"keywords\": [\"one\", \"two\"]}";
    text.into_bytes()
}

fn metadata() -> Vec<u8> {
    let mut text =
        String::from("Metadata-Version: 2.1\nName: Some.Package\nVersion: 3.1.4\nSummary: one of many\n");
    for number in 0..40 {
        text +=
            &format!("Classifier: Topic :: Number {number}\nRequires-Dist: other-{number} (>=1.{number})\n");
    }
    text += "\n";
    for number in 0..200 {
        text += &format!("Line {number} of a long description that nobody needs here.\n");
    }
    text.into_bytes()
}

/// Nothing in it is compressed: decompressors ask the processor what it can do, and cost something else on each.
fn jar() -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut put = |name: &str, text: &str| {
        archive.start_file(name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    };
    put("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nImplementation-Title: library\n");
    for number in 0..600 {
        put(&format!("org/example/library/part{}/Class{number}.class", number % 20), "not really a class");
    }
    put(
        "META-INF/maven/org.example/library/pom.properties",
        "groupId=org.example\nartifactId=library\nversion=1.2.3\n",
    );
    archive.finish().unwrap().into_inner()
}

/// A base, eleven layers of an application, deletions.
fn squashed() -> Case {
    const LAYERS: usize = 12;
    let layer = |number: usize| {
        let mut layer = Inventory::default();
        let package = |index: usize| Package {
            name: format!("package-{index}"),
            version: format!("1.{number}.{index}"),
            ..Package::default()
        };
        if number == 0 {
            let fields = [("ID", "debian"), ("VERSION_ID", "12")];
            let fields = fields.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            layer.releases.push(Release { path: "etc/os-release".to_owned(), fields });
            layer.files.push(FileFacts {
                path: "var/lib/dpkg/status".to_owned(),
                ecosystem: "dpkg".to_owned(),
                packages: (0..300).map(package).collect(),
                ..FileFacts::default()
            });
        }
        let mut files: Vec<FileFacts> = (0..150)
            .map(|index| FileFacts {
                path: format!("srv/app/node_modules/package-{number}-{index}/package.json"),
                ecosystem: "npm".to_owned(),
                packages: vec![package(index)],
                ..FileFacts::default()
            })
            .collect();
        files.sort_by(|left, right| left.path.cmp(&right.path));
        layer.files.splice(0..0, files);
        layer.others = (0..200).map(|index| format!("usr/bin/program-{index:04}")).collect();
        if number > 0 {
            layer.whiteouts.push(format!("srv/app/node_modules/package-{}-7", number - 1));
        }
        layer
    };
    let layers: Vec<Inventory> = (0..LAYERS).map(layer).collect();
    let elements = layers.iter().flat_map(|layer| &layer.files).map(|file| file.packages.len() as u64).sum();
    let work = move || squash(&layers.iter().collect::<Vec<_>>()).packages.len();
    Case { name: "squash", elements, work: Box::new(work) }
}

/// All images of the test cases against the advisories of all.
fn matched(testdata: &Path) -> Case {
    let mut builder = Builder::default();
    let mut names = Vec::new();
    let mut directories: Vec<_> =
        fs::read_dir(testdata.join("assess")).unwrap().map(|entry| entry.unwrap().path()).collect();
    directories.sort();
    for directory in directories {
        let Ok(text) = fs::read(directory.join("advisories.json")) else { continue };
        let advisories: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
        for advisory in &advisories {
            builder.add("counts", advisory.to_string().as_bytes());
            let affected = advisory["affected"].as_array().into_iter().flatten();
            names.extend(affected.filter_map(|each| Some(each["package"]["name"].as_str()?.to_owned())));
        }
    }
    names.extend((0..400).map(|number| format!("nothing-known-{number}")));
    names.sort();
    names.dedup();
    let database = builder.finish().unwrap().bytes;
    let package = |row: &'static str, name: &String| strata_analysis::model::Installed {
        package: Package { name: name.clone(), version: "0.1".to_owned(), ..Package::default() },
        ecosystem: row,
        purl: String::new(),
        file: "some/file".to_owned(),
        layer: 0,
    };
    let rows = ["dpkg", "npm", "python", "go"];
    let distribution = strata_analysis::model::Distribution {
        id: "debian".to_owned(),
        version: "12".to_owned(),
        ..strata_analysis::model::Distribution::default()
    };
    let contents = Contents {
        distribution: Some(distribution),
        packages: rows.iter().flat_map(|row| names.iter().map(|name| package(row, name))).collect(),
        problems: Vec::new(),
    };
    let elements = contents.packages.len() as u64;
    let work = move || assess(&contents, &Database::open(&database).unwrap()).findings.len();
    Case { name: "match", elements, work: Box::new(work) }
}

/// The pairs of every scheme's test cases.
fn compared(testdata: &Path) -> Case {
    let mut pairs = Vec::new();
    for scheme in version::TABLE {
        let text = fs::read_to_string(testdata.join(format!("version/{}.txt", scheme.name))).unwrap();
        for line in text.lines().filter(|line| !line.starts_with("//")) {
            if let [left, _, right] = line.split(' ').collect::<Vec<_>>().as_slice() {
                pairs.push((scheme.compare, (*left).to_owned(), (*right).to_owned()));
            }
        }
    }
    let elements = pairs.len() as u64;
    let work = move || pairs.iter().filter(|(compare, left, right)| compare(left, right).is_some()).count();
    Case { name: "compare", elements, work: Box::new(work) }
}

fn scored(testdata: &Path) -> Case {
    let text = fs::read_to_string(testdata.join("cvss.txt")).unwrap();
    let vectors: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with("//"))
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect();
    let elements = vectors.len() as u64;
    let work = move || vectors.iter().filter_map(|vector| cvss::base_score_tenths(vector)).count();
    Case { name: "cvss", elements, work: Box::new(work) }
}
