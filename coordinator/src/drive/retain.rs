//! Lets old scans and reports go, little by little, while this coordinator leads.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::now_ms;
use crate::{
    handle::first_id,
    ports::{Forget, Forgotten, Keep, PortError},
};

/// What the archive keeps, and for how long.
#[derive(Debug, Clone)]
pub struct Retention {
    /// Days that a scan is kept with its events; 0: for ever.
    pub days: u32,
    /// Scans that are kept, the newest; 0: any number.
    pub scans: u32,
    /// Days that the newest report of an image is kept though no scan refers to it any more; 0: for ever.
    pub latest_days: u32,
    /// Days that a token is kept after it ended; 0: for ever.
    pub token_days: u32,
    /// How often to look.
    pub every: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: 90, scans: 0, latest_days: 400, token_days: 90, every: Duration::from_secs(3600) }
    }
}

impl Retention {
    /// What to keep at a time.
    fn keep(&self, now_ms: i64) -> Keep {
        let ago = |days: u32| now_ms.saturating_sub(i64::from(days) * 86_400_000);
        Keep {
            scans_from: if self.days == 0 { String::new() } else { first_id(ago(self.days)) },
            scans: self.scans,
            latest_from_unix_ms: if self.latest_days == 0 { i64::MIN } else { ago(self.latest_days) },
            tokens_from_unix_ms: if self.token_days == 0 { i64::MIN } else { ago(self.token_days) },
        }
    }
}

/// Looks again and again until shutdown.
pub(super) async fn run(archive: Arc<dyn Forget>, retention: Retention, shutdown: CancellationToken) {
    // A process that lives for one scan should get to it too.
    let mut wait = Duration::from_secs(1);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = retention.every;
        match round(&*archive, &retention.keep(now_ms())).await {
            Ok(gone) if gone == Forgotten::default() => {}
            Ok(gone) => tracing::info!(
                scans = gone.scans,
                events = gone.events,
                reports = gone.reports,
                tokens = gone.tokens,
                "the archive has forgotten what is old"
            ),
            Err(error) => tracing::warn!(%error, "the archive keeps what is old for now"),
        }
    }
}

/// One look, in steps between which others get their turn.
async fn round(archive: &dyn Forget, keep: &Keep) -> Result<Forgotten, PortError> {
    const BREATH: Duration = Duration::from_millis(20);
    let mut gone = Forgotten::default();
    loop {
        let step = archive.forget_scans(keep).await?;
        if step == Forgotten::default() {
            break;
        }
        gone.scans += step.scans;
        gone.events += step.events;
        gone.references += step.references;
        tokio::time::sleep(BREATH).await;
    }
    gone.tokens = archive.forget_tokens(keep).await?.tokens;
    let mut after = Some(0);
    while let Some(number) = after {
        let (step, next) = archive.forget_reports(keep, number).await?;
        gone.reports += step.reports;
        after = next;
        tokio::time::sleep(BREATH).await;
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_bounds_and_none_is_no_bound() {
        const DAY: i64 = 86_400_000;
        let keep = |days, scans, latest_days| {
            Retention { days, scans, latest_days, token_days: days, ..Retention::default() }.keep(1_000 * DAY)
        };
        let all = Keep {
            scans_from: String::new(),
            scans: 0,
            latest_from_unix_ms: i64::MIN,
            tokens_from_unix_ms: i64::MIN,
        };
        assert_eq!(keep(0, 0, 0), all);
        let some = keep(10, 7, 20);
        assert_eq!((some.scans_from, some.scans), (first_id(990 * DAY), 7));
        assert_eq!((some.latest_from_unix_ms, some.tokens_from_unix_ms), (980 * DAY, 990 * DAY));
    }
}
