//! Serving HTTP to whoever comes: a bounded number of connections, each of which says what it wants within a time, or goes.

use std::{fmt::Debug, sync::Arc, time::Duration};

use axum::{Router, serve::Listener};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections at once; more of them wait in the system's line.
const CONNECTIONS: usize = 512;
/// How long a request's headers may take; also how long a connection may be silent between two of them.
const HEADERS: Duration = Duration::from_secs(15);
/// How long a connection may last, whatever it does.
const LONGEST: Duration = Duration::from_secs(600);
/// Bytes that headers may have.
const HEADER_BYTES: usize = 64 << 10;
/// How long what is under way at the end may take.
const ENDING: Duration = Duration::from_secs(5);

/// Serves HTTP/1.1 until the token is cancelled; then what is under way is answered, and no more is taken.
pub async fn serve<L>(mut listener: L, app: Router, shutdown: CancellationToken)
where
    L: Listener,
    L::Addr: Debug,
{
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let ending = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(HEADER_BYTES);
    loop {
        let arrival = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&room).acquire_owned().await.ok()?;
            Some((permit, listener.accept().await))
        };
        let (permit, (stream, address)) = tokio::select! {
            () = shutdown.cancelled() => break,
            arrival = arrival => match arrival {
                Some(arrival) => arrival,
                None => break,
            },
        };
        let service = TowerToHyperService::new(app.clone());
        let connection = ending.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            let _permit = permit;
            match tokio::time::timeout(LONGEST, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(?address, %error, "a connection ended early"),
                Err(_) => tracing::debug!(?address, "a connection lasted too long"),
            }
        });
    }
    if tokio::time::timeout(ENDING, ending.shutdown()).await.is_err() {
        tracing::debug!("connections that were still open were left");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        task::JoinHandle,
    };

    use super::*;

    async fn started() -> (std::net::SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shutdown = CancellationToken::new();
        let app = Router::new().route("/", get(|| async { "here\n" }));
        let server = tokio::spawn(serve(listener, app, shutdown.clone()));
        (address, shutdown, server)
    }

    async fn say(address: std::net::SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(text.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        // Whoever is cut off may see a reset.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn a_request_is_answered_and_the_end_is_in_good_order() {
        let (address, shutdown, server) = started().await;
        let answer = say(address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here\n"), "{answer}");
        let endless = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(2 * HEADER_BYTES));
        let answer = say(address, &endless).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
        shutdown.cancel();
        server.await.expect("it ends");
    }

    // The clock stands, and jumps where everybody waits: what ends here does so because of a limit.
    #[tokio::test(start_paused = true)]
    async fn who_never_finishes_a_request_is_cut_off() {
        for part in ["", "GET / HTTP/1.1\r\nHost", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /"] {
            let (address, _shutdown, _server) = started().await;
            let since = tokio::time::Instant::now();
            let answer = say(address, part).await;
            assert!(since.elapsed() < LONGEST, "{part:?} was cut off for another reason");
            let answered = answer.matches("HTTP/1.1 200").count();
            assert!(answered <= part.matches("\r\n\r\n").count(), "{part:?}: {answer}");
        }
    }
}
