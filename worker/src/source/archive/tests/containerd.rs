//! A server that speaks what is needed of containerd's API, over a Unix socket.

use std::{
    collections::HashMap,
    convert::Infallible,
    path::PathBuf,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use tokio::net::UnixListener;
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{Service, http},
    server::{Grpc, NamedService, ServerStreamingService, UnaryService},
    transport::Server,
};
use tonic_prost::ProstCodec;

use super::{
    super::containerd::{
        Containerd,
        api::{
            AskContent, AskInfo, GET, GetImage, GotContent, GotImage, GotInfo, INFO, Image, Info, NAMESPACE,
            READ, Target,
        },
    },
    *,
};

/// Bytes of a message of the fake's: documents and layers come in several.
const PART: usize = 7;

/// What a containerd holds, by namespace.
#[derive(Default)]
struct Held {
    images: HashMap<(String, String), Target>,
    blobs: HashMap<(String, String), Vec<u8>>,
    /// A blob of which the second part never comes.
    torn: Option<String>,
}

impl Held {
    fn blob(&mut self, namespace: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.blobs.insert((namespace.to_owned(), digest.to_string()), bytes.to_vec());
        digest
    }

    fn image(&mut self, namespace: &str, name: &str, layer: &[u8]) -> Digest {
        let config = self.blob(namespace, config(&[layer]).as_bytes());
        let layer = self.blob(namespace, layer);
        let manifest = format!(
            r#"{{"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}"}},
                "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}","size":1}}]}}"#
        );
        let digest = self.blob(namespace, manifest.as_bytes());
        self.name(namespace, name, "application/vnd.oci.image.manifest.v1+json", &digest.to_string());
        digest
    }

    fn name(&mut self, namespace: &str, name: &str, media_type: &str, digest: &str) {
        let target =
            Target { media_type: media_type.to_owned(), digest: digest.to_owned(), ..Target::default() };
        self.images.insert((namespace.to_owned(), name.to_owned()), target);
    }

    fn find(&self, namespace: &str, digest: &str) -> Result<&Vec<u8>, Status> {
        let found = self.blobs.get(&(namespace.to_owned(), digest.to_owned()));
        found.ok_or_else(|| Status::not_found(format!("content {digest}: not found")))
    }
}

fn namespace<T>(request: &Request<T>) -> Result<String, Status> {
    let named = request.metadata().get(NAMESPACE).and_then(|value| value.to_str().ok());
    named.map(str::to_owned).ok_or_else(|| Status::failed_precondition("namespace is required"))
}

#[derive(Clone)]
struct ImageService(Arc<Held>);
#[derive(Clone)]
struct Content(Arc<Held>);

impl NamedService for ImageService {
    const NAME: &'static str = "containerd.services.images.v1.Images";
}

impl NamedService for Content {
    const NAME: &'static str = "containerd.services.content.v1.Content";
}

impl UnaryService<GetImage> for ImageService {
    type Response = GotImage;
    type Future = BoxFuture<'static, Result<Response<GotImage>, Status>>;

    fn call(&mut self, request: Request<GetImage>) -> Self::Future {
        let answer = namespace(&request).and_then(|namespace| {
            let name = request.into_inner().name;
            let found = self.0.images.get(&(namespace, name.clone())).cloned();
            let target = found.ok_or_else(|| Status::not_found(format!("image \"{name}\": not found")))?;
            Ok(Response::new(GotImage { image: Some(Image { name, target: Some(target) }) }))
        });
        Box::pin(std::future::ready(answer))
    }
}

impl UnaryService<AskInfo> for Content {
    type Response = GotInfo;
    type Future = BoxFuture<'static, Result<Response<GotInfo>, Status>>;

    fn call(&mut self, request: Request<AskInfo>) -> Self::Future {
        let answer = namespace(&request).and_then(|namespace| {
            let digest = request.into_inner().digest;
            let size = i64::try_from(self.0.find(&namespace, &digest)?.len()).expect("a size");
            Ok(Response::new(GotInfo { info: Some(Info { digest, size }) }))
        });
        Box::pin(std::future::ready(answer))
    }
}

