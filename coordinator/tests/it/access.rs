//! Who may call what, over gRPC on loopback with a real archive.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use strata_coordinator::{
    access::{
        gate::Gate,
        oidc::Oidc,
        token::{StoredToken, mint},
    },
    archive::sqlite::SqliteArchive,
    ports::{PortError, Tokens},
};
use strata_proto::v1::{
    CancelRequest, CreateTokenRequest, GetReportRequest, GetScanRequest, ListScansRequest, ListTokensRequest,
    RegistryTarget, RevokeTokenRequest, SearchReportsRequest, SubmitRequest, WatchRequest, event::Kind,
    strata_client::StrataClient,
};
use tonic::{Code, Request, Status, service::interceptor::InterceptedService, transport::Channel};

use crate::{
    model::{Model, Running, archive},
    service::{Served, request, serve_behind},
};

/// An archive in which there never was a token.
pub(crate) struct NoTokens;

#[async_trait]
impl Tokens for NoTokens {
    async fn add_token(&self, _: &StoredToken) -> Result<(), PortError> {
        Err(PortError { action: "keep a token", reason: "this one keeps none".to_owned() })
    }
    async fn token(&self, _: &str) -> Result<Option<StoredToken>, PortError> {
        Ok(None)
    }
    async fn tokens(&self) -> Result<Vec<StoredToken>, PortError> {
        Ok(Vec::new())
    }
    async fn any_token(&self) -> Result<bool, PortError> {
        Ok(false)
    }
    async fn revoke_token(&self, _: &str, _: i64) -> Result<Option<StoredToken>, PortError> {
        Ok(None)
    }
}

pub(crate) type Caller = StrataClient<InterceptedService<Channel, Show>>;

/// Shows one value as the authorization of every call.
#[derive(Clone)]
pub(crate) struct Show(String);

impl tonic::service::Interceptor for Show {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if !self.0.is_empty() {
            request.metadata_mut().insert("authorization", self.0.parse().expect("a header"));
        }
        Ok(request)
    }
}

pub(crate) struct World {
    pub(crate) model: Model,
    pub(crate) archive: Arc<SqliteArchive>,
    running: Running,
    pub(crate) served: Served,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(None).await
    }

    pub(crate) async fn with(oidc: Option<Oidc>) -> Self {
        let images: [(&str, &[&str]); 3] = [
            ("r.example/team/app:1", &["base"]),
            ("r.example/other:1", &["other"]),
            ("r.example/teamwork:1", &["top"]),
        ];
        let model = Model::new(&images);
        let (directory, archive) = archive().await;
        let running = Running::start(&model, archive.clone());
        let gate = Arc::new(Gate::new(archive.clone(), oidc));
        let served = serve_behind(&running, gate).await;
        Self { model, archive, running, served, _directory: directory }
    }

    pub(crate) fn caller(&self, authorization: &str) -> Caller {
        StrataClient::with_interceptor(self.served.channel.clone(), Show(authorization.to_owned()))
    }

    pub(crate) async fn token(
        &self,
        scopes: &[&str],
        prefixes: &[&str],
        expires_unix_ms: i64,
    ) -> (Caller, String) {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let request = CreateTokenRequest {
            name: scopes.join("-"),
            scopes: owned(scopes),
            prefixes: owned(prefixes),
            expires_unix_ms,
        };
        let (stored, secret) = mint(request, 1).expect("made");
        self.archive.add_token(&stored).await.expect("kept");
        (self.caller(&format!("Bearer {secret}")), secret)
    }

    pub(crate) async fn stop(self) {
        self.served.stop().await;
        self.running.stop().await;
    }
}

/// Submits and follows to the end; returns the scan and its report.
async fn scan(caller: &mut Caller, image: &str) -> (String, String) {
    let scan_id = caller.submit(request(image)).await.expect("submitted").into_inner().scan_id;
    let watch = WatchRequest { scan_id: scan_id.clone(), ..WatchRequest::default() };
    let events: Vec<_> = caller.watch(watch).await.expect("watched").into_inner().collect().await;
    let report = events.into_iter().find_map(|event| match event.expect("an event").kind {
        Some(Kind::Reported(reported)) => Some(reported.report_id),
        _ => None,
    });
    (scan_id, report.expect("a report"))
}

