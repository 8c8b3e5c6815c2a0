//! HTTP over TLS for what is no gRPC: a listener whose connections have proved who the server is.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::serve::Listener;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How long a client may take to greet.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Clients that greet at once; more of them wait in the system's line.
const GREETING: usize = 64;

/// A server's certificate and key.
#[derive(Clone)]
pub struct ServerTls(Arc<ServerConfig>);

impl ServerTls {
    /// From PEM: the certificate with those between it and its authority, and its key.
    ///
    /// # Errors
    /// Says what cannot be used, without repeating it.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, String> {
        let unusable =
            |what: &str, error: &dyn std::fmt::Display| format!("the {what} cannot be used: {error}");
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| unusable("certificate", &error))?;
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|error| unusable("certificate's key", &error))?;
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| unusable("certificate or its key", &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

/// Takes connections and greets them beside each other: who is slow to greet holds up nobody.
pub struct TlsListener {
    address: SocketAddr,
    greeted: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    task: tokio::task::JoinHandle<()>,
}

impl TlsListener {
    /// Over a listener that is open.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn new(listener: TcpListener, tls: &ServerTls) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, greeted) = mpsc::channel(GREETING);
        let task = tokio::spawn(accept(listener, TlsAcceptor::from(Arc::clone(&tls.0)), sender));
        Ok(Self { address, greeted, task })
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    mut listener: TcpListener,
    acceptor: TlsAcceptor,
    greeted: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let room = Arc::new(Semaphore::new(GREETING));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        // Waits a moment where the system has no more connections to give.
        let (stream, address) = Listener::accept(&mut listener).await;
        let (acceptor, greeted) = (acceptor.clone(), greeted.clone());
        tokio::spawn(async move {
            let _permit = permit;
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                // The receiver is gone when nobody serves any more.
                Ok(Ok(stream)) => drop(greeted.send((stream, address)).await),
                Ok(Err(error)) => tracing::debug!(%address, %error, "a client did not greet as TLS wants"),
                Err(_) => tracing::debug!(%address, "a client took too long to greet"),
            }
        });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.greeted.recv().await {
            Some(greeted) => greeted,
            // The accepting task ends with this listener only.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