impl ServerStreamingService<AskContent> for Content {
    type Response = GotContent;
    type ResponseStream = BoxStream<'static, Result<GotContent, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<AskContent>) -> Self::Future {
        let answer = namespace(&request).and_then(|namespace| {
            let AskContent { digest, .. } = request.into_inner();
            let bytes = self.0.find(&namespace, &digest)?;
            let parts = bytes.chunks(PART).enumerate().map(|(number, part)| GotContent {
                offset: i64::try_from(number * PART).expect("an offset"),
                data: Bytes::copy_from_slice(part),
            });
            let torn = self.0.torn.as_ref() == Some(&digest);
            let parts: Vec<_> = parts.filter(|part| !torn || part.offset != 7).map(Ok).collect();
            Ok(Response::new(Box::pin(futures::stream::iter(parts)) as Self::ResponseStream))
        });
        Box::pin(std::future::ready(answer))
    }
}

macro_rules! serves {
    ($service:ty, $($path:expr => $call:ident),+) => {
        impl Service<http::Request<Body>> for $service {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                let service = self.clone();
                Box::pin(async move {
                    let path = request.uri().path().to_owned();
                    $(if path == $path {
                        return Ok(Grpc::new(ProstCodec::default()).$call(service, request).await);
                    })+
                    Ok(Status::unimplemented(path).into_http())
                })
            }
        }
    };
}

serves!(ImageService, GET => unary);
serves!(Content, INFO => unary, READ => server_streaming);

/// Serves on a socket that is there when this returns.
fn serve(place: &Place, held: Held) -> PathBuf {
    let socket = place.directory.path().join("containerd.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let held = Arc::new(held);
    let connections = futures::stream::unfold(listener, |listener| async {
        let connection = listener.accept().await.map(|(stream, _)| stream);
        Some((connection, listener))
    });
    let server = Server::builder().add_service(ImageService(Arc::clone(&held))).add_service(Content(held));
    tokio::spawn(server.serve_with_incoming(connections));
    socket
}

fn archives(place: &Place, socket: PathBuf, namespaces: &[&str]) -> Archives {
    let namespaces = namespaces.iter().map(|name| (*name).to_owned()).collect();
    let containerd = Containerd { sockets: vec![socket], namespaces };
    let spool = place.directory.path().to_owned();
    Archives::new(ArchiveConfig { spool, containerd, ..ArchiveConfig::default() })
}

#[tokio::test]
async fn an_image_is_read_from_the_content_store() {
    let mut place = Place::new();
    let mut held = Held::default();
    let low = held.image("default", "docker.io/library/app:1", LOW);
    let high = held.image("k8s.io", "docker.io/library/app:1", HIGH);
    held.image("k8s.io", "registry.example:5000/team/app:2", HIGH);
    held.name("k8s.io", "sha256:abc", "application/vnd.oci.image.manifest.v1+json", &high.to_string());
    let entry = |digest: &Digest, architecture: &str| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":1,"platform":{{"os":"linux","architecture":"{architecture}"}}}}"#
        )
    };
    // Of an index containerd has the machine's own platform alone.
    let absent = Digest::of(b"absent");
    let entries = format!("{},{}", entry(&low, "amd64"), entry(&absent, "arm64"));
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":["#;
    let index = held.blob("default", format!("{index}{entries}]}}").as_bytes());
    held.name("default", "multi", "application/vnd.oci.image.index.v1+json", &index.to_string());
    let socket = serve(&place, held);

    for (namespaces, name, digest, content) in [
        (&["default", "k8s.io"][..], "app:1", low, LOW),
        (&["k8s.io", "default"], "app:1", high, HIGH),
        (&["default", "k8s.io"], "registry.example:5000/team/app:2", high, HIGH),
        (&["default", "k8s.io"], "sha256:abc", high, HIGH),
        (&["default"], "multi", low, LOW),
    ] {
        place.archives = archives(&place, socket.clone(), namespaces);
        let references = place.archives.expand(&format!("containerd:{name}")).await.unwrap();
        assert_eq!(references, [format!("containerd:{name}")]);
        let facts = place.image(&references[0]).await.unwrap();
        assert_eq!(facts.image_digest, digest.to_string(), "{name} in {namespaces:?}");
        let got = place.layer(&references[0], &facts.layers[0].digest).await.unwrap();
        assert_eq!(got, (content.to_vec(), false));
    }
    let options = SourceOptions::default();
    let platforms = place.archives.platforms("containerd:multi", &options).await.unwrap();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    let error = place.archives.resolve("containerd:multi", "linux/arm64", &options).await.unwrap_err();
    assert_eq!((error.code, error.later), ("not-found", false), "{}", error.message);
    assert!(error.message.contains(&absent.to_string()), "{}", error.message);
}