pub(crate) fn code<T>(answer: Result<T, Status>) -> Code {
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

fn get_report(id: &str) -> GetReportRequest {
    GetReportRequest { report_id: id.to_owned() }
}

#[tokio::test]
async fn calls_need_a_token_from_the_first_one_on() {
    let world = World::new().await;
    let mut nobody = world.caller("");
    assert_eq!(code(nobody.list_scans(ListScansRequest::default()).await), Code::Ok);
    let (mut reader, secret) = world.token(&["read"], &[], 0).await;
    assert_eq!(code(nobody.list_scans(ListScansRequest::default()).await), Code::Unauthenticated);
    assert_eq!(code(reader.list_scans(ListScansRequest::default()).await), Code::Ok);
    let (_, expired) = world.token(&["admin"], &[], 2).await;
    let other = secret.replace(char::is_numeric, "0");
    for shown in [
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        &secret,
        "Bearer x",
        &format!("Bearer {other}"),
        &format!("Bearer {expired}"),
    ] {
        let refused = world.caller(shown).list_scans(ListScansRequest::default()).await.expect_err(shown);
        assert_eq!(refused.code(), Code::Unauthenticated, "{shown}");
        assert!(!refused.message().contains(&secret) && !refused.message().contains(&expired), "{refused}");
    }
    world.stop().await;
}

#[tokio::test]
async fn scopes_are_kept_apart() {
    let world = World::new().await;
    let (mut admin, _) = world.token(&["admin"], &[], 0).await;
    let (mut reader, _) = world.token(&["read"], &[], 0).await;
    let (mut submitter, _) = world.token(&["scan"], &[], 0).await;
    let (other_scan, other_report) = scan(&mut admin, "r.example/other:1").await;
    let (own_scan, own_report) = scan(&mut submitter, "r.example/team/app:1").await;
    // A token that may only submit follows its own scans, and cannot read others' reports.
    assert_eq!(code(submitter.get_report(get_report(&own_report)).await), Code::Ok);
    assert_eq!(code(submitter.get_report(get_report(&other_report)).await), Code::PermissionDenied);
    assert_eq!(code(submitter.get_report(get_report("none")).await), Code::PermissionDenied);
    assert_eq!(code(submitter.search_reports(SearchReportsRequest::default()).await), Code::PermissionDenied);
    assert_eq!(
        code(submitter.get_scan(GetScanRequest { scan_id: other_scan.clone() }).await),
        Code::NotFound
    );
    assert_eq!(code(submitter.cancel(CancelRequest { scan_id: other_scan.clone() }).await), Code::NotFound);
    let listed = submitter.list_scans(ListScansRequest::default()).await.expect("listed").into_inner().scans;
    assert_eq!(listed.iter().map(|scan| scan.id.as_str()).collect::<Vec<_>>(), [own_scan.as_str()]);
    assert!(listed[0].owner.starts_with("token:"));
    // A reader reads everything and changes nothing.
    assert_eq!(code(reader.get_report(get_report(&own_report)).await), Code::Ok);
    assert_eq!(code(reader.submit(request("r.example/other:1")).await), Code::PermissionDenied);
    assert_eq!(code(reader.cancel(CancelRequest { scan_id: own_scan }).await), Code::PermissionDenied);
    assert_eq!(code(reader.list_tokens(ListTokensRequest {}).await), Code::PermissionDenied);
    assert_eq!(code(submitter.create_token(CreateTokenRequest::default()).await), Code::PermissionDenied);
    // An idempotency key does not lead to another's scan.
    let keyed = SubmitRequest { idempotency_key: "nightly".to_owned(), ..request("r.example/other:1") };
    let first = admin.submit(keyed.clone()).await.expect("submitted").into_inner();
    assert_eq!(admin.submit(keyed.clone()).await.expect("the same").into_inner(), first);
    assert_eq!(code(submitter.submit(keyed).await), Code::InvalidArgument);
    world.stop().await;
}

#[tokio::test]
async fn an_administrator_makes_and_ends_tokens() {
    let world = World::new().await;
    let (mut admin, _) = world.token(&["admin"], &[], 0).await;
    let request =
        CreateTokenRequest { name: "ci".to_owned(), scopes: vec!["read".to_owned()], ..Default::default() };
    let made = admin.create_token(request).await.expect("made").into_inner();
    let mut caller = world.caller(&format!("Bearer {}", made.secret));
    assert_eq!(code(caller.list_scans(ListScansRequest::default()).await), Code::Ok);
    let id = made.token.expect("a token").id;
    let listed = admin.list_tokens(ListTokensRequest {}).await.expect("listed").into_inner().tokens;
    assert_eq!(listed.len(), 2);
    assert!(!format!("{listed:?}").contains(made.secret.rsplit('_').next().expect("a secret")));
    let revoked =
        admin.revoke_token(RevokeTokenRequest { id: id.clone() }).await.expect("revoked").into_inner();
    assert!(revoked.id == id && revoked.revoked_unix_ms > 0);
    let refused = caller.list_scans(ListScansRequest::default()).await.expect_err("revoked");
    assert!(
        refused.code() == Code::Unauthenticated && refused.message().contains("was revoked"),
        "{refused}"
    );
    assert_eq!(code(admin.revoke_token(RevokeTokenRequest { id: "none".to_owned() }).await), Code::NotFound);
    let empty = CreateTokenRequest::default();
    assert_eq!(code(admin.create_token(empty).await), Code::InvalidArgument);
    world.stop().await;
}

#[tokio::test]
async fn a_limited_token_scans_and_sees_only_its_repositories() {
    let world = World::new().await;
    let (mut admin, _) = world.token(&["admin"], &[], 0).await;
    let (mut team, _) = world.token(&["read", "scan"], &["r.example/team"], 0).await;
    let (whole, _) = scan(&mut admin, "r.example/other:1").await;
    let (_, work) = scan(&mut admin, "r.example/teamwork:1").await;
    let (theirs, report) = scan(&mut admin, "r.example/team/app:1").await;
    for image in ["r.example/other:1", "r.example/teamwork:1", "r.example:5000/team/app:1"] {
        let refused = team.submit(request(image)).await.expect_err(image);
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert!(
            refused.message().contains(image) && refused.message().contains("r.example/team"),
            "{refused}"
        );
    }
    let sweep = |prefix: &str| SubmitRequest {
        registry: Some(RegistryTarget {
            host: "r.example".to_owned(),
            prefix: prefix.to_owned(),
            ..RegistryTarget::default()
        }),
        ..SubmitRequest::default()
    };
    assert_eq!(code(team.submit(sweep("")).await), Code::PermissionDenied);
    assert_eq!(code(team.submit(sweep("team")).await), Code::Ok);
    assert_eq!(code(team.get_report(get_report(&report)).await), Code::Ok);
    assert_eq!(code(team.get_report(get_report(&work)).await), Code::NotFound);
    let watch =
        |id: &str| WatchRequest { scan_id: id.to_owned(), with_reports: true, ..WatchRequest::default() };
    assert_eq!(code(team.watch(watch(&whole)).await), Code::NotFound);
    let events: Vec<_> = team.watch(watch(&theirs)).await.expect("watched").into_inner().collect().await;
    assert!(events.iter().all(Result::is_ok) && events.len() >= 3);
    let listed = team.list_scans(ListScansRequest::default()).await.expect("listed").into_inner().scans;
    assert_eq!(listed.len(), 2, "the one of its image and its own sweep: {listed:?}");
    let found =
        team.search_reports(SearchReportsRequest::default()).await.expect("searched").into_inner().reports;
    let references: Vec<&String> = found.iter().flat_map(|one| &one.references).collect();
    assert_eq!(references, ["r.example/team/app:1"]);
    world.stop().await;
}
