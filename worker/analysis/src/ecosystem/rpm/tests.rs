use std::{collections::BTreeSet, fs, path::PathBuf};

use proptest::prelude::*;

use super::*;
use crate::limits::Limits;

fn read(path: &str, bytes: &[u8]) -> Facts {
    let mut facts = Facts::default();
    parse(File { path, bytes, limits: &Limits::default() }, &mut facts);
    facts
}

fn headers() -> [&'static [u8]; 2] {
    [
        include_bytes!("../../../testdata/ecosystem/rpm/headers/1.bin"),
        include_bytes!("../../../testdata/ecosystem/rpm/headers/2.bin"),
    ]
}

fn names(facts: &Facts) -> Vec<(&str, &str)> {
    facts.packages.iter().map(|package| (package.name.as_str(), package.version.as_str())).collect()
}

const SAMPLE: [(&str, &str); 2] = [("strata-sample", "4:1.2-3.el9"), ("libstrata", "4:7.0-3.el9")];

/// Writes Berkeley DB hash files: one hash page with all items, the values on chains of overflow pages.
struct BdbWriter {
    order: Order,
    pages: Vec<Vec<u8>>,
}

use crate::bytes::Order;

impl BdbWriter {
    const PAGE: usize = 512;

    fn u32(&self, page: usize, at: usize, value: u32) -> Vec<u8> {
        let raw = if self.order == Order::Little { value.to_le_bytes() } else { value.to_be_bytes() };
        let mut page = self.pages[page].clone();
        page[at..at + 4].copy_from_slice(&raw);
        page
    }

    fn put32(&mut self, page: usize, at: usize, value: u32) {
        self.pages[page] = self.u32(page, at, value);
    }

    fn put16(&mut self, page: usize, at: usize, value: u16) {
        let raw = if self.order == Order::Little { value.to_le_bytes() } else { value.to_be_bytes() };
        self.pages[page][at..at + 2].copy_from_slice(&raw);
    }

    fn page(&mut self, kind: u8) -> usize {
        self.pages.push(vec![0; Self::PAGE]);
        let number = self.pages.len() - 1;
        self.pages[number][25] = kind;
        self.put32(number, 8, u32::try_from(number).unwrap());
        number
    }

    fn chain(&mut self, value: &[u8]) -> u32 {
        let first = self.pages.len();
        let parts: Vec<_> = value.chunks(Self::PAGE - 26).collect();
        for (index, part) in parts.iter().enumerate() {
            let page = self.page(7);
            self.put16(page, 22, u16::try_from(part.len()).unwrap());
            self.pages[page][26..26 + part.len()].copy_from_slice(part);
            if index + 1 < parts.len() {
                self.put32(page, 16, u32::try_from(page + 1).unwrap());
            }
        }
        u32::try_from(first).unwrap()
    }

    fn file(order: Order, values: &[&[u8]]) -> Self {
        let mut file = Self { order, pages: Vec::new() };
        file.page(8);
        let hash = file.page(13);
        let mut items = vec![vec![1, 0, 0, 0, 0], vec![1, 9, 9, 9, 9]];
        for value in values {
            let first = file.chain(value);
            let mut item = vec![0; 12];
            item[0] = 3;
            for (at, number) in [(4, first), (8, u32::try_from(value.len()).unwrap())] {
                let raw = if order == Order::Little { number.to_le_bytes() } else { number.to_be_bytes() };
                item[at..at + 4].copy_from_slice(&raw);
            }
            items.extend([vec![1, 1, 2, 3, 4], item]);
        }
        let mut end = Self::PAGE;
        for (index, item) in items.iter().enumerate() {
            end -= item.len();
            file.pages[hash][end..end + item.len()].copy_from_slice(item);
            file.put16(hash, 26 + 2 * index, u16::try_from(end).unwrap());
        }
        file.put16(hash, 20, u16::try_from(items.len()).unwrap());
        file.put32(0, 12, 0x0006_1561);
        file.put32(0, 20, u32::try_from(Self::PAGE).unwrap());
        let last = u32::try_from(file.pages.len() - 1).unwrap();
        file.put32(0, 32, last);
        file
    }

    fn bytes(&self) -> Vec<u8> {
        self.pages.concat()
    }
}

