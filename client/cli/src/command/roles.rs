//! `strata server`: both roles in one process until a signal ends them; and what every serving command shares.

use std::{io::Write as _, net::SocketAddr, process::ExitCode, sync::Arc};

use strata_coordinator::{handle::Handle, ports::Tokens, service};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    args::{ServeArgs, ServerArgs},
    command::webhooks::Webhooks,
    embedded::{self, Embedded},
    exit::Failure,
    observe, security,
    settings::Settings,
};

pub(super) async fn server(args: ServerArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    let mut config = embedded::Config::local(settings, args.db.as_ref(), args.cache_dir.as_ref());
    // Its clients are on other machines: a path means nothing here. Its scans go on after a restart.
    config.archives = false;
    config.restore = true;
    config.java_index = args.java;
    config.layers = args.layers;
    config.cache_bytes = args.cache_gib.saturating_mul(1 << 30);
    config.retention = args.keep.retention();
    let listener = listen(&args.serve.listen).await?;
    let webhooks = Webhooks::open(&args.webhooks, &args.serve).await?;
    let shutdown = stop_on_signal();
    // In one process there is no server that could be away.
    observe::serve(args.observe.metrics.as_deref(), observe::ready(|| async { Ok(()) }), shutdown.clone())
        .await?;
    let roles = Embedded::start(config).await?;
    webhooks.start(roles.handle(), shutdown.clone())?;
    let served = serve(listener, roles.handle(), roles.tokens(), &args.serve, shutdown).await;
    roles.close().await;
    served.map(|()| ExitCode::SUCCESS)
}

pub(crate) async fn listen(address: &str) -> Result<TcpListener, Failure> {
    let parsed = address.parse::<SocketAddr>().map_err(|_| {
        Failure::usage(format!("`{address}` is not an address to listen on"))
            .hint("for example 127.0.0.1:7400")
    })?;
    TcpListener::bind(parsed)
        .await
        .map_err(|error| Failure::usage(format!("failed to listen on {address}: {error}")))
}

pub(super) async fn serve(
    listener: TcpListener,
    handle: Handle,
    tokens: Arc<dyn Tokens>,
    args: &ServeArgs,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let (gate, tls) = (security::gate(tokens, args).await?, security::tls(args)?);
    let address = listener.local_addr().map_err(|error| Failure::usage(error.to_string()))?;
    security::check_address(address, &gate, tls.as_ref(), args.allow_anonymous).await?;
    announce(&format!("serving gRPC on {address}{}", if tls.is_some() { " with TLS" } else { "" }));
    service::serve(listener, service::Service { handle, gate, tls }, shutdown)
        .await
        .map_err(|error| Failure::incomplete(format!("failed to {error}")))
}

/// A line for people on stderr, whatever the log level.
pub(crate) fn announce(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Cancelled by SIGINT or SIGTERM.
pub(super) fn stop_on_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        let terminated = async {
            #[cfg(unix)]
            {
                use tokio::signal::unix::{SignalKind, signal};
                match signal(SignalKind::terminate()) {
                    Ok(mut signal) => {
                        signal.recv().await;
                    }
                    Err(_) => std::future::pending().await,
                }
            }
            #[cfg(not(unix))]
            std::future::pending::<()>().await
        };
        tokio::select! {
            () = terminated => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        stop.cancel();
    });
    token
}
