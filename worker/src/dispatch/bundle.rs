//! Several small jobs that came as one message: one delivery, one place among the jobs of this worker, one message of outcomes.
//!
//! A bundle that comes again was with a worker that died or stopped. Any of its jobs may have killed that one, so none is carried
//! out: each is answered and published by itself, where it is judged alone (`trial.rs`). If the worker died, that was an
//! execution of each.

mod shared;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use strata_proto::{
    subject,
    trace::{self, TraceHeaders},
    v1::{
        AssessJob, Bundle, Bundled, BundledJob, BundledOutcome, Job, Outcome, job::Verb,
        outcome::Result as Answer,
    },
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    CANCELLED, Config, Ports, Trial, Trials,
    answer::{assessed, carry_out, foreign, is_foreign, name_of, outcome},
    extend, publish, report_failure, span_of, told,
};
use crate::{
    error::JobError,
    job, measure,
    ports::{Claim, DeliveryHandle, InventoryCache, Token},
};

/// Jobs of one bundle at once: small layers wait for their registry more than they compute.
const AT_ONCE: usize = 4;
/// Jobs of one bundle; those beyond are not carried out, and asked for again.
const MOST: usize = 1_024;

/// A bundle in the hands of this worker.
pub(super) struct Parcel<'a> {
    job: &'a Job,
    members: Vec<Member>,
    token: &'a Token,
    handle: &'a dyn DeliveryHandle,
}

/// One of its jobs, and what came of it.
struct Member {
    job: Job,
    trace: TraceHeaders,
    ended: OnceLock<BundledOutcome>,
}

/// The jobs of a bundle, taken out of it.
pub(super) fn open(job: &mut Job) -> Option<Vec<BundledJob>> {
    match job.verb.take() {
        Some(Verb::Bundle(Bundle { jobs })) => Some(jobs),
        verb => {
            job.verb = verb;
            None
        }
    }
}

impl<'a> Parcel<'a> {
    pub(super) fn new(
        job: &'a Job,
        jobs: Vec<BundledJob>,
        token: &'a Token,
        handle: &'a dyn DeliveryHandle,
    ) -> Self {
        let member = |BundledJob { job, trace }: BundledJob| {
            let trace = TraceHeaders::from_properties(trace);
            job.map(|job| Member { job, trace, ended: OnceLock::new() })
        };
        let members = jobs.into_iter().take(MOST).filter_map(member).collect();
        Self { job, members, token, handle }
    }

    /// Handles it to its end. What was done when the work is dropped half-way is told all the same.
    pub(super) async fn settle(
        &self,
        config: &Config,
        (ports, trials): (&Ports, &Trials),
        hard_stop: CancellationToken,
    ) {
        let trial = trials.of(self.job, self.token);
        tokio::select! {
            () = self.work(config, ports, &trial) => {}
            () = extend(self.handle) => {}
            // Its jobs come back from whoever has it next, to be published one by one.
            () = hard_stop.cancelled() => {
                trial.hand_back().await;
                report_failure(self.handle.release(Duration::from_secs(1)).await);
            }
            () = self.handle.withdrawn() => tokio::select! {
                () = self.drop_withdrawn(config, ports) => {}
                () = hard_stop.cancelled() => {}
            },
        }
    }

