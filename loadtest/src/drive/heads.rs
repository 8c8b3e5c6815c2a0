//! A plain load generator: HEAD after HEAD over connections that stay open, and nothing else. Two of them: one writes requests of
//! its own making into bare sockets, which is what the registry could answer at most; the other goes through an HTTP library, as
//! whoever asks a registry does: that is what a scanner could reach at most.

use std::{
    io::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use clap::Args as Arguments;
use strata_loadtest::content::Store;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use super::args::PlanArgs;

/// What scanners accept (OCI distribution specification, pulling manifests).
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                      application/vnd.docker.distribution.manifest.v2+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json";
/// Bytes of an answer's headers that are read.
const MOST: usize = 16 << 10;

/// Arguments of `heads`.
#[derive(Debug, Arguments)]
pub(crate) struct HeadsArgs {
    /// The registry, which serves the content that the options below describe
    #[arg(long, value_name = "HOST:PORT")]
    registry: String,
    /// Requests under way at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// Stop after so many seconds, or when every image was asked for
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Ask through an HTTP library instead of bare sockets
    #[arg(long)]
    http_library: bool,
    #[command(flatten)]
    plan: PlanArgs,
}

/// How the questions are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Requests of our own making, in bare sockets.
    Sockets,
    /// Through an HTTP library that keeps its connections.
    Library,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    pub(crate) answered: u64,
    pub(crate) elapsed: Duration,
}

impl Heads {
    pub(crate) fn per_second(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(1e-6)
    }
}

/// Asks, prints. True when there were answers.
pub(crate) async fn heads(args: HeadsArgs) -> anyhow::Result<bool> {
    let content = strata_loadtest::content::Synthetic::new(args.plan.plan());
    let paths = Arc::new(paths(&content)?);
    let way = if args.http_library { Way::Library } else { Way::Sockets };
    let time = Duration::from_secs(args.seconds);
    let found = ask(way, &args.registry, paths, args.connections, time).await?;
    let seconds = found.elapsed.as_secs_f64();
    writeln!(io::stdout(), "{} HEAD in {seconds:.2} s: {:.0}/s", found.answered, found.per_second())
        .context("print")?;
    Ok(found.answered > 0)
}

/// Paths of all manifests that tags name.
pub(crate) fn paths(content: &dyn Store) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    for repository in content.repositories(None, usize::MAX) {
        let tags = content.tags(&repository, None, usize::MAX)?.unwrap_or_default();
        paths.extend(tags.into_iter().map(|tag| format!("/v2/{repository}/manifests/{tag}")));
    }
    Ok(paths)
}

/// Asks for each path in turn, again from the first one when all were asked, until the time is over.
pub(crate) async fn ask(
    way: Way,
    host: &str,
    paths: Arc<Vec<String>>,
    connections: u32,
    time: Duration,
) -> anyhow::Result<Heads> {
    ensure!(!paths.is_empty(), "ask {host}: there are no images");
    let (next, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
    let mut askers = askers(way, host, connections).await?;
    let begin = Instant::now();
    let mut all = JoinSet::new();
    while let Some(mut asker) = askers.pop() {
        let paths = Arc::clone(&paths);
        let (next, answered) = (Arc::clone(&next), Arc::clone(&answered));
        all.spawn(async move {
            while begin.elapsed() < time {
                let number = next.fetch_add(1, Relaxed) % paths.len();
                let Some(path) = paths.get(number) else { break };
                asker.head(path).await?;
                answered.fetch_add(1, Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = all.join_next().await {
        done.context("ask")??;
    }
    Ok(Heads { answered: answered.load(Relaxed), elapsed: begin.elapsed() })
}

/// Who asks one question at a time.
enum Asker {
    Sockets { stream: TcpStream, host: String, buffer: Vec<u8> },
    Library { client: reqwest::Client, host: String },
}

async fn askers(way: Way, host: &str, count: u32) -> anyhow::Result<Vec<Asker>> {
    let mut askers = Vec::new();
    // All share one client, as everybody does: it keeps a connection for each of them.
    let client = match way {
        Way::Sockets => None,
        Way::Library => Some(client()?),
    };
    for _ in 0..count {
        let host = host.to_owned();
        askers.push(match &client {
            Some(client) => Asker::Library { client: client.clone(), host },
            None => {
                let stream = TcpStream::connect(&host).await.with_context(|| format!("connect to {host}"))?;
                stream.set_nodelay(true).context("set a connection up")?;
                Asker::Sockets { stream, host, buffer: vec![0; MOST] }
            }
        });
    }
    Ok(askers)
}

/// A client with the library's own settings. Registries here speak plain HTTP: nobody is trusted.
fn client() -> anyhow::Result<reqwest::Client> {
    // The library wants one even where there is no TLS; that another was named before is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    builder.build().context("set an HTTP client up")
}

impl Asker {
    async fn head(&mut self, path: &str) -> anyhow::Result<()> {
        match self {
            Self::Sockets { stream, host, buffer } => head(stream, host, path, buffer).await,
            Self::Library { client, host } => {
                let request = client.head(format!("http://{host}{path}")).header("accept", ACCEPT);
                let answer = request.send().await.with_context(|| format!("ask for {path}"))?;
                ensure!(answer.status() == 200, "ask for {path}: {}", answer.status());
                Ok(())
            }
        }
    }
}

async fn head(stream: &mut TcpStream, host: &str, path: &str, buffer: &mut [u8]) -> anyhow::Result<()> {
    let request = format!("HEAD {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {ACCEPT}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.context("send a request")?;
    let mut filled = 0;
    loop {
        let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) else {
            bail!("read the answer to HEAD {path}: its headers are too long");
        };
        let read = stream.read(room).await.context("read an answer")?;
        ensure!(read > 0, "read the answer to HEAD {path}: the connection ended");
        filled += read;
        let answer = buffer.get(..filled).unwrap_or_default();
        if answer.ends_with(b"\r\n\r\n") {
            let status = answer.get(9..12).unwrap_or_default();
            ensure!(status == b"200", "ask for {path}: {}", String::from_utf8_lossy(status));
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use strata_loadtest::{
        content::{Plan, Synthetic},
        registry::{Options, Registry},
    };

    use super::*;

    #[tokio::test]
    async fn every_question_is_counted_by_the_registry() {
        let content = Synthetic::new(Plan { repositories: 2, ..Plan::demo() });
        let paths = Arc::new(paths(&content).expect("paths"));
        assert!(paths.len() >= 12, "{paths:?}");
        let registry = Registry::start(content, Options::default()).await.expect("a registry");
        for way in [Way::Sockets, Way::Library] {
            registry.reset_counts();
            let (host, paths) = (registry.host(), Arc::clone(&paths));
            let heads = ask(way, &host, paths, 3, Duration::from_millis(300)).await.expect("answers");
            assert!(heads.answered > 0, "{way:?}");
            assert_eq!(registry.counts().manifest_heads, heads.answered, "{way:?}");
            let nowhere = Arc::new(vec!["/v2/no/such/manifests/1".to_owned()]);
            assert!(ask(way, &host, nowhere, 1, Duration::from_secs(5)).await.is_err(), "{way:?}");
        }
        registry.shutdown().await.expect("it ends");
    }
}