fn ndb(values: &[&[u8]]) -> Vec<u8> {
    let mut file = vec![0; 4_096];
    file[..4].copy_from_slice(b"RpmP");
    file[12] = 1;
    for slot in 2..256 {
        file[slot * 16..slot * 16 + 4].copy_from_slice(b"Slot");
    }
    for (index, value) in values.iter().enumerate() {
        let number = u32::try_from(index + 1).unwrap().to_le_bytes();
        let start = u32::try_from(file.len() / 16).unwrap();
        let blocks = (28 + value.len()).div_ceil(16);
        let length = u32::try_from(value.len()).unwrap().to_le_bytes();
        let mut blob = [&b"BlbS"[..], &number, &[0; 4], &length, value].concat();
        blob.resize(blocks * 16 - 12, 0);
        blob.extend([&[0; 4][..], &length, b"BlbE"].concat());
        file.extend(blob);
        let slot = (index + 2) * 16;
        file[slot + 4..slot + 8].copy_from_slice(&number);
        file[slot + 8..slot + 12].copy_from_slice(&start.to_le_bytes());
        file[slot + 12..slot + 16].copy_from_slice(&u32::try_from(blocks).unwrap().to_le_bytes());
    }
    file
}

#[test]
fn berkeley_db_of_both_byte_orders_is_read() {
    for order in [Order::Little, Order::Big] {
        let facts = read("var/lib/rpm/Packages", &BdbWriter::file(order, &headers()).bytes());
        assert_eq!((names(&facts), &facts.problems), (SAMPLE.to_vec(), &vec![]), "{order:?}");
    }
}

#[test]
fn a_cycle_of_overflow_pages_ends_and_hides_no_other_package() {
    let mut file = BdbWriter::file(Order::Little, &headers());
    // The chain of the first value starts at page 2; its last page points back to it.
    file.put32(2, 16, 2);
    let facts = read("var/lib/rpm/Packages", &file.bytes());
    assert_eq!(names(&facts), [SAMPLE[1]]);
    assert_eq!(facts.problems.len(), 1);
}

#[test]
fn a_chain_that_meets_another_kind_of_page_ends() {
    let mut file = BdbWriter::file(Order::Little, &headers());
    file.put32(2, 16, 1);
    let facts = read("var/lib/rpm/Packages", &file.bytes());
    assert_eq!(names(&facts), [SAMPLE[1]]);
    assert!(facts.problems[0].message.contains("another type"), "{:?}", facts.problems);
}

#[test]
fn values_that_share_one_chain_cost_one_pass() {
    let file = BdbWriter::file(Order::Little, &[headers()[0], headers()[0], headers()[0]]);
    let mut bytes = file.bytes();
    let item = bytes.windows(12).rposition(|part| part.starts_with(&[3, 0, 0, 0, 2, 0, 0, 0])).unwrap();
    let first: [u8; 12] = bytes[item..item + 12].try_into().unwrap();
    // Items fill the page from its end: the other two values stand before the first, keys of 5 bytes between.
    for index in 1..3 {
        let at = item - index * 17;
        bytes[at..at + 12].copy_from_slice(&first);
    }
    let facts = read("var/lib/rpm/Packages", &bytes);
    assert_eq!(names(&facts), [SAMPLE[0]]);
    assert_eq!(facts.problems.len(), 2, "{:?}", facts.problems);
}

#[test]
fn a_truncated_berkeley_db_is_a_problem() {
    let mut bytes = BdbWriter::file(Order::Big, &headers()).bytes();
    bytes.truncate(bytes.len() - 1);
    let facts = read("var/lib/rpm/Packages", &bytes);
    assert_eq!(names(&facts), [SAMPLE[0]]);
    assert_eq!(facts.problems.len(), 2, "{:?}", facts.problems);
}

#[test]
fn ndb_is_read() {
    let facts = read("usr/lib/sysimage/rpm/Packages.db", &ndb(&headers()));
    assert_eq!((names(&facts), &facts.problems), (SAMPLE.to_vec(), &vec![]));
}

#[test]
fn slots_that_share_one_blob_are_a_problem_and_cost_nothing() {
    let mut bytes = ndb(&headers()[..1]);
    for slot in 3..256 {
        let (head, tail) = bytes.split_at_mut(slot * 16);
        tail[..16].copy_from_slice(&head[32..48]);
    }
    let facts = read("usr/lib/sysimage/rpm/Packages.db", &bytes);
    assert!(facts.packages.len() < 8, "{}", facts.packages.len());
    assert!(facts.problems[0].message.contains("overlap"));
}

