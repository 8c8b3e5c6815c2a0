//! The one bridge from tokio to the CPU: work runs on rayon's threads, keeps its span, cannot take the process down with
//! a panic, and is dropped when nobody waits for it any more.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tokio::sync::oneshot;
use tracing::Span;

use crate::error::JobError;

/// Runs work on a rayon thread.
///
/// # Errors
/// When the work panics: the same input would panic again, so it is never retried.
pub async fn run<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JobError> {
    let (sender, receiver) = oneshot::channel();
    let span = Span::current();
    rayon::spawn(move || {
        if sender.is_closed() {
            return;
        }
        let result = span.in_scope(|| catch_unwind(AssertUnwindSafe(work)));
        // Nobody waits any more: the job was abandoned.
        let _ = sender.send(result);
    });
    match receiver.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(panic)) => Err(panicked(what, panic.as_ref())),
        Err(_) => Err(JobError::later("compute", format!("failed to analyse {what}: the work was dropped"))),
    }
}

/// Runs one of several pieces of work that share a thread.
///
/// # Errors
/// When it panics: what it leaves behind of what it shares with the others must be whole at any time.
pub(crate) fn caught<T>(what: &str, work: impl FnOnce() -> T) -> Result<T, JobError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panicked(what, panic.as_ref()))
}

/// Runs work that blocks on its input on a thread of its own, for layers that arrive over the network: a rayon thread
/// that waits for a socket would be a core that does nothing.
///
/// # Errors
/// As [`run`].
pub async fn block<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JobError> {
    let span = Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(value) => Ok(value),
        Err(error) if error.is_panic() => Err(panicked(what, error.into_panic().as_ref())),
        Err(_) => Err(JobError::later("compute", format!("failed to analyse {what}: the work was dropped"))),
    }
}

fn panicked(what: &str, panic: &(dyn Any + Send)) -> JobError {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let reason: String = text.unwrap_or_else(|| "no message".to_owned()).chars().take(200).collect();
    let message = format!("failed to analyse {what}: the analysis panicked ({reason}); please report it");
    JobError::never("panic", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_that_names_the_work() {
        let error = run("layer x", || -> u32 { panic!("boom") }).await.expect_err("it panicked");
        assert!(
            !error.later && error.message.contains("layer x") && error.message.contains("boom"),
            "{error}"
        );
        let error = block("layer y", || -> u32 { panic!("{}", "bang") }).await.expect_err("it panicked");
        assert!(
            !error.later && error.message.contains("layer y") && error.message.contains("bang"),
            "{error}"
        );
        assert_eq!(run("z", || 7).await, Ok(7));
    }
}
