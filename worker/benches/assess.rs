//! What a report costs a worker that has everything at hand: inventories from a cache in this process, squash, match, the report
//! compressed and put down. One image by itself, and sixteen as they come in a bundle: the worker's own limit, without a queue,
//! a server or a registry. Images are the synthetic registry's, the advisories those of the demonstration.

#![expect(clippy::print_stdout, reason = "measurements say what they measure")]
#![expect(clippy::unwrap_used, reason = "a measurement without its data is none")]

#[expect(dead_code, reason = "other benches read files, too")]
#[path = "layers/blobs.rs"]
mod blobs;
#[path = "layers/worker.rs"]
mod worker;

use std::{collections::HashMap, io::Write as _, sync::Arc};

use async_trait::async_trait;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use strata_analysis::database::Builder;
use strata_loadtest::{
    ADVISORIES,
    content::{Plan, Store as _, Synthetic},
};
use strata_proto::v1::{AssessJob, ImageFacts, Layer};
use strata_worker::{
    advisories::DatabaseFile,
    cache::{memory::MemoryCache, shelf::Shelf},
    error::JobError,
    job::{Context, assess},
    ports::{Advisories, InventoryCache as _},
};
use tokio::runtime::Runtime;

/// Images, and those of one bundle.
const IMAGES: u32 = 64;
const TOGETHER: usize = 16;
/// Mean bytes of a layer, as in `strata-loadtest run`.
const LAYER: u64 = 16 << 10;
const PLATFORM: &str = "linux/amd64";

struct One(Arc<DatabaseFile>);

#[async_trait]
impl Advisories for One {
    async fn database(&self, _: &str) -> Result<Option<Arc<DatabaseFile>>, JobError> {
        Ok(Some(Arc::clone(&self.0)))
    }
}

fn database() -> Arc<DatabaseFile> {
    let mut builder = Builder::default();
    for (path, json) in ADVISORIES {
        builder.add(path, json.as_bytes());
    }
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&builder.finish().unwrap().bytes).unwrap();
    Arc::new(DatabaseFile::of(&file, "bench").unwrap())
}

/// A worker that has read all images, and the jobs to assess them.
fn prepared(runtime: &Runtime) -> (Context, Shelf, Vec<AssessJob>) {
    let layers = blobs::synthetic(IMAGES, LAYER);
    let opens = layers.iter().map(|layer| (layer.digest.clone(), layer.open()));
    let opens = Arc::new(worker::Layers(opens.collect::<HashMap<_, _>>()));
    let cache = Arc::new(MemoryCache::new());
    let mut context = worker::context(&opens);
    context.cache = cache.clone();
    context.advisories = Arc::new(One(database()));
    runtime.block_on(async {
        for layer in &layers {
            worker::run(&context, &layer.digest).await;
        }
    });
    let store = Synthetic::new(Plan::scaled(IMAGES, LAYER));
    let mut jobs = Vec::new();
    for repository in store.repositories(None, usize::MAX) {
        for tag in store.tags(&repository, None, usize::MAX).unwrap().unwrap_or_default() {
            let manifest = store.manifest(&repository, &tag).unwrap().unwrap();
            let json: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
            let digests = json.get("layers").and_then(|layers| layers.as_array()).into_iter().flatten();
            let digests: Vec<String> =
                digests.map(|layer| layer.get("digest").unwrap().as_str().unwrap().to_owned()).collect();
            let image_digest = manifest.digest.to_string();
            let layer = |digest: &String| Layer { digest: digest.clone(), ..Layer::default() };
            let facts = ImageFacts {
                image_digest: image_digest.clone(),
                layers: digests.iter().map(layer).collect(),
                ..ImageFacts::default()
            };
            runtime.block_on(cache.keep_image(&image_digest, PLATFORM, &facts)).unwrap();
            let platform = PLATFORM.to_owned();
            jobs.push(AssessJob { image_digest, platform, layers: digests, ..AssessJob::default() });
        }
    }
    (context, cache.shelf(), jobs)
}

fn assessing(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (context, shelf, jobs) = prepared(&runtime);
    let assessed = |outcome: Result<assess::Outcome, JobError>| match outcome.unwrap() {
        assess::Outcome::Assessed(assessed) => {
            shelf.discard(&assessed.parcel);
            assessed
        }
        assess::Outcome::Missing(missing) => panic!("{missing:?} is missing"),
    };
    let all = runtime.block_on(async {
        let mut all = Vec::new();
        for job in &jobs {
            all.push(assessed(assess::assess(&context, job).await));
        }
        all
    });
    let packages: u64 = all.iter().map(|assessed| assessed.packages).sum();
    let layers: usize = jobs.iter().map(|job| job.layers.len()).sum();
    println!("{} images, {layers} layer references, {packages} packages in all", jobs.len());
    let mut next = jobs.iter().cycle();
    let mut group = criterion.benchmark_group("assess");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one image", |bencher| {
        bencher.iter_batched(
            || next.next().unwrap(),
            |job| assessed(runtime.block_on(assess::assess(&context, job))),
            BatchSize::SmallInput,
        );
    });
    let bundles: Vec<Vec<&AssessJob>> =
        jobs.chunks_exact(TOGETHER).map(|jobs| jobs.iter().collect()).collect();
    let mut next = bundles.iter().cycle();
    group.throughput(Throughput::Elements(TOGETHER.try_into().unwrap()));
    group.bench_function("sixteen images of a bundle", |bencher| {
        bencher.iter_batched(
            || next.next().unwrap(),
            |jobs| {
                let outcomes = runtime.block_on(assess::several(&context, jobs));
                outcomes.into_iter().map(assessed).map(|assessed| assessed.packages).sum::<u64>()
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, assessing);
criterion_main!(benches);
