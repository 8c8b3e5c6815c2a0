//! The cold index of one layer against the least that it can cost: decompression and the digest of the same bytes.
//!
//! `cargo bench -p strata-worker --bench cold -- LAYER…` takes files or an OCI layout's `blobs/sha256`; without any, a layer of
//! the synthetic registry is measured. Both sides run in turn, so that other load on the machine meets both.

#![expect(clippy::print_stdout, reason = "measurements say what they measure")]
#![expect(clippy::unwrap_used, reason = "a measurement without its data is none")]

#[path = "layers/blobs.rs"]
mod blobs;
#[path = "layers/clock.rs"]
mod clock;
#[path = "layers/median.rs"]
mod median;
#[path = "layers/worker.rs"]
mod worker;

use std::{
    collections::HashMap,
    io::{BufReader, Read},
    sync::Arc,
};

use blobs::Layer;
use clock::{Took, took};
use median::median;
use sha2::{Digest as _, Sha256};
use strata_proto::digest::Digest;
use worker::Layers;

/// Pairs of one layer, after one that does not count.
const PAIRS: usize = 15;
/// Bytes that the bare side reads and writes at once: what was measured as the fastest.
const READ: usize = 128 << 10;
const CHUNK: usize = 256 << 10;

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

/// Decompresses the layer and checks its digest, and nothing else. Returns the tar's bytes.
fn bare(layer: &Layer) -> usize {
    let mut hashing = Hashing { bytes: &layer.bytes, hasher: Sha256::new() };
    let buffered = BufReader::with_capacity(READ, &mut hashing);
    let mut tar: Box<dyn Read> = if layer.bytes.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(buffered))
    } else {
        Box::new(zstd::stream::read::Decoder::with_buffer(buffered).unwrap())
    };
    let (mut buffer, mut total) = (vec![0; CHUNK], 0);
    loop {
        match tar.read(&mut buffer).unwrap() {
            0 => break,
            read => total += read,
        }
    }
    drop(tar);
    let digest = Digest::from_bytes(hashing.hasher.finalize().into()).to_string();
    assert_eq!(digest, layer.digest, "the digest of {}", layer.name);
    total
}

struct Hashing<'a> {
    bytes: &'a [u8],
    hasher: Sha256,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap());
        Ok(read)
    }
}
