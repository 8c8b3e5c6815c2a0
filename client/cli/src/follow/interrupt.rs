//! Ctrl-C, and the signal with which a CI system ends a job.
//!
//! The first one stops a scan that this command started, and waits for its last event, so that what is done is told; a scan of
//! a server that was only watched, or is to go on (`--detach-on-interrupt`), is left at once. The second one leaves at once in
//! any case.

use std::io;

use crate::exit::Failure;

/// What an interrupt means for the scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interrupt {
    /// Stop it: this command started it. On a server it can be followed further with this command.
    Cancel {
        /// `None` for a scan in this process.
        again: Option<String>,
    },
    /// Leave it alone; this command follows it further.
    Detach {
        /// The command.
        again: String,
    },
}

impl Interrupt {
    /// For a scan that was just submitted, to a server or to this process.
    #[must_use]
    pub fn of_own(scan: &str, server: Option<&str>, detach: bool) -> Self {
        match server.map(|server| again(scan, server)) {
            Some(again) if detach => Self::Detach { again },
            again => Self::Cancel { again },
        }
    }

    /// For somebody's scan on a server.
    #[must_use]
    pub fn of_watched(scan: &str, server: &str) -> Self {
        Self::Detach { again: again(scan, server) }
    }

    /// What is said to somebody who leaves after that event.
    pub(super) fn goodbye(&self, sequence: u64) -> String {
        match self {
            Self::Detach { again } => {
                format!("left: the scan goes on; `{again} --after {sequence}` follows it from here")
            }
            Self::Cancel { again: Some(again) } => {
                format!("left: the server may not have heard of it yet; `{again}` shows the scan")
            }
            Self::Cancel { again: None } => "left before the scan had stopped".to_owned(),
        }
    }
}

fn again(scan: &str, server: &str) -> String {
    format!("strata watch {scan} --server {server}")
}

/// The signals that ask this process to stop.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on they end the process no more.
    pub(super) fn new() -> Result<Self, Failure> {
        Self::take().map_err(|error| Failure::usage(format!("failed to wait for signals: {error}")))
    }

    #[cfg(unix)]
    fn take() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    fn take() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next one.
    #[cfg(unix)]
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits for the next one.
    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
