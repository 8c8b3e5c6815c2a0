//! How many jobs make a bundle: so many that every slot of the workers gets its share, within bounds.

use prost::Message as _;
use strata_proto::v1::job::Verb;

use super::Outbound;

/// Jobs in one bundle.
const MOST: usize = 16;
/// Bytes of one message, a quarter of what it may have.
const MESSAGE: usize = 256 << 10;
/// Stored bytes of the layers of one bundle.
const LAYERS: u64 = 2 << 20;

/// Jobs in one bundle, where so many are published at once to workers with so many slots.
pub(super) fn most(jobs: usize, slots: usize) -> usize {
    jobs.div_ceil(slots.max(1)).clamp(1, MOST)
}

/// Cuts jobs into bundles, in order.
pub(super) fn cut(jobs: Vec<Outbound>, most: usize) -> Vec<Vec<Outbound>> {
    let mut bundles: Vec<Vec<Outbound>> = Vec::new();
    let (mut message, mut layers) = (0_usize, 0_u64);
    for out in jobs {
        let (length, layer) = (out.job.encoded_len(), stored(&out));
        message = message.saturating_add(length);
        layers = layers.saturating_add(layer);
        match bundles.last_mut() {
            Some(last) if last.len() < most && message <= MESSAGE && layers <= LAYERS => last.push(out),
            _ => {
                (message, layers) = (length, layer);
                bundles.push(vec![out]);
            }
        }
    }
    bundles
}

fn stored(out: &Outbound) -> u64 {
    match &out.job.verb {
        Some(Verb::Index(index)) => index.size,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use strata_proto::{
        trace::TraceHeaders,
        v1::{AssessJob, IndexJob, Job},
    };

    use super::*;

    fn out(verb: Verb) -> Outbound {
        let job = Job { verb: Some(verb), ..Job::default() };
        Outbound { job: Box::new(job), trace: TraceHeaders::default(), small: true }
    }

    fn layer(size: u64) -> Outbound {
        out(Verb::Index(IndexJob { size, ..IndexJob::default() }))
    }

    fn image(layers: usize) -> Outbound {
        out(Verb::Assess(AssessJob { layers: vec!["x".repeat(71); layers], ..AssessJob::default() }))
    }

    #[test]
    fn every_slot_gets_its_share() {
        for (jobs, slots, each) in [
            (0, 6, 1),
            (1, 6, 1),
            (6, 6, 1),
            (7, 6, 2),
            (64, 6, 11),
            (96, 12, 8),
            (1_000, 12, 16),
            (5, 0, 5),
            (90, 0, 16),
        ] {
            assert_eq!(most(jobs, slots), each, "{jobs} {slots}");
        }
    }

    #[test]
    fn bundles_are_within_their_bounds() {
        let layers = |sizes: &[u64]| sizes.iter().map(|size| layer(*size)).collect::<Vec<_>>();
        for (jobs, most, expected) in [
            (vec![], 4, vec![]),
            (layers(&[1]), 4, vec![1]),
            (layers(&[1; 9]), 4, vec![4, 4, 1]),
            (layers(&[1; 3]), 1, vec![1, 1, 1]),
            (layers(&[256 << 10; 16]), 16, vec![8, 8]),
            (layers(&[1 << 20, (1 << 20) + 1, 1, 1 << 30, 1]), 16, vec![1, 2, 1, 1]),
            ((0..5).map(|_| image(1_500)).collect(), 16, vec![2, 2, 1]),
            ((0..2).map(|_| image(5_000)).collect(), 16, vec![1, 1]),
        ] {
            let count = jobs.len();
            let lengths: Vec<usize> = cut(jobs, most).iter().map(Vec::len).collect();
            assert_eq!(lengths, expected, "{count} jobs, {most} at most");
        }
    }
}
