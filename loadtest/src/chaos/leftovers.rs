//! What a sweep leaves behind: leases in Redis, messages in JetStream's streams, files in the spool; and what it leaves that
//! would stay for ever.

mod bounds;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use strata_proto::subject;

use super::cluster::Cluster;

/// A lease of a worker that was killed ends by itself after 30 s, and so does its hold on a message.
const PATIENCE: Duration = Duration::from_secs(75);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Waits until nothing is left, and says what is.
///
/// # Errors
/// When a server cannot be asked.
pub async fn leftovers(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = look(cluster)?;
        if left.is_empty() || Instant::now() >= deadline {
            return Ok(left);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

fn look(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let mut left = Vec::new();
    for pattern in ["strata:lease:*", "strata:trial:*"] {
        let keys = keys(cluster.redis_address, pattern)?;
        if let Some(key) = keys.first() {
            left.push(format!("{} of {pattern} in Redis, such as {key}", keys.len()));
        }
    }
    for stream in streams(cluster.monitor)? {
        if [subject::JOBS, subject::OUTCOMES].contains(&stream.name.as_str()) && stream.messages > 0 {
            left.push(format!("{} messages in {}", stream.messages, stream.name));
        }
        left.extend(bounds::unbounded(&stream.name, &stream.config));
    }
    left.extend(bounds::endless(cluster.redis_address)?);
    let files = std::fs::read_dir(cluster.spool()).context("look into the spool")?;
    for file in files {
        left.push(format!("file {} in the spool", file.context("look into the spool")?.path().display()));
    }
    Ok(left)
}

/// Sends Redis an inline command and returns its whole answer's lines; answers here are arrays, numbers and words.
///
/// # Errors
/// When Redis cannot be reached or refuses.
pub fn redis(address: SocketAddr, command: &str) -> anyhow::Result<Vec<String>> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).context("reach Redis")?;
    stream.set_read_timeout(Some(TIMEOUT)).context("ask Redis")?;
    // QUIT makes it close the connection after the answer.
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).context("ask Redis")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("ask Redis")?;
    ensure!(!answer.starts_with('-'), "ask Redis: {answer}");
    Ok(answer.lines().map(str::to_owned).collect())
}

fn keys(address: SocketAddr, pattern: &str) -> anyhow::Result<Vec<String>> {
    let lines = redis(address, &format!("KEYS {pattern}"))?;
    Ok(lines.into_iter().filter(|line| line.starts_with("strata:")).collect())
}

/// A stream, as NATS' monitor tells.
struct Stream {
    name: String,
    messages: u64,
    config: Value,
}

fn streams(address: SocketAddr) -> anyhow::Result<Vec<Stream>> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).context("reach NATS' monitor")?;
    stream.set_read_timeout(Some(TIMEOUT)).context("ask NATS' monitor")?;
    let request = "GET /jsz?accounts=true&streams=true&config=true HTTP/1.0\r\n\r\n";
    stream.write_all(request.as_bytes()).context("ask NATS' monitor")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("ask NATS' monitor")?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).context("read NATS' monitor")?;
    let document: Value = serde_json::from_str(body).context("read NATS' monitor")?;
    let mut found = Vec::new();
    for account in document["account_details"].as_array().context("find NATS' accounts")? {
        for stream in account["stream_detail"].as_array().into_iter().flatten() {
            let name = stream["name"].as_str().unwrap_or_default().to_owned();
            let messages = stream["state"]["messages"].as_u64().context("count a stream's messages")?;
            found.push(Stream { name, messages, config: stream["config"].clone() });
        }
    }
    ensure!(found.iter().any(|stream| stream.name == subject::JOBS), "find stream {}", subject::JOBS);
    Ok(found)
}
