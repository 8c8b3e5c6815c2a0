//! What is spoken of containerd's API (`containerd.services.images.v1`, `…content.v1`): one image's target, one blob's size,
//! one blob's bytes. Fields that are not needed are left out.

use std::{collections::HashMap, path::Path, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use prost::Message;
use strata_proto::digest::Digest;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codegen::http::{Uri, uri::PathAndQuery},
    metadata::AsciiMetadataValue,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use super::super::engine::cause;
use crate::error::JobError;

/// One call, and the pause between two messages of a stream.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes of a message: containerd's own bound.
const MAX_MESSAGE: usize = 16 << 20;
/// The header that says in which namespace an image is.
pub(in super::super) const NAMESPACE: &str = "containerd-namespace";

pub(in super::super) const GET: &str = "/containerd.services.images.v1.Images/Get";
pub(in super::super) const INFO: &str = "/containerd.services.content.v1.Content/Info";
pub(in super::super) const READ: &str = "/containerd.services.content.v1.Content/Read";

/// `GetImageRequest`.
#[derive(Clone, PartialEq, Message)]
pub(in super::super) struct GetImage {
    #[prost(string, tag = "1")]
    pub(in super::super) name: String,
}

/// `GetImageResponse`.
#[derive(Clone, PartialEq, Message)]
pub(in super::super) struct GotImage {
    #[prost(message, optional, tag = "1")]
    pub(in super::super) image: Option<Image>,
}

/// A name and what it names.
#[derive(Clone, PartialEq, Message)]
pub(in super::super) struct Image {
    #[prost(string, tag = "1")]
    pub(in super::super) name: String,
    #[prost(message, optional, tag = "3")]
    pub(in super::super) target: Option<Target>,
}

/// `containerd.types.Descriptor`.
#[derive(Clone, PartialEq, Message)]
pub(in super::super) struct Target {
    #[prost(string, tag = "1")]
    pub(in super::super) media_type: String,
    #[prost(string, tag = "2")]
    pub(in super::super) digest: String,
    #[prost(int64, tag = "3")]
    pub(in super::super) size: i64,
    #[prost(map = "string, string", tag = "5")]
    pub(in super::super) annotations: HashMap<String, String>,
}

/// `InfoRequest`.
#[derive(Clone, PartialEq, Message)]
pub(in super::super) struct AskInfo {
    #[prost(string, tag = "1")]
    pub(in super::super) digest: String,
}

/// `InfoResponse`.
#[derive(Clone, PartialEq, Message)]
pub(in super::super) struct GotInfo {
    #[prost(message, optional, tag = "1")]
    pub(in super::super) info: Option<Info>,
}

/// What is known of a blob.
#[derive(Clone, PartialEq, Message)]
pub(in super::super) struct Info {
    #[prost(string, tag = "1")]
    pub(in super::super) digest: String,
    #[prost(int64, tag = "2")]
    pub(in super::super) size: i64,
}

/// `ReadContentRequest`; a size of 0 is all of it.
#[derive(Clone, PartialEq, Message)]
pub(in super::super) struct AskContent {
    #[prost(string, tag = "1")]
    pub(in super::super) digest: String,
    #[prost(int64, tag = "2")]
    pub(in super::super) offset: i64,
    #[prost(int64, tag = "3")]
    pub(in super::super) size: i64,
}

/// `ReadContentResponse`.
#[derive(Clone, PartialEq, Message)]
pub(in super::super) struct GotContent {
    #[prost(int64, tag = "1")]
    pub(in super::super) offset: i64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(in super::super) data: Bytes,
}

/// A connection, and the namespace that is looked into.
#[derive(Clone)]
pub(super) struct Client {
    channel: Channel,
    namespace: AsciiMetadataValue,
    /// For messages: the image, and through what.
    what: String,
}

impl Client {
    /// Connects to a socket.
    ///
    /// # Errors
    /// When nobody answers there, or may.
    pub(super) async fn connect(socket: &Path, what: &str) -> Result<Channel, JobError> {
        let shown = socket.display();
        let failed = |error: &dyn std::error::Error| {
            let error = cause(error);
            JobError::later("engine", format!("failed to read {what} through {shown}: {error}"))
        };
        let endpoint = Endpoint::from_shared(format!("unix://{shown}")).map_err(|error| failed(&error))?;
        let endpoint = endpoint.connect_timeout(CONNECT).origin(Uri::from_static("http://localhost"));
        endpoint.connect().await.map_err(|error| failed(&error))
    }

    /// Looks into a namespace.
    ///
    /// # Errors
    /// When it is no namespace's name.
    pub(super) fn within(channel: &Channel, namespace: &str, what: &str) -> Result<Self, JobError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let value = namespace.parse().ok().filter(|_| !namespace.is_empty() && namespace.bytes().all(plain));
        let shown: String = namespace.chars().take(100).collect();
        let namespace = value.ok_or_else(|| {
            let message = format!("failed to read {what}: `{shown}` is no namespace of containerd");
            JobError::never("bad-reference", message)
        })?;
        Ok(Self { channel: channel.clone(), namespace, what: format!("{what} (namespace {shown})") })
    }

    fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.metadata_mut().insert(NAMESPACE, self.namespace.clone());
        request
    }

    async fn unary<Q, A>(&self, path: &'static str, message: Q) -> Result<A, Status>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        let request = self.request(message);
        let call = async {
            grpc.ready().await.map_err(|error| Status::unavailable(cause(&error)))?;
            grpc.unary(request, PathAndQuery::from_static(path), ProstCodec::<Q, A>::default()).await
        };
        Ok(patiently(call).await?.into_inner())
    }

    /// What a name names; `None` where the namespace has no such image.
    ///
    /// # Errors
    /// When containerd does not answer.
    pub(super) async fn image(&self, name: &str) -> Result<Option<Target>, JobError> {
        match self.unary::<_, GotImage>(GET, GetImage { name: name.to_owned() }).await {
            Ok(found) => Ok(found.image.and_then(|image| image.target)),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(self.failed(&status)),
        }
    }

    /// A blob's bytes; `None` where it is not in the store.
    ///
    /// # Errors
    /// When containerd does not answer.
    pub(super) async fn size(&self, digest: &Digest) -> Result<Option<u64>, JobError> {
        match self.unary::<_, GotInfo>(INFO, AskInfo { digest: digest.to_string() }).await {
            Ok(GotInfo { info: Some(info) }) => Ok(u64::try_from(info.size).ok()),
            Ok(GotInfo { info: None }) => Ok(None),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(self.failed(&status)),
        }
    }

    /// All of a blob as it is stored; its digest is not checked here.
    ///
    /// # Errors
    /// When containerd does not answer.
    pub(super) async fn read(
        &self,
        digest: &Digest,
    ) -> Result<BoxStream<'static, Result<Bytes, JobError>>, JobError> {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        let request = self.request(AskContent { digest: digest.to_string(), offset: 0, size: 0 });
        let call = async {
            grpc.ready().await.map_err(|error| Status::unavailable(cause(&error)))?;
            let codec = ProstCodec::<AskContent, GotContent>::default();
            grpc.server_streaming(request, PathAndQuery::from_static(READ), codec).await
        };
        let messages = patiently(call).await.map_err(|status| self.failed(&status))?.into_inner();
        let (client, digest) = (self.clone(), *digest);
        let parts = futures::stream::try_unfold((messages, 0_i64), move |(mut messages, at)| {
            let client = client.clone();
            async move {
                let message = patiently(messages.message()).await.map_err(|status| client.failed(&status))?;
                let Some(GotContent { offset, data }) = message else { return Ok(None) };
                let end = i64::try_from(data.len()).ok().and_then(|length| at.checked_add(length));
                match end.filter(|_| offset == at) {
                    Some(end) => Ok(Some((data, (messages, end)))),
                    None => Err(JobError::later(
                        "engine",
                        format!("failed to read {}: parts of {digest} are missing", client.what),
                    )),
                }
            }
        });
        Ok(parts.into_stream().boxed())
    }

    fn failed(&self, status: &Status) -> JobError {
        let said: String = status.message().chars().filter(|c| !c.is_control()).take(300).collect();
        let message = format!("failed to read {}: {said}", self.what);
        match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Aborted | Code::Cancelled | Code::Unknown => {
                JobError::later("engine", message)
            }
            Code::NotFound => JobError::never("not-found", message),
            _ => JobError::never("engine", message),
        }
    }
}

async fn patiently<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => answer,
        Err(_) => Err(Status::deadline_exceeded(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}