    fn work<'b>(&'b self, config: &'b Config, ports: &'b Ports, trial: &'b Trial<'b>) -> BoxFuture<'b, ()> {
        Box::pin(async move {
            if is_foreign(&ports.context, self.job) {
                self.answer_all(ports, foreign);
            } else if self.token.executions > 1 {
                self.free_layers(ports).await;
                let died = trial.past().await.executions > 0;
                self.answer_all(ports, |job| apart(job, died));
            } else {
                // Of a first delivery nothing is counted: it only keeps out of the way of one that is alone.
                let _begun = trial.begin(config.poison).await;
                let context = &ports.context;
                let cache =
                    shared::read_ahead(&context.cache, &context.fingerprint, self.assessments()).await;
                // A bug costs nobody his answer: whoever has none by then is carried out alone.
                let together = std::panic::AssertUnwindSafe(self.assess(ports, &cache)).catch_unwind();
                if together.await.is_err() {
                    tracing::error!("assessing a bundle panicked; please report it");
                }
                let left = self.members.iter().filter(|member| member.ended.get().is_none());
                let members = futures::stream::iter(left);
                members.for_each_concurrent(AT_ONCE, |member| self.carry_out(ports, &cache, member)).await;
            }
            self.tell(config, ports).await;
        })
    }

    fn assessments(&self) -> impl Iterator<Item = &AssessJob> {
        self.members.iter().filter_map(|member| match &member.job.verb {
            Some(Verb::Assess(assess)) => Some(assess),
            _ => None,
        })
    }

    /// Assesses together what needs nothing but the cache.
    async fn assess(&self, ports: &Ports, cache: &Arc<dyn InventoryCache>) {
        let members = self.members.iter().filter_map(|member| match &member.job.verb {
            Some(Verb::Assess(job)) if !job.attached_vex => Some((member, job)),
            _ => None,
        });
        let (members, jobs): (Vec<&Member>, Vec<&AssessJob>) = members.unzip();
        if jobs.len() < 2 {
            return;
        }
        let span = |member: &&Member| span_of(&member.job, &member.trace, self.token.executions);
        let spans: Vec<tracing::Span> = members.iter().map(span).collect();
        let context = job::Context { cache: Arc::clone(cache), ..ports.context.clone() };
        context.turn.pause().await;
        let started = std::time::Instant::now();
        let results = job::assess::several(&context, &jobs).await;
        let took = started.elapsed();
        for ((member, span), result) in members.into_iter().zip(spans).zip(results) {
            span.in_scope(|| member.end(ports, result.map(assessed), took));
        }
    }

    async fn carry_out(&self, ports: &Ports, cache: &Arc<dyn InventoryCache>, member: &Member) {
        let span = span_of(&member.job, &member.trace, self.token.executions);
        let mut context = ports.context.clone();
        context.turn = context.turn.another();
        context.cache = Arc::clone(cache);
        let work = async {
            context.turn.pause().await;
            let started = std::time::Instant::now();
            let result = carry_out(&context, self.token, &member.job).await;
            member.end(ports, result, started.elapsed());
        };
        work.instrument(span).await;
    }

    /// One answer for all that have none.
    fn answer_all(&self, ports: &Ports, error: impl Fn(&Job) -> JobError) {
        for member in self.members.iter().filter(|member| member.ended.get().is_none()) {
            member.end(ports, Err(error(&member.job)), Duration::ZERO);
        }
    }

    /// Whoever had the bundle before may have left its claims behind, which only the next delivery of the same message may take.
    async fn free_layers(&self, ports: &Ports) {
        let context = &ports.context;
        for member in &self.members {
            let Some(Verb::Index(index)) = &member.job.verb else { continue };
            let key = job::index::key(context, index);
            match context.cache.claim(&key, self.token, context.lease).await {
                Ok(Claim::Mine) => job::index::let_go(context, self.token, index).await,
                Ok(Claim::Busy | Claim::Done) => {}
                Err(error) => tracing::debug!(%error, layer = index.digest, "a lease stays until it ends"),
            }
        }
    }

    /// Answers for a bundle that nobody wants any more, whose work was dropped where it stood.
    async fn drop_withdrawn(&self, config: &Config, ports: &Ports) {
        for member in self.members.iter().filter(|member| member.ended.get().is_none()) {
            if let Some(Verb::Index(index)) = &member.job.verb {
                job::index::let_go(&ports.context, self.token, index).await;
            }
        }
        tracing::debug!("running jobs were withdrawn");
        self.answer_all(ports, withdrawn);
        self.tell(config, ports).await;
    }

    /// Publishes what came of the jobs, and settles the message.
    async fn tell(&self, config: &Config, ports: &Ports) {
        let outcomes = self.members.iter().filter_map(|member| member.ended.get().cloned()).collect();
        let outcome = outcome(self.job, &ports.context, Ok(Answer::Bundled(Bundled { outcomes })));
        let Token { sequence, executions, .. } = *self.token;
        publish(ports, &Outcome { sequence, executions, slots: told(config), ..outcome }).await;
        report_failure(self.handle.done().await);
    }
}

impl Member {
    fn end(&self, ports: &Ports, result: Result<Answer, JobError>, took: Duration) {
        let name = name_of(&result);
        measure::job(subject::verb(&self.job), name, took);
        tracing::debug!(outcome = name, ms = took.as_millis(), "a job ended");
        let Outcome { key, result, .. } = outcome(&self.job, &ports.context, result);
        let outcome = Some(Outcome { key, result, ..Outcome::default() });
        let trace = trace::inject().to_properties();
        // Who is first tells: nobody ends a job twice.
        let _ = self.ended.set(BundledOutcome { outcome, trace });
    }
}

fn withdrawn(job: &Job) -> JobError {
    let verb = subject::verb(job);
    JobError::later(CANCELLED, format!("failed to carry out {verb} job {}: withdrawn", job.key))
}

fn apart(job: &Job, died: bool) -> JobError {
    let (code, end) = if died { (subject::BUNDLE_DIED, "died") } else { (subject::APART, "stopped") };
    let verb = subject::verb(job);
    let message = format!("failed to carry out {verb} job {}: the worker that had its bundle {end}", job.key);
    JobError::later(code, message)
}
