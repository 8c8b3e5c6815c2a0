//! The public service over gRPC on loopback.

use std::sync::Arc;

use futures::StreamExt as _;
use strata_coordinator::{access::gate::Gate, service};
use strata_proto::v1::{
    CancelRequest, CheckReportsRequest, CheckReportsResponse, CheckedReport, GetReportRequest,
    GetScanRequest, HoldReportRequest, ListScansRequest, ReleaseReportRequest, ScanState,
    SearchReportsRequest, SubmitRequest, WatchRequest, event::Kind, strata_client::StrataClient,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::{
    access,
    model::{Model, Running, archive},
};

pub(crate) struct Served {
    pub(crate) channel: Channel,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), service::ServiceError>>,
}

async fn serve(running: &Running) -> Served {
    let gate = Arc::new(Gate::new(Arc::new(access::NoTokens), None));
    serve_behind(running, gate).await
}

pub(crate) async fn serve_behind(running: &Running, gate: Arc<Gate>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let shutdown = CancellationToken::new();
    let service = service::Service { handle: running.handle.clone(), gate, tls: None };
    let task = tokio::spawn(service::serve(listener, service, shutdown.clone()));
    let channel = Channel::from_shared(url).expect("a URL").connect().await.expect("connected");
    Served { channel, shutdown, task }
}

impl Served {
    fn client(&self) -> StrataClient<Channel> {
        StrataClient::new(self.channel.clone())
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        drop(self.channel);
        self.task.await.expect("no panic").expect("served");
    }
}

pub(crate) fn request(image: &str) -> SubmitRequest {
    SubmitRequest { images: vec![image.to_owned()], ..SubmitRequest::default() }
}

#[tokio::test]
async fn a_scan_from_submission_to_report() {
    let model = Model::new(&[("r.example/app:1", &["base"])]);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    let served = serve(&running).await;
    let mut client = served.client();
    let scan_id = client.submit(request("r.example/app:1")).await.expect("submitted").into_inner().scan_id;
    let watch = WatchRequest { scan_id: scan_id.clone(), after_sequence: 0, with_reports: true };
    let events = client.watch(watch).await.expect("watched").into_inner();
    let events: Vec<_> = events.map(|event| event.expect("an event")).collect().await;
    let report_id = events
        .iter()
        .find_map(|event| match &event.kind {
            Some(Kind::Reported(reported)) => Some(reported.report_id.clone()),
            _ => None,
        })
        .expect("a report");
    assert!(matches!(events.last().and_then(|event| event.kind.as_ref()), Some(Kind::Finished(_))));
    let scan =
        client.get_scan(GetScanRequest { scan_id: scan_id.clone() }).await.expect("a scan").into_inner();
    assert_eq!(scan.state(), ScanState::Completed);
    let listed = client.list_scans(ListScansRequest::default()).await.expect("listed").into_inner().scans;
    assert_eq!(listed, std::slice::from_ref(&scan));
    let report =
        client.get_report(GetReportRequest { report_id: report_id.clone() }).await.expect("a report");
    assert_eq!(report.into_inner().packages.len(), 1);
    let query = SearchReportsRequest { reference: "app".to_owned(), ..Default::default() };
    let found = client.search_reports(query).await.expect("searched").into_inner().reports;
    assert_eq!(found.iter().map(|one| one.report_id.as_str()).collect::<Vec<_>>(), [report_id.as_str()]);
    a_report_is_held_checked_and_released(&mut client, &report_id).await;
    assert_eq!(client.cancel(CancelRequest { scan_id }).await.expect("ended before").into_inner(), scan);
    served.stop().await;
    running.stop().await;
}

