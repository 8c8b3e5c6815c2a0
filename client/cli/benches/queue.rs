//! What the queue itself costs each layer job: `cargo bench -p strata-cli --bench queue -- [embedded|nats] [JOBS]`.
//!
//! One job at a time, so idle: it is published, pulled by a worker's side that does nothing, answered, and its outcome taken. Two
//! times are kept: until the coordinator has the outcome, and until both messages are acknowledged as well, which in the product
//! happens beside the next job. NATS is a server of its own with files, started here.

use std::{
    env,
    io::{self, Write as _},
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use strata_coordinator::{
    ports::{JobQueue, PortError, Published},
    queue::{channel::ChannelQueue, nats as jobs},
};
use strata_loadtest::servers;
use strata_proto::{
    WIRE_VERSION,
    trace::TraceHeaders,
    v1::{IndexJob, Indexed, Job, Lane, Outcome, job::Verb, outcome::Result as Answer},
};
use strata_worker::{
    ports::{JobSource, OutcomeSink},
    queue::{
        channel::{ChannelSink, ChannelSource},
        nats as work,
    },
};

type Failure = Box<dyn std::error::Error>;

/// Jobs that are not counted.
const WARM: usize = 50;

/// Both sides of a queue.
struct Sides {
    queue: Arc<dyn JobQueue>,
    source: Arc<dyn JobSource>,
    sink: Arc<dyn OutcomeSink>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let jobs = words.iter().find_map(|word| word.parse().ok()).unwrap_or(2_000);
    let wanted = |name: &str| {
        let named = |word: &String| word == "embedded" || word == "nats";
        !words.iter().any(named) || words.iter().any(|word| word == name)
    };
    if wanted("embedded") {
        let (queue, ends) = ChannelQueue::new();
        let sides = Sides {
            queue: Arc::new(queue),
            source: Arc::new(ChannelSource::new(ends.interactive, ends.sweep, ends.withdrawn)),
            sink: Arc::new(ChannelSink::new(ends.outcomes)),
        };
        measure("embedded", &sides, jobs).await?;
    }
    if wanted("nats") {
        let (server, _) = servers::nats(Ipv4Addr::LOCALHOST.into())?;
        let url = format!("nats://127.0.0.1:{}", server.port);
        let queue = jobs::NatsQueue::connect(jobs::NatsConfig::new(&url)).await?;
        let worker = Arc::new(work::NatsWorker::connect(work::NatsConfig::new(&url)).await?);
        let sides =
            Sides { queue: Arc::new(queue), source: Arc::<work::NatsWorker>::clone(&worker), sink: worker };
        measure("nats", &sides, jobs).await?;
    }
    Ok(())
}

async fn measure(name: &str, sides: &Sides, jobs: usize) -> Result<(), Failure> {
    let (mut known, mut settled) = (Vec::new(), Vec::new());
    for number in 0..jobs + WARM {
        let (until_known, until_settled) = one(sides, number).await?;
        if number >= WARM {
            known.push(until_known);
            settled.push(until_settled);
        }
    }
    for (what, mut times) in [("until the outcome is known", known), ("until all is acknowledged", settled)] {
        times.sort_unstable();
        let at = |quantile: f64| {
            let place = (times.len() as f64 * quantile) as usize;
            times.get(place.min(times.len().saturating_sub(1))).copied().unwrap_or_default().as_secs_f64()
                * 1e3
        };
        let (p50, p99, most) = (at(0.5), at(0.99), at(1.0));
        writeln!(
            io::stdout(),
            "{name} {what}: p50 {p50:.3} ms, p99 {p99:.3} ms, most {most:.3} ms of {jobs} jobs"
        )?;
    }
    Ok(())
}

async fn one(sides: &Sides, number: usize) -> Result<(Duration, Duration), Failure> {
    let trace = TraceHeaders::default();
    let key = format!("{number:064x}");
    let index = IndexJob { digest: format!("sha256:{key}"), ..IndexJob::default() };
    let mut job = Job {
        wire_version: WIRE_VERSION,
        key: key.clone(),
        verb: Some(Verb::Index(index)),
        ..Job::default()
    };
    job.set_lane(Lane::Sweep);
    let worker = async {
        loop {
            if let Some(delivery) = sides.source.pull(Lane::Sweep, 1).await?.pop() {
                let outcome = Outcome {
                    key: delivery.job.key.clone(),
                    sequence: delivery.sequence,
                    executions: delivery.executions,
                    wire_version: WIRE_VERSION,
                    worker: "bench".to_owned(),
                    result: Some(Answer::Indexed(Indexed::default())),
                    ..Outcome::default()
                };
                sides.sink.publish(&outcome, &trace).await?;
                return delivery.handle.done().await;
            }
        }
    };
    let start = Instant::now();
    let coordinator = async {
        if sides.queue.publish(&job, &trace).await? != Published::Accepted {
            return Err(PortError { action: "publish a job", reason: "it was not accepted".to_owned() });
        }
        loop {
            let Some(delivery) = sides.queue.outcomes(256).await?.pop() else { continue };
            let known = start.elapsed();
            if delivery.outcome.key != key {
                let reason = format!("{} is another job's", delivery.outcome.key);
                return Err(PortError { action: "take an outcome", reason });
            }
            delivery.handle.done().await?;
            return Ok(known);
        }
    };
    let (known, done) = tokio::join!(coordinator, worker);
    done?;
    Ok((known?, start.elapsed()))
}
