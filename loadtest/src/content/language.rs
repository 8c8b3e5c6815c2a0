//! Language packages: what runtimes bring, what applications depend on, and what single builds change about it.
//! Formats: npm's package.json; Python's core metadata in `*.dist-info/METADATA` (packaging specifications).

use super::{
    entry::{Entry, PackageFact},
    layer::Runtime,
    plan::Plan,
};
use crate::random::{Random, mix};

const NODE: &str = include_str!("../../data/node.txt");
const PYTHON: &str = include_str!("../../data/python.txt");
const NODE_HOME: &str = "app/node_modules";
const PYTHON_HOME: &str = "usr/local/lib/python3.11/site-packages";

/// What a runtime brings along.
pub(crate) fn runtime(runtime: Runtime) -> Vec<Entry> {
    match runtime {
        Runtime::Node => {
            let home = "usr/local/lib/node_modules";
            vec![
                node(home, "npm", "10.2.3"),
                node(home, "corepack", "0.22.0"),
                node("usr/local/lib/node_modules/npm/node_modules", "semver", "7.5.4"),
                node("usr/local/lib/node_modules/npm/node_modules", "ansi-regex", "5.0.1"),
            ]
        }
        Runtime::Python => ["pip 23.2.1", "setuptools 65.5.1", "wheel 0.42.0"]
            .iter()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, version)| python(name, version))
            .collect(),
    }
}

/// One layer of an application's dependencies.
pub(crate) fn vendor(plan: &Plan, repository: u32, generation: u32, part: u32) -> Vec<Entry> {
    let Some(runtime) = plan.profile(repository).runtime else { return Vec::new() };
    dependencies(plan, repository, generation)
        .into_iter()
        .zip((0..plan.vendor_layers.max(1)).cycle())
        .filter(|(_, in_part)| *in_part == part)
        .map(|(package, _)| install(runtime, &package.name, &package.version))
        .collect()
}

/// What one build does to its dependencies: nothing, or it deletes one, upgrades one, adds a nested one, or replaces all.
pub(crate) fn change(plan: &Plan, repository: u32, build: u32) -> Vec<Entry> {
    let Some(runtime) = plan.profile(repository).runtime else { return Vec::new() };
    let dependencies = dependencies(plan, repository, Plan::generation(build));
    let Some(first) = dependencies.first() else { return Vec::new() };
    match (mix(plan.seed, &[20, repository.into(), build.into()]) % 5, runtime) {
        (0, _) => vec![Entry::whiteout(&directory(runtime, first))],
        (1, Runtime::Node) => vec![node(NODE_HOME, &first.name, "99.0.0")],
        (1, Runtime::Python) => {
            vec![Entry::whiteout(&directory(runtime, first)), python(&first.name, "99.0.0")]
        }
        (2, Runtime::Node) => vec![Entry::opaque(NODE_HOME), node(NODE_HOME, "lodash", "4.17.21")],
        (2, Runtime::Python) => vec![Entry::opaque(PYTHON_HOME), python("Jinja2", "3.1.2")],
        (3, Runtime::Node) => {
            vec![node(&format!("{NODE_HOME}/{}/node_modules", first.name), "qs", "6.5.2")]
        }
        _ => Vec::new(),
    }
}

/// The packages that one generation of an application depends on.
fn dependencies(plan: &Plan, repository: u32, generation: u32) -> Vec<PackageFact> {
    let catalogue = match plan.profile(repository).runtime {
        Some(Runtime::Node) => NODE,
        Some(Runtime::Python) => PYTHON,
        None => return Vec::new(),
    };
    let mut random = Random::new(plan.seed, &[21, repository.into(), generation.into()]);
    let mut packages = Vec::new();
    for line in catalogue.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let versions: Vec<&str> = words.collect();
        let version = random.pick(&versions).copied();
        if let Some(version) = version
            && random.chance(0.6)
        {
            packages.push(PackageFact { name: name.to_owned(), version: version.to_owned() });
        }
    }
    packages
}

fn install(runtime: Runtime, name: &str, version: &str) -> Entry {
    match runtime {
        Runtime::Node => node(NODE_HOME, name, version),
        Runtime::Python => python(name, version),
    }
}

fn directory(runtime: Runtime, package: &PackageFact) -> String {
    match runtime {
        Runtime::Node => format!("{NODE_HOME}/{}", package.name),
        Runtime::Python => dist_info(&package.name, &package.version),
    }
}

fn dist_info(name: &str, version: &str) -> String {
    format!("{PYTHON_HOME}/{}-{version}.dist-info", name.replace('-', "_"))
}

fn node(home: &str, name: &str, version: &str) -> Entry {
    let json = format!(
        "{{\n  \"name\": \"{name}\",\n  \"version\": \"{version}\",\n  \"description\": \"synthetic {name}\",\n  \
         \"main\": \"index.js\",\n  \"license\": \"MIT\",\n  \"dependencies\": {{}}\n}}\n"
    );
    Entry::file(format!("{home}/{name}/package.json"), json).saying("npm", vec![fact(name, version)])
}

fn python(name: &str, version: &str) -> Entry {
    let metadata = format!(
        "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: synthetic {name}\nAuthor: Nobody\n\
         License: MIT\nRequires-Python: >=3.7\n\nWritten by a generator.\nVersion: not a header\n"
    );
    let path = format!("{}/METADATA", dist_info(name, version));
    Entry::file(path, metadata).saying("python", vec![fact(name, version)])
}

fn fact(name: &str, version: &str) -> PackageFact {
    PackageFact { name: name.to_owned(), version: version.to_owned() }
}
