//! The cold index of one layer against the least that it can cost: decompression and the digest of the same bytes.
//!
//! `cargo bench -p strata-worker --bench cold -- LAYER…` takes files or an OCI layout's `blobs/sha256`; without any, a layer of
//! the synthetic registry is measured. Both sides run in turn, so that other load on the machine meets both.

#![expect(clippy::print_stdout, reason = "measurements say what they measure")]
#![expect(clippy::unwrap_used, reason = "a measurement without its data is none")]

#[path = "layers/bare.rs"]
mod bare;
#[path = "layers/blobs.rs"]
mod blobs;
#[path = "layers/clock.rs"]
mod clock;
#[path = "layers/median.rs"]
mod median;
#[path = "layers/worker.rs"]
mod worker;

use std::{collections::HashMap, sync::Arc};

use bare::bare;
use blobs::Layer;
use clock::{Took, took};
use median::median;
use worker::Layers;

/// Pairs of one layer, after one that does not count.
const PAIRS: usize = 15;

fn main() {
    let mut layers = blobs::named(&blobs::arguments());
    if layers.is_empty() {
        layers = blobs::synthetic(1, 8 << 20);
        layers.sort_by_key(|layer| std::cmp::Reverse(layer.bytes.len()));
        layers.truncate(1);
    }
    println!(
        "{PAIRS} pairs each; wall and CPU milliseconds are medians, ratios are medians of the pairs' ratios"
    );
    println!(
        "layer         format  stored MB  tar MB  bare wall  bare cpu  index wall  index cpu  wall ratio  cpu ratio"
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for layer in &layers {
        compare(&runtime, layer);
    }
}

fn compare(runtime: &tokio::runtime::Runtime, layer: &Layer) {
    let open = HashMap::from([(layer.digest.clone(), layer.open())]);
    let images = Arc::new(Layers(open));
    let (mut bares, mut indexes): (Vec<Took>, Vec<Took>) = Default::default();
    let mut tar_bytes = 0;
    for pair in 0..=PAIRS {
        let context = worker::context(&images);
        let bare = || took(|| bare(layer));
        let index = || took(|| runtime.block_on(worker::run(&context, &layer.digest)));
        // Who goes first alternates.
        let (bare, index) = if pair % 2 == 0 {
            let bare = bare();
            (bare, index().0)
        } else {
            let index = index().0;
            (bare(), index)
        };
        tar_bytes = bare.1;
        if pair > 0 {
            bares.push(bare.0);
            indexes.push(index);
        }
    }
    let of = |side: &[Took], figure: fn(&Took) -> f64| median(side.iter().map(figure).collect());
    let ratio = |figure: fn(&Took) -> f64| {
        median(indexes.iter().zip(&bares).map(|(index, bare)| figure(index) / figure(bare)).collect())
    };
    let format = if layer.bytes.starts_with(&[0x1f, 0x8b]) { "gzip" } else { "zstd" };
    println!(
        "{:12}  {format:6}  {:9.1}  {:6.1}  {:9.1}  {:8.1}  {:10.1}  {:9.1}  {:10.3}  {:9.3}",
        layer.name,
        megabytes(layer.bytes.len()),
        megabytes(tar_bytes),
        of(&bares, |took| took.wall * 1e3),
        of(&bares, |took| took.cpu * 1e3),
        of(&indexes, |took| took.wall * 1e3),
        of(&indexes, |took| took.cpu * 1e3),
        ratio(|took| took.wall),
        ratio(|took| took.cpu),
    );
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
