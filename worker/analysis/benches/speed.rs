//! How fast the core answers: look-ups, the assessment of an image of 400 packages, version orders, CVSS, and the pieces whose
//! instructions `strata-counts` counts: the tar walk, parsers, squash, match.
//!
//! The database is compiled from the advisories in `../shared/data/osv-export.tar` beside the repository, or, where that
//! is absent, from those of the test cases; the bench says which.

#![expect(clippy::disallowed_methods, reason = "measurements read their data from files")]
#![expect(clippy::disallowed_macros, clippy::print_stdout, reason = "measurements say what they measure")]
#![expect(clippy::unwrap_used, reason = "a measurement without its data is none")]

#[path = "../../counts/src/cases.rs"]
mod cases;
#[path = "speed/data.rs"]
mod data;

use std::{fs, hint::black_box, path::Path};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use strata_analysis::{
    assess::assess,
    cvss,
    database::Database,
    ecosystem,
    model::{Contents, Distribution, Installed, Package},
    version,
};

/// Look-ups of one round.
const ROUND: usize = 100_000;
/// Packages of the image that is assessed: a usual size.
const PACKAGES: usize = 400;

fn look_ups(criterion: &mut Criterion) {
    let data = data::compiled();
    let database = Database::open(&data.bytes).unwrap();
    println!(
        "database: {}, {} advisories, {} keys, {} bytes",
        data.source,
        database.advisory_count(),
        database.key_count(),
        data.bytes.len()
    );
    let hits: Vec<&(String, String)> = data.keys.iter().cycle().step_by(7).take(ROUND).collect();
    let misses: Vec<(String, String)> =
        hits.iter().map(|(ecosystem, name)| (ecosystem.clone(), format!("{name}-none"))).collect();
    let mut group = criterion.benchmark_group("look-up");
    group.throughput(Throughput::Elements(ROUND.try_into().unwrap()));
    group.bench_function("known packages", |bencher| {
        bencher.iter(|| {
            let found = |key: &&&(String, String)| database.lookup(&key.0, &key.1).unwrap().is_some();
            assert_eq!(hits.iter().filter(found).count(), ROUND);
        });
    });
    group.bench_function("unknown packages", |bencher| {
        bencher.iter(|| {
            let found = |key: &&(String, String)| database.lookup(&key.0, &key.1).unwrap().is_some();
            assert_eq!(misses.iter().filter(found).count(), 0);
        });
    });
    group.bench_function("known packages, every entry read", |bencher| {
        bencher.iter(|| {
            let entries = hits.iter().map(|key| database.lookup(&key.0, &key.1).unwrap().unwrap().count());
            black_box(entries.sum::<usize>())
        });
    });
    group.finish();
    criterion
        .bench_function("open", |bencher| bencher.iter(|| Database::open(black_box(&data.bytes)).unwrap()));
    images(criterion, &data, &database);
}

/// An image of Debian's packages at one version each.
fn image(names: &[&String], version: impl Fn(usize) -> String) -> Contents {
    let row = ecosystem::by_name("dpkg").unwrap();
    let installed = |(index, name): (usize, &&String)| Installed {
        package: Package { name: (*name).clone(), version: version(index), ..Package::default() },
        ecosystem: row.name,
        purl: String::new(),
        file: "var/lib/dpkg/status".to_owned(),
        layer: 0,
    };
    let distribution = Distribution { id: "debian".into(), version: "12".into(), ..Distribution::default() };
    Contents {
        distribution: Some(distribution),
        packages: names.iter().enumerate().map(installed).collect(),
        problems: Vec::new(),
    }
}

fn images(criterion: &mut Criterion, data: &data::Data, database: &Database<'_>) {
    let mut debian: Vec<&String> =
        data.keys.iter().filter(|key| key.0 == "Debian:12").map(|key| &key.1).collect();
    // What no advisory names is part of every image too: a fifth, or all that is missing.
    let others: Vec<String> = (0..PACKAGES).map(|number| format!("nothing-known-{number}")).collect();
    debian.truncate(PACKAGES * 4 / 5);
    let names: Vec<&String> = debian.into_iter().chain(&others).take(PACKAGES).collect();
    let mut group = criterion.benchmark_group("assess 400 packages");
    for (what, contents) in [
        ("up to date", image(&names, |_| "99:1.0-1".to_owned())),
        ("some old", image(&names, |index| if index % 20 == 0 { "0~1" } else { "99:1.0-1" }.to_owned())),
        ("all old", image(&names, |_| "0~1".to_owned())),
    ] {
        let findings = assess(&contents, database).findings.len();
        group.bench_function(format!("{what}, {findings} findings"), |bencher| {
            bencher.iter(|| assess(black_box(&contents), database));
        });
    }
    group.finish();
}

/// The pairs of a file of vectors: `a < b`.
fn pairs(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with("//"));
    lines
        .filter_map(|line| match line.split(' ').collect::<Vec<_>>().as_slice() {
            [a, _, b] => Some((*a, *b)),
            _ => None,
        })
        .collect()
}

fn versions(criterion: &mut Criterion) {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/version");
    let mut group = criterion.benchmark_group("compare");
    for scheme in version::TABLE {
        let text = fs::read_to_string(testdata.join(format!("{}.txt", scheme.name))).unwrap();
        let pairs = pairs(&text);
        group.throughput(Throughput::Elements(pairs.len().try_into().unwrap()));
        group.bench_function(scheme.name, |bencher| {
            bencher.iter(|| pairs.iter().filter(|(a, b)| (scheme.compare)(a, b).is_some()).count());
        });
    }
    group.finish();
}

fn scores(criterion: &mut Criterion) {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cvss.txt");
    let text = fs::read_to_string(testdata).unwrap();
    let vectors: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("//"))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let mut group = criterion.benchmark_group("cvss");
    group.throughput(Throughput::Elements(vectors.len().try_into().unwrap()));
    group.bench_function("base score", |bencher| {
        bencher.iter(|| vectors.iter().filter_map(|vector| cvss::base_score_tenths(vector)).count());
    });
    group.finish();
}

fn pieces(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("piece");
    for case in cases::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")) {
        group.throughput(Throughput::Elements(case.elements));
        group.bench_function(case.name, |bencher| bencher.iter(|| (case.work)()));
    }
    group.finish();
}

criterion_group!(benches, look_ups, versions, scores, pieces);
criterion_main!(benches);
