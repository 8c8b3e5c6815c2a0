//! A server that is killed while a report is on its way to it: the client tries again, and the report is there once.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use serde_json::Value;

use crate::{
    servers::{Server, free_port, skipped},
    strata::User,
    submit::{build, search, submitted},
};

/// What stands between client and server. The first connection ends as a test wants it; each later one is let through once the
/// test opens it.
struct Between {
    port: u16,
    /// All that was to get to the server on the first connection is there.
    sent: mpsc::Receiver<TcpStream>,
    /// The server's end of things is over: hang up on the client.
    over: mpsc::Sender<()>,
    open: mpsc::Sender<()>,
}

impl Between {
    /// `most` bytes of the first connection get to the server, and none of its answer comes back.
    fn new(server: u16, most: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let ((say, sent), (over, ended), (open, opened)) =
            (mpsc::channel(), mpsc::channel(), mpsc::channel());
        thread::spawn(move || {
            let (client, _) = listener.accept().expect("a client");
            let from = client.try_clone().expect("a socket");
            let to = TcpStream::connect(("127.0.0.1", server)).expect("the server");
            thread::spawn(move || pass(from, to, most, &say));
            let _ = ended.recv();
            let _ = client.shutdown(Shutdown::Both);
            // Whoever comes before the server is back waits; it is not turned away.
            let _ = opened.recv();
            for client in listener.incoming().flatten() {
                let to = TcpStream::connect(("127.0.0.1", server)).expect("the server");
                for (mut from, mut to) in
                    [(client.try_clone().expect("a socket"), to.try_clone().expect("a socket")), (to, client)]
                {
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        Self { port, sent, over, open }
    }
}

/// Passes so many bytes on and says so; then it keeps still.
fn pass(mut from: TcpStream, mut to: TcpStream, most: usize, say: &mpsc::Sender<TcpStream>) {
    let mut left = most;
    let mut buffer = [0; 4096];
    while left > 0 {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => {
                let part = read.min(left);
                if to.write_all(&buffer[..part]).is_err() {
                    return;
                }
                left -= part;
            }
        }
    }
    // The socket goes along, so that it stays open.
    let _ = say.send(to);
}

/// Submits through what is between; the server is killed when `at` returns, and comes back.
fn killed(most: usize, at: impl FnOnce(&Between, &Server) -> Option<TcpStream>) {
    let (ci, cluster, place) = (User::new(), User::new(), tempfile::tempdir().expect("a directory"));
    let archive = build(place.path(), &["4.17.4"]).remove(0);
    let file = place.path().join("report.json").display().to_string();
    ci.run(&["scan", &archive, "-o", &format!("json={file}")]).expect(0, &[]);
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let start = || cluster.role(&["server", "--listen", &listen], Some(port));
    let mut first = start();
    let between = Between::new(port, most);
    let through = format!("http://127.0.0.1:{}", between.port);
    thread::scope(|scope| {
        let submit = scope.spawn(|| ci.run(&["report", "submit", &file, "--server", &through]));
        let connection = at(&between, &first);
        first.kill();
        between.over.send(()).expect("it waits");
        let _second = start();
        between.open.send(()).expect("it waits");
        let run = submit.join().expect("no panic");
        drop(connection);
        run.expect(0, &["submitted report"]);
        let url = format!("http://{listen}");
        let found = search(&ci, &["--server", &url]);
        let [one] = found.as_slice() else { panic!("one report: {found:?}") };
        assert_eq!(one["report"], Value::from(submitted(&run)));
        let sweeps = ci.run(&["sweeps", "--server", &url]);
        let records = sweeps.out.lines().filter(|line| line.contains("completed")).count();
        assert_eq!(records, 1, "one record of it: {}", sweeps.out);
    });
}

#[test]
fn a_server_that_is_killed_while_it_is_sent_a_report_has_it_once() {
    if skipped("a server that is killed in the middle of an upload") {
        return;
    }
    // The preface, the settings and the beginning of the call: less than the report.
    killed(300, |between, _| Some(between.sent.recv().expect("bytes are on their way")));
}

#[test]
fn a_server_that_is_killed_before_its_answer_is_heard_has_the_report_once() {
    if skipped("a server that is killed before its answer is heard") {
        return;
    }
    killed(usize::MAX, |_, server| {
        server.until("submitted");
        None
    });
}