#[tokio::test]
async fn what_containerd_has_not_is_named() {
    let mut place = Place::new();
    let mut held = Held::default();
    held.image("default", "docker.io/library/app:1", LOW);
    let layer = Digest::of(LOW).to_string();
    held.blobs.remove(&("default".to_owned(), layer.clone()));
    held.image("default", "docker.io/library/torn:1", HIGH);
    held.torn = Some(Digest::of(HIGH).to_string());
    held.name("default", "odd:1", "application/vnd.oci.image.manifest.v1+json", "md5:1");
    let other = Digest::of(b"other").to_string();
    held.blobs.insert(("default".to_owned(), other.clone()), b"not other".to_vec());
    held.name("default", "forged:1", "application/vnd.oci.image.manifest.v1+json", &other);
    let big = held.blob("default", &vec![b' '; (4 << 20) + 1]).to_string();
    held.name("default", "big:1", "application/vnd.oci.image.manifest.v1+json", &big);
    let socket = serve(&place, held);
    place.archives = archives(&place, socket, &["default", "k8s.io"]);

    // Layers may be dropped once they are unpacked.
    let facts = place.image("containerd:app:1").await.unwrap();
    assert_eq!(facts.layers[0].digest, layer);
    let error = place.layer("containerd:app:1", &layer).await.unwrap_err();
    assert_eq!((error.code, error.later), ("not-found", false));
    assert!(error.message.contains("not in containerd's store"), "{}", error.message);
    let torn = place.layer("containerd:torn:1", &Digest::of(HIGH).to_string()).await.unwrap_err();
    assert!(torn.message.contains("parts of") && torn.later, "{}", torn.message);

    let nowhere = place.directory.path().join("absent.sock");
    // A socket that nobody listens on any more.
    let dead = place.directory.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    let usual = place.archives.clone();
    for (archives, name, code, says) in [
        (usual.clone(), "gone:1", "not-found", "namespaces default, k8s.io"),
        (usual.clone(), "odd:1", "unsupported", "digest"),
        (usual.clone(), "forged:1", "digest-mismatch", "forged:1"),
        (usual.clone(), "big:1", "limit", "more than"),
        (usual, "a b", "bad-reference", "no image's name"),
        (archives(&place, nowhere, &["default"]), "a", "no-engine", "absent.sock"),
        (archives(&place, dead, &["default"]), "a", "engine", "dead.sock"),
    ] {
        let error = image(&archives, &format!("containerd:{name}")).await.unwrap_err();
        assert_eq!(error.code, code, "{name}: {}", error.message);
        assert!(error.message.contains(says), "{name}: {}", error.message);
    }
    let bad = archives(&place, place.directory.path().join("containerd.sock"), &["a\nb"]);
    let error = image(&bad, "containerd:a").await.unwrap_err();
    assert!(error.message.contains("no namespace"), "{}", error.message);
}
