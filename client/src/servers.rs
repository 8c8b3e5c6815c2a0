//! The servers of one client: coordinators that share an archive, each as good as the others.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use strata_proto::v1::strata_client::StrataClient;
use tonic::transport::Channel;

use crate::{Error, Options, retry::random};

/// Reports are larger than tonic's default limit of 4 MiB when an image has tens of thousands of packages.
const MAX_MESSAGE: usize = 256 << 20;

/// At least one server, and which of them is asked first.
#[derive(Debug, Clone)]
pub(crate) struct Servers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    first: Server,
    others: Vec<Server>,
    /// Counts up when the current one is away; the remainder is its place.
    turn: AtomicUsize,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    url: String,
    client: StrataClient<Channel>,
    turn: usize,
}

impl Server {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn client(&self) -> StrataClient<Channel> {
        self.client.clone()
    }

    fn new(url: &str, channel: Channel) -> Self {
        let client = StrataClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        Self { url: url.to_owned(), client, turn: 0 }
    }
}

impl Servers {
    /// Connects to the first that answers; to the others when they are needed.
    pub(crate) async fn connect(urls: &str, options: &Options) -> Result<Self, Error> {
        let mut servers = Vec::new();
        let (mut found, mut failure) = (None, None);
        for url in split(urls) {
            let endpoint = options.endpoint(url)?;
            if found.is_none() {
                match endpoint.connect().await {
                    Ok(channel) => {
                        found = Some(servers.len());
                        servers.push(Server::new(url, channel));
                        continue;
                    }
                    Err(source) => failure = Some(Error::Connect { url: url.to_owned(), source }),
                }
            }
            servers.push(Server::new(url, endpoint.connect_lazy()));
        }
        match (found, failure) {
            (None, Some(failure)) => Err(failure),
            (found, _) => Self::of(urls, servers, found.unwrap_or(0)),
        }
    }

    /// Connects to each when it is needed.
    pub(crate) fn lazy(urls: &str, options: &Options) -> Result<Self, Error> {
        let lazy = |url| Ok(Server::new(url, options.endpoint(url)?.connect_lazy()));
        let servers: Result<Vec<Server>, Error> = split(urls).map(lazy).collect();
        Self::of(urls, servers?, 0)
    }

    fn of(urls: &str, servers: Vec<Server>, turn: usize) -> Result<Self, Error> {
        let mut servers = servers.into_iter();
        let Some(first) = servers.next() else {
            return Err(Error::BadUrl { url: urls.to_owned(), reason: "it names no server".to_owned() });
        };
        let others = servers.collect();
        Ok(Self(Arc::new(Inner { first, others, turn: AtomicUsize::new(turn) })))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.others.len() + 1
    }

    /// The one to ask.
    pub(crate) fn current(&self) -> Server {
        let turn = self.0.turn.load(Ordering::Relaxed);
        let place = turn % self.count();
        let server = place.checked_sub(1).and_then(|place| self.0.others.get(place)).unwrap_or(&self.0.first);
        Server { turn, ..server.clone() }
    }

    /// It is away: the next one's turn, unless another call has seen to that.
    pub(crate) fn pass_over(&self, server: &Server) {
        let next = server.turn.wrapping_add(1);
        let _ = self.0.turn.compare_exchange(server.turn, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

fn split(urls: &str) -> impl Iterator<Item = &str> {
    urls.split(',').map(str::trim).filter(|url| !url.is_empty())
}

/// 128 bits that nobody else has, from the operating system's randomness.
pub(crate) fn random_key() -> String {
    format!("sdk-{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_has_its_turn_when_the_one_before_is_away() {
        let servers = Servers::lazy("http://a:1, http://b:2,,http://c:3", &Options::default()).expect("URLs");
        let mut asked = Vec::new();
        for _ in 0..4 {
            let server = servers.current();
            servers.pass_over(&server);
            // A second call that failed at the same server skips nobody.
            servers.pass_over(&server);
            asked.push(server.url().to_owned());
        }
        assert_eq!(asked, ["http://a:1", "http://b:2", "http://c:3", "http://a:1"]);
        for none in ["", " , "] {
            assert!(
                matches!(Servers::lazy(none, &Options::default()), Err(Error::BadUrl { .. })),
                "{none:?}"
            );
        }
        assert_ne!(random_key(), random_key());
    }
}
