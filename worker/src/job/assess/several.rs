//! Several images that came together: what they share is decoded once, they take one turn on the processors, and their reports go
//! to the cache in one request.

use std::collections::HashSet;

use bytes::Bytes;
use futures::future::join_all;
use strata_proto::v1;

use super::{Decoded, Gathered, Outcome, Work, gather};
use crate::{
    compute,
    error::JobError,
    job::{Context, patiently},
    measure,
};

/// Compressed inventories that images may have which take one turn: some milliseconds, and what is decoded is held meanwhile.
const TURN: usize = 256 << 10;

/// A report in its parcel.
type Made = Result<(v1::Assessed, Bytes), JobError>;

/// As [`super::assess()`], of several images; the answers are in their order.
pub async fn several(context: &Context, jobs: &[&v1::AssessJob]) -> Vec<Result<Outcome, JobError>> {
    let gathered = join_all(jobs.iter().map(|job| gather(context, job))).await;
    let (mut answers, mut works) = (Vec::new(), Vec::new());
    for (place, gathered) in gathered.into_iter().enumerate() {
        answers.push(match gathered {
            Ok(Gathered::Work(work)) => {
                works.push((place, *work));
                None
            }
            Ok(Gathered::Missing(missing)) => Some(Ok(Outcome::Missing(missing))),
            Err(error) => Some(Err(error)),
        });
    }
    for turn in turns(works) {
        for (place, made) in take(context, turn).await {
            if let Some(answer) = answers.get_mut(place) {
                *answer = Some(made.map(Outcome::Assessed));
            }
        }
    }
    let unanswered = || Err(JobError::later("compute", "failed to assess: the work has no answer"));
    answers.into_iter().map(|answer| answer.unwrap_or_else(unanswered)).collect()
}

/// Cuts work into turns, in order.
fn turns(works: Vec<(usize, Work)>) -> Vec<Vec<(usize, Work)>> {
    let mut turns: Vec<Vec<(usize, Work)>> = Vec::new();
    let (mut known, mut bytes) = (HashSet::new(), 0_usize);
    for (place, work) in works {
        let fresh =
            |(layer, packed): &(String, Bytes)| if known.insert(layer.clone()) { packed.len() } else { 0 };
        bytes = bytes.saturating_add(work.layers.iter().map(fresh).sum());
        match turns.last_mut() {
            Some(turn) if bytes <= TURN => turn.push((place, work)),
            _ => {
                known = work.layers.iter().map(|(layer, _)| layer.clone()).collect();
                bytes = work.layers.iter().map(|(_, packed)| packed.len()).sum();
                turns.push(vec![(place, work)]);
            }
        }
    }
    turns
}

/// Makes the reports of one turn and puts them down.
async fn take(context: &Context, turn: Vec<(usize, Work)>) -> Vec<(usize, Result<v1::Assessed, JobError>)> {
    let places: Vec<usize> = turn.iter().map(|(place, _)| *place).collect();
    let names: Vec<&str> = turn.iter().map(|(_, work)| work.facts.image_digest.as_str()).collect();
    let names = names.join(", ");
    let work = move || {
        let mut decoded = Decoded::default();
        let mut made = Vec::with_capacity(turn.len());
        for (_, work) in turn {
            let name = work.facts.image_digest.clone();
            // One that cannot be assessed costs itself alone.
            made.push(compute::caught(&name, || work.report(&mut decoded)).unwrap_or_else(Err));
        }
        made
    };
    let mut context = context.clone();
    context.turn = context.turn.another();
    let made: Vec<Made> = match context.compute(&names, work).await {
        Ok(made) => made,
        Err(error) => places.iter().map(|_| Err(error.clone())).collect(),
    };
    let made = put_down(&context, made).await;
    places.into_iter().zip(made).collect()
}

/// Puts reports down: all at once, and where that fails each by itself, for it may be one that is refused.
async fn put_down(context: &Context, made: Vec<Made>) -> Vec<Result<v1::Assessed, JobError>> {
    let parcels: Vec<(&str, Bytes)> =
        made.iter().flatten().map(|(assessed, parcel)| (assessed.parcel.as_str(), parcel.clone())).collect();
    let together = match parcels.is_empty() {
        true => Ok(()),
        false => context.cache.put_parcels(&parcels).await,
    };
    if let Err(error) = &together {
        tracing::debug!(%error, "reports are put down one by one");
    }
    let done = together.is_ok();
    let put = |made: Made| async move {
        let (assessed, parcel) = made?;
        if !done {
            patiently(|| context.cache.put_parcel(&assessed.parcel, parcel.clone())).await?;
        }
        measure::image_assessed();
        Ok(assessed)
    };
    join_all(made.into_iter().map(put)).await
}

#[cfg(test)]
mod tests;
