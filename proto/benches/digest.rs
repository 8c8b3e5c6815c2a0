//! Digests to text and back: the planner and the cache do it for every layer of every image.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use strata_proto::digest::Digest;

fn digests(criterion: &mut Criterion) {
    let digest = Digest::of(b"a layer");
    let text = digest.to_string();
    let mut group = criterion.benchmark_group("digest");
    group.throughput(Throughput::Elements(1));
    group.bench_function("hex", |bencher| bencher.iter(|| black_box(&digest).hex()));
    group.bench_function("to text", |bencher| bencher.iter(|| black_box(&digest).to_string()));
    group.bench_function("from text", |bencher| bencher.iter(|| black_box(&text).parse::<Digest>()));
    group.finish();
}

criterion_group!(benches, digests);
criterion_main!(benches);
