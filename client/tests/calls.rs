//! Calls against a server that answers what it is told to: deadlines, further attempts, headers.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use strata_client::{
    Builder, Client, Error, ImageScan, RetryPolicy,
    v1::{CreateTokenRequest, Scan, SubmitRequest},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Code, Status,
    body::Body,
    codegen::{Service, http},
    server::{Grpc, NamedService},
    transport::Server,
};
use tonic_prost::ProstCodec;

/// What the server does with the next call.
enum Answer {
    Good,
    Bad(Status),
    Silence,
}

#[derive(Default)]
struct State {
    /// Good where nothing is left.
    answers: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<(http::HeaderMap, SubmitRequest)>>,
}

/// Every method of the service at once: the request is read as a submission, the answer is a scan with an id. The fields
/// that matter here have the same numbers in all messages.
#[derive(Clone, Default)]
struct Fake(Arc<State>);

impl NamedService for Fake {
    const NAME: &'static str = "strata.v1.Strata";
}

impl Service<http::Request<Body>> for Fake {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let one = One { state: Arc::clone(&self.0), headers: request.headers().clone() };
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<Scan, SubmitRequest>::default());
            Ok(grpc.unary(one, request).await)
        })
    }
}

struct One {
    state: Arc<State>,
    headers: http::HeaderMap,
}

impl Service<tonic::Request<SubmitRequest>> for One {
    type Response = tonic::Response<Scan>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<SubmitRequest>) -> Self::Future {
        self.state.seen.lock().expect("no panic").push((self.headers.clone(), request.into_inner()));
        let answer = self.state.answers.lock().expect("no panic").pop_front();
        Box::pin(async move {
            match answer.unwrap_or(Answer::Good) {
                Answer::Good => Ok(tonic::Response::new(Scan { id: "one".to_owned(), ..Scan::default() })),
                Answer::Bad(status) => Err(status),
                Answer::Silence => std::future::pending().await,
            }
        })
    }
}

/// A server that answers so, and a client's builder for it that waits hardly at all.
async fn serve(answers: impl IntoIterator<Item = Answer>) -> (Fake, Builder) {
    let fake = Fake::default();
    fake.0.answers.lock().expect("no panic").extend(answers);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(
        Server::builder().add_service(fake.clone()).serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let hasty = RetryPolicy { shortest: Duration::from_millis(1), ..RetryPolicy::calls() };
    (fake, Client::builder(&url).retry_calls(hasty))
}

impl Fake {
    fn calls(&self) -> usize {
        self.0.seen.lock().expect("no panic").len()
    }

    fn header(&self, call: usize, name: &str) -> Option<String> {
        let seen = self.0.seen.lock().expect("no panic");
        seen[call].0.get(name).map(|value| value.to_str().expect("text").to_owned())
    }

    fn key(&self, call: usize) -> String {
        self.0.seen.lock().expect("no panic")[call].1.idempotency_key.clone()
    }
}

fn bad(code: Code) -> Answer {
    Answer::Bad(Status::new(code, "told to"))
}

#[tokio::test]
async fn what_passes_is_tried_again_and_no_more_than_that() {
    for (codes, calls, good) in [
        (&[][..], 1, true),
        (&[Code::Unavailable], 2, true),
        (&[Code::Unavailable, Code::ResourceExhausted, Code::Aborted], 4, true),
        (&[Code::Unavailable; 4], 4, false),
        (&[Code::InvalidArgument], 1, false),
        (&[Code::PermissionDenied], 1, false),
        (&[Code::NotFound], 1, false),
        (&[Code::DeadlineExceeded], 1, false),
    ] {
        let (fake, builder) = serve(codes.iter().copied().map(bad)).await;
        let mut client = builder.connect().await.expect("a connection");
        assert_eq!(client.get_scan("one").await.is_ok(), good, "{codes:?}");
        assert_eq!(fake.calls(), calls, "{codes:?}");
    }
}

#[tokio::test]
async fn a_submission_is_one_scan_however_often_it_is_sent() {
    let (fake, builder) = serve([bad(Code::Unavailable), bad(Code::Unavailable)]).await;
    let mut client = builder.connect().await.expect("a connection");
    assert_eq!(client.submit(ImageScan::new(["a:1"])).await.expect("a scan"), "one");
    assert_eq!(fake.calls(), 3);
    assert!(!fake.key(0).is_empty() && fake.key(0) == fake.key(1) && fake.key(1) == fake.key(2));
    client.submit(ImageScan::new(["a:1"])).await.expect("a scan");
    assert_ne!(fake.key(3), fake.key(0), "another submission is another scan");
    client.submit(ImageScan::new(["a:1"]).idempotency_key("mine")).await.expect("a scan");
    assert_eq!(fake.key(4), "mine");
}

#[tokio::test]
async fn what_must_not_be_made_twice_is_tried_once() {
    let (fake, builder) = serve([bad(Code::Unavailable)]).await;
    let mut client = builder.connect().await.expect("a connection");
    let error = client.create_token(CreateTokenRequest::default()).await.expect_err("refused");
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!(fake.calls(), 1);
}

#[tokio::test]
async fn a_server_that_says_not_to_come_back_is_obeyed() {
    for (pushback, calls) in [("-1", 1), ("1", 2)] {
        let mut status = Status::unavailable("told to");
        status.metadata_mut().insert("grpc-retry-pushback-ms", pushback.parse().expect("a value"));
        let (fake, builder) = serve([Answer::Bad(status)]).await;
        let mut client = builder.connect().await.expect("a connection");
        assert_eq!(client.get_scan("one").await.is_ok(), calls == 2, "{pushback}");
        assert_eq!(fake.calls(), calls, "{pushback}");
    }
}

#[tokio::test]
async fn a_deadline_ends_a_call_and_the_server_knows_it() {
    let (fake, builder) = serve([Answer::Silence]).await;
    let client = builder.connect().await.expect("a connection");
    let mut hasty = client.clone().with_deadline(Duration::from_millis(200));
    let error = hasty.get_scan("one").await.expect_err("no answer");
    assert!(matches!(error, Error::TimedOut { .. }) && error.is_transient(), "{error}");
    assert!(error.to_string().contains("200ms"), "{error}");
    assert_eq!(fake.calls(), 1, "nobody waits any more: not tried again");
    let told = fake.header(0, "grpc-timeout").expect("a deadline");
    assert!(told.ends_with(['m', 'u', 'n']), "{told} is less than a second");
    // The other clone has the usual one, and the longest one is no overflow.
    client.clone().get_scan("one").await.expect("an answer");
    assert!(fake.header(1, "grpc-timeout").is_some());
    client.with_deadline(Duration::MAX).get_scan("one").await.expect("an answer");
}

#[tokio::test]
async fn token_and_trace_context_go_along() {
    const CONTEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let (fake, builder) = serve([]).await;
    let builder = builder.token("s3cret").traceparent(CONTEXT);
    assert!(!format!("{builder:?}").contains("s3cret"), "a builder prints no token");
    builder.connect().await.expect("a connection").get_scan("one").await.expect("an answer");
    assert_eq!(fake.header(0, "authorization").as_deref(), Some("Bearer s3cret"));
    assert_eq!(fake.header(0, "traceparent").as_deref(), Some(CONTEXT));
}
