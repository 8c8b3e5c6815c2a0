//! Calls that end before their time: by a panic, by their caller's deadline, by a caller who leaves, by a token's end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::StreamExt as _;
use strata_coordinator::{
    access::{gate::Gate, token::StoredToken},
    ports::{PortError, Tokens},
};
use strata_proto::v1::{
    ListScansRequest, ListTokensRequest, RevokeTokenRequest, WatchRequest, strata_client::StrataClient,
};
use tokio::sync::Notify;
use tonic::{Code, Request, Streaming};

use crate::{
    access::{World, code},
    model::{Model, Running, archive},
    service::{request, serve_behind},
};

/// Tokens whose list never comes, or panics; counts those who wait for it.
#[derive(Default)]
struct Rough {
    panics: bool,
    waiting: AtomicUsize,
    changed: Notify,
}

struct Waiting<'a>(&'a Rough);

impl<'a> Waiting<'a> {
    fn new(rough: &'a Rough) -> Self {
        rough.waiting.fetch_add(1, Ordering::SeqCst);
        rough.changed.notify_one();
        Self(rough)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_one();
    }
}

impl Rough {
    async fn until_waiting(&self, count: usize) {
        while self.waiting.load(Ordering::SeqCst) != count {
            self.changed.notified().await;
        }
    }
}

#[async_trait]
impl Tokens for Rough {
    async fn add_token(&self, _: &StoredToken) -> Result<(), PortError> {
        Ok(())
    }
    async fn token(&self, _: &str) -> Result<Option<StoredToken>, PortError> {
        Ok(None)
    }
    async fn tokens(&self) -> Result<Vec<StoredToken>, PortError> {
        assert!(!self.panics, "a fault of the server");
        let _waiting = Waiting::new(self);
        std::future::pending().await
    }
    async fn any_token(&self) -> Result<bool, PortError> {
        Ok(false)
    }
    async fn revoke_token(&self, _: &str, _: i64) -> Result<Option<StoredToken>, PortError> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_panic_fails_its_own_call_only() {
    let (_directory, archive) = archive().await;
    let running = Running::start(&Model::new(&[]), archive);
    let rough = Rough { panics: true, ..Rough::default() };
    let served = serve_behind(&running, Arc::new(Gate::new(Arc::new(rough), None))).await;
    let mut client = StrataClient::new(served.channel.clone());
    for _ in 0..3 {
        // On one connection, with a call that works beside each that does not.
        let mut other = client.clone();
        let (failed, listed) = tokio::join!(
            client.list_tokens(ListTokensRequest {}),
            other.list_scans(ListScansRequest::default())
        );
        let failed = failed.expect_err("it panics");
        assert_eq!(failed.code(), Code::Internal, "{failed}");
        assert!(failed.message().contains("its log has more"), "{failed}");
        assert_eq!(code(listed), Code::Ok);
    }
    served.stop().await;
    running.stop().await;
}

#[tokio::test]
async fn nothing_goes_on_for_a_caller_that_left() {
    let (_directory, archive) = archive().await;
    let running = Running::start(&Model::new(&[]), archive);
    let rough = Arc::new(Rough::default());
    let served = serve_behind(&running, Arc::new(Gate::new(rough.clone(), None))).await;
    let mut client = StrataClient::new(served.channel.clone());
    // Its deadline passes.
    let mut hurried = Request::new(ListTokensRequest {});
    hurried.set_timeout(Duration::from_millis(200));
    let late = client.list_tokens(hurried).await.expect_err("too late");
    assert!(matches!(late.code(), Code::DeadlineExceeded | Code::Cancelled), "{late}");
    rough.until_waiting(0).await;
    // It goes away.
    let mut gone = client.clone();
    let call = tokio::spawn(async move { gone.list_tokens(ListTokensRequest {}).await });
    rough.until_waiting(1).await;
    call.abort();
    rough.until_waiting(0).await;
    served.stop().await;
    running.stop().await;
}

/// Follows to the end; the code that it ends with.
async fn end_of<T>(mut events: Streaming<T>) -> Code {
    while let Some(event) = events.next().await {
        if let Err(status) = event {
            return status.code();
        }
    }
    Code::Ok
}

#[tokio::test]
async fn a_stream_ends_with_the_right_to_it() {
    let world = World::with(None).await;
    world.model.hold("assess");
    let mut anonymous = world.caller("");
    let scan_id =
        anonymous.submit(request("r.example/other:1")).await.expect("submitted").into_inner().scan_id;
    let watch = || WatchRequest { scan_id: scan_id.clone(), ..WatchRequest::default() };
    let nobodys = anonymous.watch(watch()).await.expect("watched").into_inner();
    let (mut admin, _) = world.token(&["admin"], &[], 0).await;
    assert_eq!(end_of(nobodys).await, Code::Unauthenticated, "calls need a token now");

    let (mut reader, secret) = world.token(&["read"], &[], 0).await;
    let open = reader.watch(watch()).await.expect("watched").into_inner();
    let mut hurried = Request::new(watch());
    hurried.set_timeout(Duration::from_millis(300));
    let hurried = reader.watch(hurried).await.expect("watched").into_inner();
    let other = admin.watch(watch()).await.expect("watched").into_inner();
    let id = secret.split('_').nth(1).expect("an id").to_owned();
    admin.revoke_token(RevokeTokenRequest { id }).await.expect("revoked");
    assert_eq!(end_of(open).await, Code::Unauthenticated, "its token was revoked");
    assert_eq!(end_of(hurried).await, Code::DeadlineExceeded, "its time was over");
    // An administrator's goes on to the scan's end.
    world.model.release();
    assert_eq!(end_of(other).await, Code::Ok);
    world.stop().await;
}