#[test]
fn a_database_that_names_no_package_is_a_problem() {
    for bytes in [ndb(&[]), BdbWriter::file(Order::Little, &[]).bytes(), Vec::new(), b"RpmP".to_vec()] {
        let facts = read("var/lib/rpm/Packages", &bytes);
        assert_eq!((facts.packages.len(), facts.problems.len()), (0, 1));
        assert_eq!(facts.problems[0].code, "unreadable-database");
    }
}

#[test]
fn source_packages_take_the_epoch_of_the_package_of_their_name() {
    let facts = read("var/lib/rpm/Packages.db", &ndb(&headers()));
    let library = &facts.packages[1];
    assert_eq!(
        (library.source_name.as_str(), library.source_version.as_str()),
        ("strata-sample", "4:1.2-3.el9")
    );
    assert_eq!(facts.packages[0].source_name, "");
}

fn distribution(id: &str, version: &str, fields: &[(&str, &str)]) -> Distribution {
    let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Distribution { id: id.to_owned(), version: version.to_owned(), title: String::new(), fields }
}

#[test]
fn keys_and_urls_name_the_distribution_as_their_readers_do() {
    let package = Package {
        name: "openssl-libs".to_owned(),
        version: "1:3.0.7-2.el9".to_owned(),
        source_name: "openssl".to_owned(),
        architecture: "x86_64".to_owned(),
        ..Package::default()
    };
    for (distribution, key, namespace) in [
        (distribution("almalinux", "9.4", &[]), "AlmaLinux:9|openssl-libs", "almalinux"),
        (distribution("rocky", "9.4", &[]), "Rocky Linux:9|openssl", "rocky"),
        (distribution("amzn", "2018.03", &[]), "Amazon Linux:1|openssl-libs", "amazon"),
        (distribution("amzn", "2", &[]), "Amazon Linux:2|openssl-libs", "amazon"),
        (distribution("amzn", "2023", &[]), "Amazon Linux:2023|openssl-libs", "amazon"),
        (distribution("ol", "8.9", &[]), "Oracle Linux:8|openssl-libs", "oracle"),
        (distribution("photon", "4.0", &[]), "Photon OS:4.0|openssl", "photon"),
        (distribution("azurelinux", "3.0", &[]), "Azure Linux:3|openssl", "azurelinux"),
        (distribution("rhel", "9.4", &[]), "Red Hat:enterprise_linux:9::baseos|openssl-libs", "redhat"),
        (distribution("rhel", "10.0", &[]), "Red Hat:enterprise_linux:10|openssl-libs", "redhat"),
        (
            distribution("sles", "15.5", &[]),
            "SUSE:Linux Enterprise Module for Basesystem 15 SP5|openssl",
            "suse",
        ),
        (distribution("opensuse-leap", "15.6", &[]), "openSUSE:Leap 15.6|openssl", "opensuse"),
        (
            distribution("openEuler", "22.03", &[("VERSION", "22.03 (LTS-SP3)")]),
            "openEuler:22.03-LTS-SP3|openssl",
            "openeuler",
        ),
    ] {
        let keys = advisory_keys(&package, Some(&distribution));
        let first = keys.first().unwrap();
        assert_eq!(format!("{}|{}", first.ecosystem, first.name), key);
        assert_eq!(first.version, package.version);
        let expected = format!(
            "pkg:rpm/{namespace}/openssl-libs@3.0.7-2.el9?arch=x86_64&distro={}-{}&epoch=1",
            distribution.id, distribution.version
        );
        assert_eq!(package_url(&package, Some(&distribution)), expected);
    }
    for unknown in [distribution("amzn", "", &[]), distribution("", "", &[]), distribution("rhel", "", &[])] {
        assert_eq!(advisory_keys(&package, Some(&unknown)), []);
    }
    assert_eq!(advisory_keys(&package, None), []);
}

/// Real databases and what `rpm -qa` says of them, where the checkout has them beside it.
fn shared(path: &str) -> Option<Vec<u8>> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures").join(path);
    let bytes = fs::read(&file).ok();
    if bytes.is_none() {
        println!("skipped: {} is not there", file.display());
    }
    bytes
}

