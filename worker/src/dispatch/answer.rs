//! What a job comes to: whether it is this worker's at all, the verb that it asks for, the outcome that tells of it.

use futures::{FutureExt as _, future::BoxFuture};
use prost::Message as _;
use strata_proto::{
    WIRE_VERSION, subject,
    v1::{Job, Outcome, Resolved, ResolvedReference, job::Verb, outcome::Result as Answer},
};

use crate::{
    error::JobError,
    job::{self, Context, assess},
    ports::Token,
};

/// Whether a job is for workers of another analysis: the inventories that it makes or needs are not this worker's.
pub(super) fn is_foreign(context: &Context, job: &Job) -> bool {
    !job.analysis.is_empty() && job.analysis != context.fingerprint
}

pub(super) fn foreign(job: &Job) -> JobError {
    let (verb, analysis) = (subject::verb(job), &job.analysis);
    let message =
        format!("failed to carry out {verb} job {}: it is for workers with the analysis {analysis}", job.key);
    JobError::later(subject::OTHER_ANALYSIS, message)
}

pub(super) fn name_of(result: &Result<Answer, JobError>) -> &'static str {
    match result {
        Ok(Answer::Missing(_)) => "missing",
        Ok(_) => "ok",
        Err(error) => error.code,
    }
}

pub(super) fn poison(job: &Job, executions: u64) -> JobError {
    let what = match &job.verb {
        Some(Verb::Index(index)) => format!("layer {}", index.digest),
        Some(Verb::Assess(assess)) => format!("image {}", assess.image_digest),
        _ => format!("job {}", job.key),
    };
    JobError::never(
        "poison",
        format!("failed to analyse {what}: {executions} workers died or hung while they worked on it"),
    )
}

pub(super) fn carry_out<'a>(
    context: &'a Context,
    token: &'a Token,
    job: &'a Job,
) -> BoxFuture<'a, Result<Answer, JobError>> {
    let work = async move {
        match &job.verb {
            Some(Verb::List(list)) => {
                job::list::list(context.images.as_ref(), &context.turn, list).await.map(Answer::Listed)
            }
            Some(Verb::Resolve(resolve)) => {
                let cache = context.cache.as_ref();
                job::resolve::resolve(
                    context.images.as_ref(),
                    cache,
                    &context.turn,
                    (&context.fingerprint, context.in_parts.is_some()),
                    &job.scan_id,
                    resolve,
                )
                .await
                .map(|resolved| Resolved {
                    fingerprint: context.report_fingerprint(),
                    assessor: strata_analysis::assess::assessor(),
                    references: fitting(resolved.references),
                })
                .map(Answer::Resolved)
            }
            Some(Verb::Index(index)) => {
                job::index::index(context, token, &job.scan_id, index).await.map(Answer::Indexed)
            }
            Some(Verb::Assess(assess)) => assess::assess(context, assess).await.map(assessed),
            Some(Verb::Bundle(_)) => Err(malformed(job, "a bundle is in no bundle")),
            None => Err(malformed(job, "it has no verb")),
        }
    };
    // A bug in a job must cost that job alone.
    let work = std::panic::AssertUnwindSafe(work).catch_unwind();
    Box::pin(async move {
        let panicked = || format!("failed to carry out job {}: it panicked; please report it", job.key);
        work.await.unwrap_or_else(|_| Err(JobError::never("panic", panicked())))
    })
}

/// What an assessment answers.
pub(super) fn assessed(outcome: assess::Outcome) -> Answer {
    match outcome {
        assess::Outcome::Assessed(assessed) => Answer::Assessed(assessed),
        assess::Outcome::Missing(missing) => Answer::Missing(missing),
    }
}

fn malformed(job: &Job, why: &str) -> JobError {
    JobError::never("malformed", format!("failed to read job {}: {why}", job.key))
}

/// As many as one message has room for, and at least one. The coordinator asks for the others again.
fn fitting(mut references: Vec<ResolvedReference>) -> Vec<ResolvedReference> {
    const ROOM: usize = 640 << 10;
    let mut bytes = 0_usize;
    let mut fits = |reference: &&ResolvedReference| {
        bytes = bytes.saturating_add(reference.encoded_len());
        bytes <= ROOM
    };
    let count = references.iter().take_while(|reference| fits(reference)).count();
    references.truncate(count.max(1));
    references
}

pub(super) fn outcome(job: &Job, context: &Context, result: Result<Answer, JobError>) -> Outcome {
    let answer = result.unwrap_or_else(|error| {
        if [subject::OTHER_ANALYSIS, subject::APART, subject::BUNDLE_DIED].contains(&error.code) {
            // Half of all jobs during an upgrade, and nothing that an operator could do.
            tracing::debug!(code = error.code, "{}", error.message);
        } else {
            tracing::info!(code = error.code, later = error.later, "{}", error.message);
        }
        Answer::Failure(error.to_failure())
    });
    Outcome {
        key: job.key.clone(),
        scan_id: job.scan_id.clone(),
        wire_version: WIRE_VERSION,
        worker: context.name.clone(),
        analysis: context.fingerprint.clone(),
        bundles: true,
        result: Some(answer),
        ..Outcome::default()
    }
}

#[cfg(test)]
mod tests {
    use strata_proto::v1::{Failure, resolved_reference};

    use super::*;

    #[test]
    fn an_answer_fits_a_message_and_is_never_empty() {
        let reference = |size: usize| ResolvedReference {
            reference: "r/a:1".to_owned(),
            result: Some(resolved_reference::Result::Failure(Failure {
                message: "x".repeat(size),
                ..Failure::default()
            })),
        };
        for (sizes, kept) in [
            (vec![], 0),
            (vec![10; 128], 128),
            (vec![100 << 10; 10], 6),
            (vec![2 << 20, 10], 1),
            (vec![10, 2 << 20], 1),
        ] {
            let references: Vec<_> = sizes.iter().map(|size| reference(*size)).collect();
            assert_eq!(fitting(references.clone()), references[..kept], "{sizes:?}");
        }
    }
}
