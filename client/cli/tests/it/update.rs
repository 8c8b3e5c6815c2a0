//! `strata db update` against a local server: resumed where it broke, checked against the server's sizes.

use std::{
    io::{Cursor, Write as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, Response, StatusCode, Uri, header},
};
use tokio::net::TcpListener;

use crate::strata::User;

/// What the server does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The first answer ends half-way.
    BreaksOnce,
    /// Every answer is shorter than the size that HEAD says.
    TooShort,
    /// The export has no list.
    NoList,
    /// The list does not end.
    EndlessList,
}

struct Export {
    zip: Vec<u8>,
    fault: Fault,
    /// GET requests for the zip, and those with a range.
    gets: AtomicUsize,
    ranges: AtomicUsize,
}

fn zip() -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, json) in strata_loadtest::ADVISORIES.iter().filter(|(name, _)| name.starts_with("npm/")) {
        writer
            .start_file(name.trim_start_matches("npm/"), zip::write::SimpleFileOptions::default())
            .expect("a member");
        writer.write_all(json.as_bytes()).expect("its bytes");
    }
    writer.finish().expect("a zip").into_inner()
}

async fn answer(
    State(export): State<Arc<Export>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let status = |code: StatusCode| Response::builder().status(code);
    match uri.path() {
        "/ecosystems.txt" if export.fault == Fault::EndlessList => {
            let names = std::iter::repeat_with(|| Ok::<_, std::io::Error>("an ecosystem\n".repeat(1000)));
            status(StatusCode::OK).body(Body::from_stream(futures::stream::iter(names)))
        }
        "/ecosystems.txt" if export.fault != Fault::NoList => {
            status(StatusCode::OK).body(Body::from("npm\n"))
        }
        "/npm/all.zip" => {
            let size = export.zip.len();
            let base = Response::builder().header(header::ETAG, "\"one\"");
            if method == Method::HEAD {
                let size = if export.fault == Fault::TooShort { size + 1000 } else { size };
                return base.header(header::CONTENT_LENGTH, size).body(Body::empty()).expect("an answer");
            }
            let nth = export.gets.fetch_add(1, Ordering::SeqCst);
            let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).map(str::to_owned);
            if let Some(range) = range {
                export.ranges.fetch_add(1, Ordering::SeqCst);
                let start: usize =
                    range.trim_start_matches("bytes=").trim_end_matches('-').parse().expect("a range");
                let part = export.zip.get(start..).expect("a start in the file").to_vec();
                return base.status(StatusCode::PARTIAL_CONTENT).body(Body::from(part)).expect("an answer");
            }
            if nth == 0 && export.fault == Fault::BreaksOnce {
                let half = export.zip.get(..size / 2).expect("half").to_vec();
                return base.body(Body::from(half)).expect("an answer");
            }
            base.body(Body::from(export.zip.clone()))
        }
        _ => status(StatusCode::NOT_FOUND).body(Body::empty()),
    }
    .expect("an answer")
}

fn serve(fault: Fault) -> (tokio::runtime::Runtime, String, Arc<Export>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let export =
        Arc::new(Export { zip: zip(), fault, gets: AtomicUsize::new(0), ranges: AtomicUsize::new(0) });
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let app = Router::new().fallback(answer).with_state(Arc::clone(&export));
    runtime.spawn(async move { axum::serve(listener, app).await });
    (runtime, url, export)
}

#[test]
fn downloads_compiles_and_then_finds_nothing_new() {
    let (_runtime, url, export) = serve(Fault::None);
    let user = User::without_database();
    user.run(&["db", "update", "--url", &url]).expect(0, &["npm: downloaded", "advisories of"]);
    user.run(&["db", "status", "--verify"]).expect(0, &["npm", "every byte agrees"]);
    user.run(&["db", "update", "--url", &url]).expect(0, &["npm: unchanged"]);
    assert_eq!(export.gets.load(Ordering::SeqCst), 1, "an unchanged file is not downloaded again");
}

#[test]
fn resumes_where_it_broke() {
    let (_runtime, url, export) = serve(Fault::BreaksOnce);
    let user = User::without_database();
    user.run(&["db", "update", "--url", &url]).expect(0, &["npm: downloaded"]);
    assert_eq!((export.gets.load(Ordering::SeqCst), export.ranges.load(Ordering::SeqCst)), (2, 1));
    user.run(&["db", "status", "--verify"]).expect(0, &["npm"]);
}

#[test]
fn a_part_never_becomes_a_database() {
    let (_runtime, url, _export) = serve(Fault::TooShort);
    let user = User::new();
    let before = std::fs::read(user.database()).expect("a database");
    let run = user.run(&["db", "update", "--url", &url]);
    run.expect(3, &["/npm/all.zip", "it ended after", "the database in use is unchanged"]);
    assert_eq!(std::fs::read(user.database()).expect("a database"), before);
}

#[test]
fn an_export_without_a_list_is_an_error() {
    let (_runtime, url, _export) = serve(Fault::NoList);
    // What is not there is said before anything is asked of anybody.
    let missing = ["db", "update", "--url", &url, "--from", "/no/such/place"];
    User::without_database().run(&missing).expect(2, &["failed to read /no/such/place"]);
    User::without_database().run(&["db", "update", "--url", &url]).expect(3, &["ecosystems.txt", "404"]);
    let (_runtime, url, _export) = serve(Fault::EndlessList);
    User::without_database()
        .run(&["db", "update", "--url", &url])
        .expect(3, &["ecosystems.txt", "more than"]);
}