async fn a_report_is_held_checked_and_released(client: &mut StrataClient<Channel>, report_id: &str) {
    let hold =
        |reason: &str| HoldReportRequest { report_id: report_id.to_owned(), reason: reason.to_owned() };
    assert_eq!(client.hold_report(hold(" ")).await.expect_err("refused").code(), Code::InvalidArgument);
    let held = client.hold_report(hold("case 7")).await.expect("held").into_inner();
    assert_eq!(
        (held.held_by.as_str(), held.reason.as_str(), held.held_unix_ms > 0),
        ("anonymous", "case 7", true)
    );
    let query = SearchReportsRequest { report_id: report_id.to_owned(), ..Default::default() };
    let found = client.search_reports(query).await.expect("searched").into_inner().reports;
    assert_eq!(found[0].hold, Some(held));
    let checked = client.check_reports(CheckReportsRequest::default()).await.expect("checked").into_inner();
    let sound = CheckedReport { report_id: report_id.to_owned(), known: true, wrong: String::new() };
    assert_eq!((checked.reports, checked.next > 0), (vec![sound], true));
    let behind = CheckReportsRequest { after: checked.next };
    assert_eq!(
        client.check_reports(behind).await.expect("checked").into_inner(),
        CheckReportsResponse::default()
    );
    let release = || ReleaseReportRequest { report_id: report_id.to_owned() };
    let released = client.release_report(release()).await.expect("released").into_inner();
    assert_eq!(released.released_by, "anonymous");
    assert_eq!(client.release_report(release()).await.expect_err("once").code(), Code::NotFound);
}

#[tokio::test]
async fn errors_have_their_code_and_name_the_thing() {
    let model = Model::new(&[]);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    let served = serve(&running).await;
    let mut client = served.client();
    let id = || "nope".to_owned();
    for (status, code, names) in [
        (client.submit(request("UPPER")).await.err(), Code::InvalidArgument, "UPPER"),
        (client.submit(SubmitRequest::default()).await.err(), Code::InvalidArgument, "needs images"),
        (client.get_scan(GetScanRequest { scan_id: id() }).await.err(), Code::NotFound, "nope"),
        (client.cancel(CancelRequest { scan_id: id() }).await.err(), Code::NotFound, "nope"),
        (client.get_report(GetReportRequest { report_id: id() }).await.err(), Code::NotFound, "nope"),
        (
            client.watch(WatchRequest { scan_id: id(), ..Default::default() }).await.err(),
            Code::NotFound,
            "nope",
        ),
    ] {
        let status = status.expect("refused");
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(names), "{status}");
    }
    served.stop().await;
    running.stop().await;
}

#[tokio::test]
async fn health_and_reflection_are_on() {
    let model = Model::new(&[]);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    let served = serve(&running).await;
    for service in ["", "strata.v1.Strata"] {
        let check = HealthCheckRequest { service: service.to_owned() };
        let health = HealthClient::new(served.channel.clone()).check(check).await.expect("checked");
        assert_eq!(health.into_inner().status(), ServingStatus::Serving, "`{service}`");
    }
    let ask = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..ServerReflectionRequest::default()
    };
    let mut reflection = ServerReflectionClient::new(served.channel.clone());
    let answers = reflection.server_reflection_info(tokio_stream::once(ask)).await.expect("asked");
    let answer = answers.into_inner().next().await.expect("an answer").expect("an answer");
    let Some(MessageResponse::ListServicesResponse(listed)) = answer.message_response else {
        panic!("not a list: {answer:?}")
    };
    let names: Vec<&str> = listed.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&"strata.v1.Strata") && names.contains(&"grpc.health.v1.Health"), "{names:?}");
    served.stop().await;
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_ends_does_not_wait_for_open_watches() {
    let model = Model::new(&[("r.example/app:1", &["base"])]);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    let served = serve(&running).await;
    model.hold("assess");
    let mut client = served.client();
    let scan_id = client.submit(request("r.example/app:1")).await.expect("submitted").into_inner().scan_id;
    let watch = WatchRequest { scan_id, ..WatchRequest::default() };
    let mut events = client.watch(watch).await.expect("watched").into_inner();
    assert!(events.next().await.expect("an event").is_ok());
    served.stop().await;
    running.stop().await;
}
