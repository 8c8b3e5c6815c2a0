//! The driver against a coordinator that plays a part.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use futures::{Stream, stream};
use strata_client::v1::{
    self, CancelRequest, Event, GetReportRequest, GetScanRequest, ImageReported, Ledger, ListScansRequest,
    ListScansResponse, Report, Scan, ScanFinished, ScanStarted, ScanState, SearchReportsRequest,
    SearchReportsResponse, SubmitResponse, Summary, WatchRequest,
};
use strata_loadtest::content::{Arch, Plan, Synthetic};
use strata_proto::v1::strata_server::{Strata, StrataServer};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming, transport::Server};

use super::*;

type Answer<T> = Result<Response<T>, Status>;

/// Plays events, then ends the scan or leaves it open for ever.
#[derive(Clone, Default)]
struct Part {
    events: Vec<Kind>,
    ends: bool,
    submitted: Arc<Mutex<Option<SubmitRequest>>>,
    cancelled: Arc<AtomicBool>,
}

#[tonic::async_trait]
impl Strata for Part {
    type FetchDatabaseStream = Pin<Box<dyn Stream<Item = Result<v1::FetchDatabaseResponse, Status>> + Send>>;
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

    async fn submit(&self, request: Request<SubmitRequest>) -> Answer<SubmitResponse> {
        *self.submitted.lock().unwrap() = Some(request.into_inner());
        Ok(Response::new(SubmitResponse { scan_id: "scan-1".to_owned() }))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        let scan_id = request.into_inner().scan_id;
        let number = |(kind, sequence)| {
            Ok(Event { sequence, scan_id: scan_id.clone(), kind: Some(kind), ..Event::default() })
        };
        let events: Vec<_> = self.events.clone().into_iter().zip(1..).map(number).collect();
        let events = stream::iter(events);
        Ok(Response::new(if self.ends {
            Box::pin(events)
        } else {
            Box::pin(futures::StreamExt::chain(events, stream::pending()))
        }))
    }

    async fn cancel(&self, _: Request<CancelRequest>) -> Answer<Scan> {
        self.cancelled.store(true, SeqCst);
        Ok(Response::new(Scan::default()))
    }

    async fn get_scan(&self, _: Request<GetScanRequest>) -> Answer<Scan> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn list_scans(&self, _: Request<ListScansRequest>) -> Answer<ListScansResponse> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn get_report(&self, _: Request<GetReportRequest>) -> Answer<Report> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn search_reports(&self, _: Request<SearchReportsRequest>) -> Answer<SearchReportsResponse> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn submit_report(&self, _: Request<v1::SubmitReportRequest>) -> Answer<v1::SubmitReportResponse> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn publish_database(
        &self,
        _: Request<Streaming<v1::DatabaseChunk>>,
    ) -> Answer<v1::PublishDatabaseResponse> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn create_token(&self, _: Request<v1::CreateTokenRequest>) -> Answer<v1::CreateTokenResponse> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn list_tokens(&self, _: Request<v1::ListTokensRequest>) -> Answer<v1::ListTokensResponse> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn revoke_token(&self, _: Request<v1::RevokeTokenRequest>) -> Answer<v1::Token> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn hold_report(&self, _: Request<v1::HoldReportRequest>) -> Answer<v1::ReportHold> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn release_report(&self, _: Request<v1::ReleaseReportRequest>) -> Answer<v1::ReportHold> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn tag_image(&self, _: Request<v1::TagImageRequest>) -> Answer<v1::TagImageResponse> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn accept_risk(&self, _: Request<v1::AcceptRiskRequest>) -> Answer<v1::AcceptRiskResponse> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn list_accepted_risks(
        &self,
        _: Request<v1::ListAcceptedRisksRequest>,
    ) -> Answer<v1::ListAcceptedRisksResponse> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn end_accepted_risk(
        &self,
        _: Request<v1::EndAcceptedRiskRequest>,
    ) -> Answer<v1::EndAcceptedRiskResponse> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn get_database(&self, _: Request<v1::GetDatabaseRequest>) -> Answer<v1::GetDatabaseResponse> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn fetch_database(
        &self,
        _: Request<v1::FetchDatabaseRequest>,
    ) -> Answer<Self::FetchDatabaseStream> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn find_touched(&self, _: Request<v1::FindTouchedRequest>) -> Answer<v1::FindTouchedResponse> {
        Err(Status::unimplemented("not in this part"))
    }

    async fn check_reports(&self, _: Request<v1::CheckReportsRequest>) -> Answer<v1::CheckReportsResponse> {
        Err(Status::unimplemented("not in this part"))
    }
}

async fn measure(part: &Part, timeout: u64) -> anyhow::Result<Measured> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let service = StrataServer::new(part.clone());
    let serving = tokio::spawn(
        Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let measured = sweep(&TargetArgs { server, timeout, json: None }, "127.0.0.1:5000", None).await;
    serving.abort();
    measured
}

fn reported() -> Kind {
    Kind::Reported(ImageReported {
        references: vec!["127.0.0.1:5000/a:1".to_owned()],
        ..ImageReported::default()
    })
}

#[tokio::test]
async fn follows_a_sweep_to_its_end() {
    let ledger = Ledger { enumerated: 1, reported: 1, ..Ledger::default() };
    let summary = Summary {
        ledger: Some(ledger),
        images: 1,
        distinct_layers: 2,
        layers_analysed: 2,
        ..Summary::default()
    };
    let finished = ScanFinished { state: ScanState::Completed.into(), summary: Some(summary) };
    let events = vec![Kind::Started(ScanStarted {}), reported(), Kind::Finished(finished)];
    let part = Part { events, ends: true, ..Part::default() };
    let measured = measure(&part, 60).await.unwrap();
    assert!(measured.is_complete(), "{measured:?}");
    assert_eq!((measured.scan_id.as_str(), measured.images), ("scan-1", 1));
    assert!(measured.seconds_to_first_report.is_some_and(|first| first <= measured.seconds));
    let submitted = part.submitted.lock().unwrap().clone().unwrap();
    assert_eq!(submitted.registry.unwrap().host, "127.0.0.1:5000");
    assert!(!part.cancelled.load(SeqCst));
}

#[tokio::test]
async fn cancels_a_sweep_that_does_not_end() {
    let part = Part { events: vec![Kind::Started(ScanStarted {}), reported()], ..Part::default() };
    let measured = measure(&part, 1).await.unwrap();
    assert_eq!(measured.state, "timed-out");
    assert!(measured.seconds_to_first_report.is_some());
    assert!(part.cancelled.load(SeqCst));
}

#[tokio::test]
async fn says_where_nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failed =
        sweep(&TargetArgs { server: server.clone(), timeout: 1, json: None }, "r:1", None).await.unwrap_err();
    assert!(format!("{failed:#}").contains(&server), "{failed:#}");
}

#[test]
fn the_plan_gives_the_account() {
    let content = Synthetic::new(Plan::demo());
    let check = check(&content.expected(Arch::Amd64).unwrap());
    assert_eq!((check.images, check.references), (60, 72 + check.skipped));
    assert!(check.distinct_layers > 80 && check.packages > 1000, "{check:?}");
}
