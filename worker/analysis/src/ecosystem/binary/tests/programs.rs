//! The cases of `programs.txt`: Go programs, made of what the linker would leave in them.

use super::{Limits, ROW, advisory_keys, package_url, parse};
use crate::{
    ecosystem::{Facts, File},
    model::Package,
};

const PROGRAMS: &str = include_str!("../../../../testdata/ecosystem/binary/programs.txt");
const ADDRESS: u64 = 0x40_0000;

/// Where parts of the file stand: after its header and that of its one segment.
#[derive(Default)]
struct Linker {
    bytes: Vec<u8>,
    sections: Vec<(&'static str, usize, usize)>,
}

impl Linker {
    fn add(&mut self, bytes: &[u8]) -> usize {
        while !self.bytes.len().is_multiple_of(16) {
            self.bytes.push(0);
        }
        let at = self.bytes.len();
        self.bytes.extend(bytes);
        at
    }

    fn section(&mut self, name: &'static str, bytes: &[u8]) {
        let at = self.add(bytes);
        self.sections.push((name, at, bytes.len()));
    }

    /// Headers of an ELF file of 64 bits with one segment, the whole file.
    fn link(mut self) -> Vec<u8> {
        let names: Vec<u8> =
            self.sections.iter().flat_map(|(name, ..)| [name.as_bytes(), b"\0"].concat()).collect();
        self.section(".shstrtab", &[&names[..], b".shstrtab\0"].concat());
        let mut table = Vec::new();
        let mut name = 0_u32;
        for (text, at, length) in &self.sections {
            table.extend([name.to_le_bytes(), 1_u32.to_le_bytes()].concat());
            let fields = [0, ADDRESS + *at as u64, *at as u64, *length as u64, 0, 0, 0];
            table.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
            name += u32::try_from(text.len() + 1).unwrap();
        }
        let at = self.add(&table);
        let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
        header.extend([0_u64, 64, at as u64].iter().flat_map(|field| field.to_le_bytes()));
        header.extend(0_u32.to_le_bytes());
        let count = u16::try_from(self.sections.len()).unwrap();
        header.extend([64_u16, 56, 1, 64, count, count - 1].iter().flat_map(|field| field.to_le_bytes()));
        header.extend([1_u32, 5].iter().flat_map(|field| field.to_le_bytes()));
        let length = self.bytes.len() as u64;
        header
            .extend([0, ADDRESS, ADDRESS, length, length, 4096].iter().flat_map(|field| field.to_le_bytes()));
        self.bytes[..header.len()].copy_from_slice(&header);
        self.bytes
    }
}

fn program(record: &str, variables: &str) -> Vec<u8> {
    let mut linker = Linker { bytes: vec![0; 128], ..Linker::default() };
    let lines: String = record
        .split(';')
        .filter(|line| *line != "-")
        .map(|line| {
            let mut fields = line.splitn(if line.starts_with("build") { 2 } else { 3 }, ' ');
            [(); 3].map(|()| fields.next().unwrap_or_default()).join("\t") + "\n"
        })
        .collect();
    let mark = "0123456789abcdef";
    let modules = if lines.is_empty() { String::new() } else { format!("{mark}{lines}{mark}") };
    let mut info = b"\xff Go buildinf:\x08\x02".to_vec();
    info.resize(32, 0);
    for text in ["go1.22.1", &modules] {
        info.extend([
            u8::try_from(text.len() & 0x7f).unwrap() | 0x80,
            u8::try_from(text.len() >> 7).unwrap(),
        ]);
        info.extend(text.as_bytes());
    }
    linker.section(".go.buildinfo", &info);
    if let Some(version) = variables.strip_prefix("linked:") {
        linker.add(format!("\0{version}\0\0go1.22.1\0").as_bytes());
    }
    let mut words = Vec::new();
    for text in variables.split(',') {
        let text = if text == "e" { String::new() } else { text.replace("\\n", "\n") };
        let at = linker.add(text.as_bytes());
        words.extend([ADDRESS + at as u64, text.len() as u64].iter().flat_map(|word| word.to_le_bytes()));
    }
    linker.section(".data", &words);
    linker.link()
}

fn read(name: &str, bytes: &[u8]) -> Option<Package> {
    let mut facts = Facts::default();
    parse(File { path: &format!("usr/local/bin/{name}"), bytes, limits: &Limits::default() }, &mut facts);
    assert!(facts.problems.is_empty() && facts.packages.len() < 2, "{facts:?}");
    facts.packages.pop()
}

#[test]
fn every_program_tells_its_product() {
    let cases = PROGRAMS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut count = 0;
    for line in cases {
        let mut fields = line.split('\t');
        let [product, name, version, module, record, variables] = [(); 6].map(|()| fields.next().unwrap());
        let found = read(name, &program(record, variables));
        let told = found.as_ref().map(|found| {
            let module = found.properties.get("module").map_or("", String::as_str);
            (found.name.as_str(), found.version.as_str(), module)
        });
        assert_eq!(told, (version != "-").then_some((product, version, module)), "{line}");
        count += 1;
    }
    assert!(count > 15, "{count}");
}

#[test]
fn a_program_is_a_module_to_advisories_and_a_product() {
    for (product, version, module, url, expected) in [
        (
            "etcd",
            "3.4.23",
            "go.etcd.io/etcd",
            "pkg:golang/go.etcd.io/etcd@v3.4.23",
            &["Bitnami etcd", "Go go.etcd.io/etcd", "Go go.etcd.io/etcd/v3"][..],
        ),
        (
            "traefik",
            "3.0.4",
            "github.com/traefik/traefik/v3",
            "pkg:golang/github.com/traefik/traefik/v3@v3.0.4",
            &["Go github.com/traefik/traefik/v3"],
        ),
        (
            "consul",
            "1.8.7",
            "github.com/hashicorp/consul",
            "pkg:golang/github.com/hashicorp/consul@v1.8.7",
            &["Bitnami consul", "Go github.com/hashicorp/consul"],
        ),
    ] {
        let package = Package::plain(product, version).with("module", module);
        let keys = advisory_keys(&package, None);
        let keys: Vec<String> = keys.iter().map(|key| format!("{} {}", key.ecosystem, key.name)).collect();
        assert_eq!(
            (package_url(&package, None).as_str(), keys),
            (url, expected.iter().map(|key| (*key).to_owned()).collect())
        );
        assert!((ROW.order.compare)(version, "3.0.1-rc.1").is_some());
    }
}
