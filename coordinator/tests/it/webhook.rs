//! Notifications over HTTP, down to the scan.

use strata_coordinator::webhook::{self, Secrets};
use strata_proto::v1::Lane;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::model::{Model, Running, archive, digest};

const SECRET: &str = "a secret of a webhook";

fn event(id: &str, tag: &str) -> String {
    let digest = digest("baseone");
    format!(
        r#"{{"events":[{{"id":"{id}","action":"push","request":{{"host":"elsewhere:5000"}},"target":{{
        "mediaType":"application/vnd.oci.image.manifest.v1+json","repository":"app","tag":"{tag}","digest":"{digest}"}}}}]}}"#
    )
}

struct Hooks {
    client: reqwest::Client,
    url: String,
}

impl Hooks {
    async fn post(&self, path: &str, secret: &str, body: String) -> (u16, serde_json::Value) {
        let call =
            self.client.post(format!("{}/{path}", self.url)).header("authorization", secret).body(body);
        let answer = call.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.expect("a text")).unwrap_or_default())
    }
}

#[tokio::test]
async fn a_push_is_one_scan_however_often_it_is_told() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let pushed = format!("r.example/app:1@{}", digest("baseone"));
    let model = Model::new(&[(pushed.as_str(), &["base", "one"])]);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hooks", listener.local_addr().expect("an address"));
    let (stop, secrets) = (CancellationToken::new(), Secrets::new(&[SECRET.into()]).expect("a secret"));
    let server = tokio::spawn(webhook::serve(listener, running.handle.clone(), secrets, stop.clone()));
    let hooks = Hooks { client: reqwest::Client::new(), url };
    let path = "distribution?host=r.example";
    let (status, first) = hooks.post(path, &format!("Bearer {SECRET}"), event("e1", "1")).await;
    assert_eq!(status, 202, "{first}");
    let scan = first["scans"][0].as_str().expect("a scan").to_owned();
    let (status, again) = hooks.post(path, SECRET, event("e1", "1")).await;
    assert_eq!((status, &again["scans"]), (202, &first["scans"]), "the event again");
    let signature = format!("sha256-{}.sig", "a".repeat(64));
    let (status, ignored) = hooks.post(path, SECRET, event("e2", &signature)).await;
    assert_eq!((status, ignored["ignored"]["signature"].as_u64()), (202, Some(1)), "{ignored}");
    for (path, secret, body, status) in [
        (path, "Bearer wrong", event("e3", "1"), 401),
        ("distribution?token=a%20secret%20of%20a%20webhook", "", event("e3", "1"), 401),
        ("nowhere", SECRET, event("e3", "1"), 404),
        (path, SECRET, "{}".to_owned(), 400),
        (path, SECRET, " ".repeat(2 << 20), 413),
        ("distribution?host=no%20host", SECRET, event("e3", "1"), 400),
    ] {
        assert_eq!(hooks.post(path, secret, body).await.0, status, "{path} {secret}");
    }
    let scans = running.handle.scans(0, "").await.expect("listed");
    assert_eq!(scans.iter().map(|scan| scan.id.as_str()).collect::<Vec<_>>(), [scan.as_str()]);
    let request = scans[0].request.clone().expect("a request");
    assert_eq!((request.lane(), request.tenant.as_str()), (Lane::Interactive, "push"));
    assert_eq!(request.images, [pushed]);
    stop.cancel();
    server.await.expect("it ends").expect("without an error");
    running.stop().await;
}
