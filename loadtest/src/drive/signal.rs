//! SIGINT and SIGTERM. A task of their own listens, because a command may stand in a wait for a server: that wait ends, and
//! then the command is dropped with all that it started.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use strata_loadtest::servers;
use tokio::sync::watch;

/// What ended this process, and the exit code that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signal {
    name: &'static str,
    code: u8,
}

impl Signal {
    /// Says so, as the exit code of the process.
    pub(super) fn exit(self) -> ExitCode {
        let _ = writeln!(io::stderr(), "strata-loadtest: ended by {}", self.name);
        ExitCode::from(self.code)
    }
}

const INTERRUPT: Signal = Signal { name: "SIGINT", code: 130 };
const TERMINATE: Signal = Signal { name: "SIGTERM", code: 143 };

/// Hears of the first signal.
pub(super) struct Told(watch::Receiver<Option<Signal>>);

impl Told {
    /// Waits for it.
    pub(super) async fn came(&mut self) -> Signal {
        match self.0.wait_for(Option::is_some).await {
            Ok(signal) => signal.unwrap_or(TERMINATE),
            // Nobody listens: the system refused.
            Err(_) => std::future::pending().await,
        }
    }

    /// Whether it came.
    pub(super) fn now(&self) -> Option<Signal> {
        *self.0.borrow()
    }
}

/// Listens from now on.
pub(super) fn listen() -> Told {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        let signal = tokio::select! {
            Some(()) = terminated() => TERMINATE,
            Ok(()) = tokio::signal::ctrl_c() => INTERRUPT,
            else => return,
        };
        servers::stop();
        sender.send_replace(Some(signal));
    });
    Told(receiver)
}

#[cfg(unix)]
async fn terminated() -> Option<()> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::terminate()).ok()?.recv().await
}

#[cfg(not(unix))]
async fn terminated() -> Option<()> {
    std::future::pending().await
}
