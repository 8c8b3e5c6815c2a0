//! Clients that follow a sweep, every fifth of them a slow reader: do they hold it up, and does each see everything?

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use futures::{StreamExt as _, future::try_join_all};
use strata_client::{
    Client,
    v1::{RegistryTarget, SubmitRequest, event::Kind},
};
use tokio::time::{Instant, timeout};

use super::Stage;
use crate::drive::result::{Better, Latencies};

/// One client of so many reads slowly.
const SLOW: u32 = 5;
/// What it does after each event.
const PAUSE: Duration = Duration::from_millis(5);
/// The longest that a client waits for one event.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) async fn watchers(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let count = stage.count(100);
    stage.measured.setting("watchers", count);
    let deployment = stage.deploy()?;
    let url = deployment.url()?;
    let mut seconds = Vec::new();
    for (number, clients) in [(1, 1), (2, count)] {
        let content = stage.other_content(number);
        let registry = stage.registry(&content).await?;
        let before = deployment.spent()?;
        let lag = Arc::new(Mutex::new(Latencies::new()?));
        let begin = Instant::now();
        let id = submit(&url, &registry.host()).await?;
        let all = (0..clients).map(|client| {
            let slow = client % SLOW == SLOW - 1;
            watch(url.clone(), id.clone(), slow, Arc::clone(&lag), begin)
        });
        let seen = try_join_all(all.map(tokio::spawn)).await.context("watch")?;
        let seen = seen.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        let first = seen.first().copied().context("watch a sweep")?;
        let name = format!("watchers-{clients}");
        let differ = seen.iter().filter(|other| other.events != first.events).count();
        stage.measured.must(differ == 0, || format!("{differ} of {clients} clients saw other events"));
        stage.measured.figure(format!("{name}.events"), first.events as f64, "", Better::Neither);
        stage.measured.figure(format!("{name}.seconds"), first.seconds, "s", Better::Lower);
        let last = seen.iter().map(|one| one.seconds).fold(0.0, f64::max);
        stage.measured.figure(format!("{name}.seconds-of-the-last"), last, "s", Better::Neither);
        stage.measured.latencies(&format!("{name}.lag"), &lag.lock().unwrap_or_else(PoisonError::into_inner));
        stage.spending(&name, &deployment, &before, u64::try_from(first.events).unwrap_or(1))?;
        seconds.push(first.seconds);
        registry.shutdown().await.context("stop the registry")?;
    }
    if let [one, many] = seconds.as_slice() {
        stage.measured.figure("many-per-one.seconds", many / one, "", Better::Lower);
    }
    Ok(())
}

async fn submit(url: &str, host: &str) -> anyhow::Result<String> {
    let mut client = Client::connect(url).await.context("connect")?;
    let request = SubmitRequest {
        registry: Some(RegistryTarget { host: host.to_owned(), ..RegistryTarget::default() }),
        platform: "linux/amd64".to_owned(),
        tenant: "watched".to_owned(),
        ..SubmitRequest::default()
    };
    client.submit(request).await.context("submit a sweep")
}

/// What one client saw.
#[derive(Debug, Clone, Copy)]
struct Seen {
    events: usize,
    seconds: f64,
}

/// Follows a scan to its end. Quick clients note how old each event was when it came.
async fn watch(
    url: String,
    id: String,
    slow: bool,
    lag: Arc<Mutex<Latencies>>,
    begin: Instant,
) -> anyhow::Result<Seen> {
    let client = Client::connect(&url).await.context("connect")?;
    let mut events = client.watch(&id, 0, false);
    let mut seen = Seen { events: 0, seconds: 0.0 };
    while let Some(event) = timeout(PATIENCE, events.next()).await.context("wait for an event")? {
        let event = event.context("follow a sweep")?;
        if matches!(event.kind, Some(Kind::Progress(_))) {
            continue;
        }
        seen.events += 1;
        if slow {
            tokio::time::sleep(PAUSE).await;
        } else {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let made = Duration::from_millis(u64::try_from(event.time_unix_ms).unwrap_or_default());
            lag.lock().unwrap_or_else(PoisonError::into_inner).note(now.saturating_sub(made));
        }
    }
    seen.seconds = begin.elapsed().as_secs_f64();
    Ok(seen)
}
