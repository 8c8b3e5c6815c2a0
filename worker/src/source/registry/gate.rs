//! One registry's gate: every request to it passes here, at the [`pace`](super::pace) that the registry bears. A gate knows
//! one registry alone, so one that is slow or refuses never slows another; and a request waits for no longer than the
//! settings' patience before its job goes back to the planner, so that waiting holds no slot of the worker for long.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::{Response, StatusCode};
use tokio::{sync::Notify, time::Instant};

use super::{
    answer,
    pace::{Admission, Feedback, Pace, PaceConfig},
};
use crate::error::JobError;

/// What a job whose registry is fully busy is asked to wait.
const TURN: Duration = Duration::from_secs(2);
/// After so many rounds of failures in a row (half a minute of rests) the jobs of a registry fail without being tried. Before, they
/// wait: one that fails now and then would use up the attempts of jobs that it never saw.
const GONE: u32 = 7;

/// The gate to one registry.
pub(super) struct Gate {
    pace: Mutex<Pace>,
    freed: Notify,
    origin: Instant,
    patience: Duration,
}

/// A request's turn. It ends when this is dropped; until [`Permit::settle`] says otherwise, it tells nothing about the
/// registry.
pub(super) struct Permit {
    gate: Arc<Gate>,
    began: Duration,
    download: bool,
    feedback: Feedback,
}

impl Gate {
    pub(super) fn new(config: &PaceConfig) -> Arc<Self> {
        Arc::new(Self {
            pace: Mutex::new(Pace::new(config)),
            freed: Notify::new(),
            origin: Instant::now(),
            patience: config.patience,
        })
    }

    /// Waits for a request's turn.
    ///
    /// # Errors
    /// When that would take longer than the settings allow: `busy` where others are before it, `rate-limited` where the
    /// registry asked for a pause or failed several times, `network` where it has failed on and on.
    pub(super) async fn enter(
        self: &Arc<Self>,
        download: bool,
        host: &str,
        what: &str,
    ) -> Result<Permit, JobError> {
        let deadline = Instant::now() + self.patience;
        loop {
            let freed = self.freed.notified();
            let now = Instant::now();
            let began = now.saturating_duration_since(self.origin);
            let admission = self.lock().admit(began, download);
            let left = deadline.saturating_duration_since(now);
            let refused = |error: JobError| {
                // A turn that was given to this one is another's.
                self.freed.notify_one();
                Err(error)
            };
            match admission {
                Admission::Go => {
                    return Ok(Permit {
                        gate: Arc::clone(self),
                        began,
                        download,
                        feedback: Feedback::Nothing,
                    });
                }
                Admission::Full => {
                    if tokio::time::timeout_at(deadline, freed).await.is_err() {
                        let message = format!(
                            "failed to read {what}: {host} is asked for as much as it bears; its turn comes later"
                        );
                        return refused(JobError::later("busy", message).after(Some(TURN)));
                    }
                }
                Admission::Wait(time) if time <= left => tokio::time::sleep(time).await,
                Admission::Paused(time) if time <= left => tokio::time::sleep(time).await,
                Admission::Wait(time) => {
                    let message = format!(
                        "failed to read {what}: {host} is asked as often as it bears; its turn comes later"
                    );
                    return refused(JobError::later("busy", message).after(Some(time)));
                }
                Admission::Paused(time) => {
                    let message = format!(
                        "failed to read {what}: {host} asks to slow down, for another {} s",
                        time.as_secs() + 1
                    );
                    return refused(JobError::later("rate-limited", message).after(Some(time)));
                }
                Admission::Resting(time, rounds) => {
                    let message = format!(
                        "failed to read {what}: {host} failed {rounds} times in a row and is left alone for a while"
                    );
                    // Nothing was asked, so nothing failed, unless the registry has failed for so long that it may be gone.
                    return refused(if rounds < GONE {
                        JobError::later("busy", message).after(Some(time))
                    } else {
                        JobError::later("network", message)
                    });
                }
            }
        }
    }

    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.origin)
    }

    fn lock(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Says what came of the request.
    pub(super) fn settle(&mut self, result: &Result<Response, JobError>) {
        self.feedback = match result {
            Ok(response) => of_status(response.status(), answer::wait(response)),
            Err(error) => of_error(error),
        };
    }

    /// Ends the turn of a request that went elsewhere on the registry's behalf.
    pub(super) fn finish(mut self, error: Option<&JobError>) {
        self.feedback = error.map_or(Feedback::Good, of_error);
    }

    /// Ends the turn of a request that failed after all.
    pub(super) fn blame(mut self) {
        self.feedback = Feedback::Nothing;
        let now = self.gate.now();
        self.gate.lock().blame(now, self.began);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.gate.now();
        let grew = {
            let mut pace = self.gate.lock();
            let before = pace.limit();
            pace.done(now, self.began, self.download, self.feedback);
            pace.limit() > before
        };
        self.gate.freed.notify_one();
        if grew {
            self.gate.freed.notify_one();
        }
    }
}