fn lines(facts: &Facts) -> BTreeSet<String> {
    let line = |package: &Package| {
        let source = if package.source_name.is_empty() { &package.name } else { &package.source_name };
        let vendor = package.properties.get("vendor").map_or("(none)", String::as_str);
        format!("{}|{}|{}|{source}|{vendor}", package.name, package.version, package.architecture)
    };
    facts.packages.iter().map(line).collect()
}

#[test]
fn amazon_linux_is_what_rpm_lists() {
    let expected = shared("expected/rpm-al2023.rpm-qa.tsv");
    for (fixture, path) in [
        ("rpm/amazonlinux2023.rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite"),
        ("rpm/al2023.generated-bdb-le.Packages", "var/lib/rpm/Packages"),
    ] {
        let (Some(expected), Some(bytes)) = (&expected, shared(fixture)) else { return };
        let facts = read(path, &bytes);
        assert_eq!(facts.problems, []);
        let expected: BTreeSet<String> =
            str::from_utf8(expected).unwrap().lines().map(expected_line).collect();
        assert_eq!(lines(&facts), expected);
        assert_eq!(facts.packages.len(), 103);
        assert!(facts.owned.iter().any(|path| path == "usr/bin/bash"));
    }
}

/// Name, epoch, version, release, architecture, source package, vendor.
fn expected_line(line: &str) -> String {
    let fields: Vec<_> = line.split('\t').collect();
    let epoch = if fields[1] == "(none)" { String::new() } else { format!("{}:", fields[1]) };
    let source = source_parts(fields[5]).map_or(fields[0], |(name, _, _)| name);
    let architecture = if fields[4] == "(none)" { "" } else { fields[4] };
    format!("{}|{epoch}{}-{}|{architecture}|{source}|{}", fields[0], fields[2], fields[3], fields[6])
}

#[test]
fn suse_is_what_rpm_lists() {
    let (Some(bytes), Some(expected)) =
        (shared("rpm/sle15-bci.Packages.db"), shared("expected/sle15-bci.packages.json"))
    else {
        return;
    };
    let facts = read("usr/lib/sysimage/rpm/Packages.db", &bytes);
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let expected: BTreeSet<String> = expected
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let epoch = u32::try_from(package["epoch"].as_u64().unwrap_or(0)).unwrap();
            let name = text(&package["name"]);
            let source = text(&package["sourcerpm"]);
            let source = source_parts(&source).map_or(name.as_str(), |(name, _, _)| name);
            let version = evr(epoch, &text(&package["version"]), &text(&package["release"]));
            let vendor = text(&package["vendor"]);
            let vendor = if vendor.is_empty() { "(none)" } else { &vendor };
            format!("{name}|{version}|{}|{source}|{vendor}", text(&package["arch"]))
        })
        .collect();
    assert_eq!((lines(&facts), facts.problems), (expected, vec![]));
    assert_eq!(facts.packages.len(), 35);
}

#[test]
fn single_packages_of_berkeley_db_are_read() {
    for (fixture, name, version) in [
        ("rpm/htop-el8.Packages", "htop", "3.2.1-1.el8"),
        ("rpm/hello-epoch1.Packages", "hello", "1:0.0.1-rls"),
    ] {
        let Some(bytes) = shared(fixture) else { return };
        let facts = read("var/lib/rpm/Packages", &bytes);
        assert_eq!((names(&facts), &facts.problems), (vec![(name, version)], &vec![]));
    }
}

proptest! {
    /// Whatever is changed in a sound file, reading it ends without a panic.
    #[test]
    fn damage_never_panics(
        which in 0_usize..4,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..24),
    ) {
        let mut bytes = match which {
            0 => ndb(&headers()),
            1 => BdbWriter::file(Order::Little, &headers()).bytes(),
            2 => BdbWriter::file(Order::Big, &headers()).bytes(),
            _ => include_bytes!("../../../testdata/ecosystem/rpm/sqlite/root/usr/lib/sysimage/rpm/rpmdb.sqlite").to_vec(),
        };
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let facts = read("var/lib/rpm/Packages", &bytes);
        prop_assert!(!facts.packages.is_empty() || !facts.problems.is_empty());
    }
}