/// What a status says about the pace. A 503 without `Retry-After` is a failure like others.
fn of_status(status: StatusCode, wait: Option<Duration>) -> Feedback {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Feedback::Busy(wait),
        StatusCode::SERVICE_UNAVAILABLE if wait.is_some() => Feedback::Busy(wait),
        StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => Feedback::Good,
        status if status.is_server_error() => Feedback::Fault,
        _ => Feedback::Good,
    }
}

fn of_error(error: &JobError) -> Feedback {
    match error.code {
        "rate-limited" => Feedback::Busy(error.wait),
        "network" if error.wait.is_some() => Feedback::Busy(error.wait),
        "network" => Feedback::Fault,
        // The registry answered, if not what was hoped for.
        "unauthorized" | "malformed" => Feedback::Good,
        _ => Feedback::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_statuses_and_errors_say() {
        let wait = Some(Duration::from_secs(7));
        for (status, asked, want) in [
            (200, None, Feedback::Good),
            (401, None, Feedback::Good),
            (404, wait, Feedback::Good),
            (429, wait, Feedback::Busy(wait)),
            (429, None, Feedback::Busy(None)),
            (500, wait, Feedback::Fault),
            (501, None, Feedback::Good),
            (502, None, Feedback::Fault),
            (503, None, Feedback::Fault),
            (503, wait, Feedback::Busy(wait)),
        ] {
            assert_eq!(of_status(StatusCode::from_u16(status).unwrap(), asked), want, "{status} {asked:?}");
        }
        for (error, want) in [
            (JobError::later("network", ""), Feedback::Fault),
            (JobError::later("network", "").after(wait), Feedback::Busy(wait)),
            (JobError::later("rate-limited", ""), Feedback::Busy(None)),
            (JobError::never("tls", ""), Feedback::Nothing),
            (JobError::never("unauthorized", ""), Feedback::Good),
        ] {
            assert_eq!(of_error(&error), want, "{error:?}");
        }
    }

    fn gate(concurrency: u32) -> Arc<Gate> {
        Gate::new(&PaceConfig { concurrency, ..PaceConfig::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_given_on_and_waiting_is_bounded() {
        let gate = gate(1);
        let held = gate.enter(false, "r", "r/a:1").await.unwrap();
        let error = gate.enter(false, "r", "r/a:2").await.err().unwrap();
        assert_eq!((error.code, error.later, error.wait), ("busy", true, Some(TURN)));
        let waiting = {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move { gate.enter(false, "r", "r/a:3").await.is_ok() })
        };
        tokio::task::yield_now().await;
        drop(held);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_that_fails_now_and_then_costs_no_attempt_and_one_that_is_gone_does() {
        let gate = gate(8);
        let mut codes = Vec::new();
        while codes.len() < 9 {
            match gate.enter(false, "r", "r/a:1").await {
                Ok(mut permit) => permit.settle(&Err(JobError::later("network", ""))),
                Err(error) => {
                    codes.push(error.code);
                    tokio::time::sleep(error.wait.unwrap_or(Duration::from_secs(30))).await;
                }
            }
        }
        assert_eq!(
            codes,
            ["busy", "busy", "busy", "busy", "network", "network", "network", "network", "network"]
        );
        // A good answer, and all is forgotten.
        drop(gate.enter(false, "r", "r/a:1").await.map(|permit| permit.finish(None)));
        for _ in 0..3 {
            let mut permit = gate.enter(false, "r", "r/a:1").await.expect("it may be asked");
            permit.settle(&Err(JobError::later("network", "")));
        }
        assert_eq!(gate.enter(false, "r", "r/a:1").await.err().map(|error| error.code), Some("busy"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_no_job_and_another_registry_is_not_paused() {
        let (bad, good) = (gate(8), gate(8));
        let mut permit = bad.enter(false, "bad", "x").await.unwrap();
        permit.settle(&Err(JobError::later("rate-limited", "").after(Some(Duration::from_secs(60)))));
        drop(permit);
        let begin = Instant::now();
        let error = bad.enter(false, "bad", "bad/a:1").await.err().unwrap();
        assert_eq!(error.code, "rate-limited");
        assert!(error.wait.is_some_and(|wait| wait > Duration::from_secs(59)), "{error:?}");
        assert!(good.enter(false, "good", "x").await.is_ok());
        assert_eq!(Instant::now(), begin, "nobody waited");
    }
}
