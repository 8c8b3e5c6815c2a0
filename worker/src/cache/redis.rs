//! The cache in Redis, shared by all workers. It holds nothing that cannot be made again, and every key has a time to
//! live. A lease saves double work and proves nothing: a failover may lose it, and then a layer is analysed twice.

mod link;
mod script;

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use prost::Message as _;
use strata_proto::{
    endpoint::RedisEndpoint,
    seal::ClusterKeys,
    subject,
    v1::{ImageFacts, Indexed},
};

use self::{link::Link, script::Scripts};
use super::MAX_VALUE;
use crate::{
    measure,
    ports::{Claim, InventoryCache, LayerKey, Past, PortError, Token},
};

/// How long a parcel waits for the archive.
const PARCEL_SECONDS: u64 = 3600;
/// How long an analysis is remembered beside its inventory: longer than its outcome may be under way.
const MADE_SECONDS: u64 = 3600;
/// How long executions of a job without an end are remembered.
const TRIAL_SECONDS: i64 = 3_600;
/// How long starts of workers are counted together.
const STARTS_SECONDS: u64 = 600;
/// How many values one request reads at most.
const READ_CHUNK: usize = 32;

/// How Redis is used.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// The server.
    pub endpoint: RedisEndpoint,
    /// What values are tagged with; without one, whoever writes to Redis is believed.
    pub keys: ClusterKeys,
    /// How long leases and look-ups may take.
    pub control_timeout: Duration,
    /// How long reading or writing values may take.
    pub bulk_timeout: Duration,
    /// How long what nobody uses is kept, give or take a tenth, so that not all of it ends in one night.
    pub time_to_live: Duration,
}

impl RedisConfig {
    /// The settings of production.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            endpoint: RedisEndpoint::new(url),
            keys: ClusterKeys::default(),
            control_timeout: Duration::from_millis(250),
            bulk_timeout: Duration::from_secs(4),
            time_to_live: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// Inventories, image facts, leases and parcels in Redis. Clones share the connections.
#[derive(Clone)]
pub struct RedisCache {
    link: Link,
    scripts: std::sync::Arc<Scripts>,
    keys: ClusterKeys,
    time_to_live: Duration,
    jitter: RandomState,
}

impl RedisCache {
    /// Prepares the connections. They are made with the first request: a worker starts without Redis, and says so.
    ///
    /// # Errors
    /// When the URL is none.
    pub async fn connect(config: RedisConfig) -> Result<Self, PortError> {
        let link = Link::new(&config)?;
        link.probe().await?;
        let watched = link.clone();
        tokio::spawn(async move { watched.look_at_policy().await });
        Ok(Self {
            link,
            scripts: Scripts::new().into(),
            keys: config.keys,
            time_to_live: config.time_to_live,
            jitter: RandomState::new(),
        })
    }

    /// The time to live of a key written now, in seconds: within a tenth of the configured one.
    fn seconds(&self, key: &str) -> u64 {
        let seconds = self.time_to_live.as_secs().max(10);
        let spread = (seconds / 5).max(1);
        seconds - seconds / 10 + self.jitter.hash_one(key) % spread
    }

    /// Whether a value found with this much left (in milliseconds) is to be renewed: once a day at most, because the
    /// shortest fresh time to live is a day longer than the limit here.
    fn is_old(&self, left: i64) -> bool {
        let fresh = self.time_to_live.mul_f64(0.9);
        let limit = fresh.saturating_sub(Duration::from_secs(24 * 3600).min(fresh / 2));
        u128::try_from(left).is_ok_and(|left| left < limit.as_millis())
    }

    /// Reads values and what is left of their time; renews the old ones.
    async fn get(&self, action: &'static str, keys: &[String]) -> Result<Vec<Option<Bytes>>, PortError> {
        let mut values = Vec::with_capacity(keys.len());
        let mut old = redis::pipe();
        for chunk in keys.chunks(READ_CHUNK) {
            let mut pipe = redis::pipe();
            for key in chunk {
                pipe.get(key).pttl(key);
            }
            let found = pairs(self.link.bulk(action, &pipe).await?)
                .map_err(|error| PortError { action, reason: error.to_string() })?;
            for (key, (value, left)) in chunk.iter().zip(found) {
                let value = value.filter(|value| value.len() <= MAX_VALUE).map(Bytes::from);
                let value = match value {
                    Some(value) => self.open(action, key, value).await,
                    None => None,
                };
                if value.is_some() && self.is_old(left) {
                    old.expire(key, i64::try_from(self.seconds(key)).unwrap_or(i64::MAX)).ignore();
                }
                values.push(value);
            }
        }
        if !old.is_empty() {
            // The values are read: that they live on is not worth failing for.
            let renewed: Result<(), PortError> = self.link.control("renew values", &old).await;
            if let Err(error) = renewed {
                tracing::debug!(%error, "values were not renewed");
            }
        }
        if values.len() == keys.len() {
            return Ok(values);
        }
        Err(PortError { action, reason: "Redis gave fewer answers than it was asked for".to_owned() })
    }

    /// A value that has the cluster's tag. Another is as if it were not there, and is removed: otherwise whoever asks
    /// whether it exists would be told so, and nobody would make it again.
    async fn open(&self, action: &'static str, key: &str, value: Bytes) -> Option<Bytes> {
        let error = match self.keys.open(key, &value) {
            Ok(start) => return Some(value.slice(start..)),
            Err(error) => error,
        };
        measure::tampered("value");
        tracing::error!(%error, key, action, "a value in Redis is not ours: it is made again");
        let mut pipe = redis::pipe();
        pipe.cmd("UNLINK").arg(key).ignore();
        if let Err(error) = self.link.control::<()>("remove a value that is not ours", &pipe).await {
            tracing::warn!(%error, key, "a value that is not ours stays in Redis");
        }
        None
    }

    async fn set(
        &self,
        action: &'static str,
        key: &str,
        value: &[u8],
        seconds: u64,
    ) -> Result<(), PortError> {
        let value = self.keys.seal(key, value);
        check_size(action, key, &value)?;
        let mut pipe = redis::pipe();
        pipe.set_ex(key, value, seconds).ignore();
        self.link.bulk(action, &pipe).await
    }
}

#[async_trait]
impl InventoryCache for RedisCache {
    async fn contains(&self, keys: &[LayerKey]) -> Result<Vec<bool>, PortError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for key in keys {
            pipe.exists(subject::inventory(&key.layer, &key.fingerprint));
        }
        self.link.control("look for inventories", &pipe).await
    }

    async fn read(&self, keys: &[LayerKey]) -> Result<Vec<Option<Bytes>>, PortError> {
        let keys: Vec<String> =
            keys.iter().map(|key| subject::inventory(&key.layer, &key.fingerprint)).collect();
        self.get("read inventories", &keys).await
    }

    async fn claim(&self, key: &LayerKey, token: &Token, lease: Duration) -> Result<Claim, PortError> {
        let mut call = self.scripts.claim.prepare_invoke();
        call.key(subject::lease(&key.layer, &key.fingerprint))
            .key(subject::inventory(&key.layer, &key.fingerprint))
            .arg(token.sequence)
            .arg(token.executions)
            .arg(&token.owner)
            .arg(script::milliseconds(lease));
        match self.link.call::<u8>("claim a layer", &call).await? {
            0 => Ok(Claim::Mine),
            1 => Ok(Claim::Busy),
            _ => Ok(Claim::Done),
        }
    }

    async fn renew(&self, key: &LayerKey, token: &Token, lease: Duration) -> Result<bool, PortError> {
        let mut call = self.scripts.renew.prepare_invoke();
        call.key(subject::lease(&key.layer, &key.fingerprint))
            .arg(script::holder(token))
            .arg(script::milliseconds(lease));
        self.link.call("renew a lease", &call).await
    }

    async fn finish(&self, key: &LayerKey, token: &Token, inventory: Bytes) -> Result<(), PortError> {
        const ACTION: &str = "store an inventory";
        let name = subject::inventory(&key.layer, &key.fingerprint);
        let inventory = self.keys.seal(&name, &inventory);
        check_size(ACTION, &name, &inventory)?;
        let mut call = self.scripts.finish.prepare_invoke();
        call.key(subject::lease(&key.layer, &key.fingerprint))
            .key(&name)
            .arg(script::holder(token))
            .arg(inventory)
            .arg(self.seconds(&name));
        self.link.call_bulk(ACTION, &call).await
    }

    async fn abandon(&self, key: &LayerKey, token: &Token) -> Result<(), PortError> {
        let mut call = self.scripts.abandon.prepare_invoke();
        call.key(subject::lease(&key.layer, &key.fingerprint)).arg(script::holder(token));
        self.link.call("give a layer up", &call).await
    }

    async fn note_made(&self, scan: &str, key: &LayerKey, indexed: &Indexed) -> Result<(), PortError> {
        let name = subject::made(scan, &key.layer, &key.fingerprint);
        self.set("note an analysis", &name, &indexed.encode_to_vec(), MADE_SECONDS).await
    }

    async fn made(&self, scan: &str, key: &LayerKey) -> Result<Option<Indexed>, PortError> {
        const ACTION: &str = "look for an analysis";
        let name = subject::made(scan, &key.layer, &key.fingerprint);
        let mut pipe = redis::pipe();
        pipe.get(&name);
        let (found,): (Option<Vec<u8>>,) = self.link.control(ACTION, &pipe).await?;
        let Some(found) = found.filter(|found| found.len() <= MAX_VALUE) else { return Ok(None) };
        let opened = self.open(ACTION, &name, Bytes::from(found)).await;
        Ok(opened.and_then(|bytes| Indexed::decode(bytes).ok()))
    }

    async fn started(&self) -> Result<(), PortError> {
        let mut call = self.scripts.started.prepare_invoke();
        call.key(subject::STARTS).arg(STARTS_SECONDS);
        self.link.call("count the start of a worker", &call).await
    }

    async fn stopped(&self) -> Result<(), PortError> {
        let mut call = self.scripts.stopped.prepare_invoke();
        call.key(subject::STARTS);
        self.link.call("count the end of a worker", &call).await
    }

    async fn past(&self, job: &str, token: &Token) -> Result<Past, PortError> {
        const ACTION: &str = "look for executions of a job";
        // Two keys, two slots of a Redis cluster.
        let mut pipe = redis::pipe();
        pipe.get(subject::trial(job, token.sequence));
        let (more,): (Option<i64>,) = self.link.control(ACTION, &pipe).await?;
        let mut pipe = redis::pipe();
        pipe.get(subject::STARTS);
        let (starts,): (Option<i64>,) = self.link.control(ACTION, &pipe).await?;
        // The first execution was not counted.
        let executions = more.unwrap_or(0).saturating_add(1);
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(Past { executions: count(executions), starts: count(starts.unwrap_or(0)) })
    }

    async fn begin(&self, job: &str, token: &Token) -> Result<(), PortError> {
        let key = subject::trial(job, token.sequence);
        let mut pipe = redis::pipe();
        pipe.incr(&key, 1).ignore().expire(&key, TRIAL_SECONDS).ignore();
        self.link.control("count an execution", &pipe).await
    }

    async fn end(&self, job: &str, token: &Token) -> Result<(), PortError> {
        let mut pipe = redis::pipe();
        pipe.del(subject::trial(job, token.sequence)).ignore();
        self.link.control("forget the executions of a job", &pipe).await
    }

    async fn hand_back(&self, job: &str, token: &Token) -> Result<(), PortError> {
        let key = subject::trial(job, token.sequence);
        let mut pipe = redis::pipe();
        pipe.incr(&key, -1).ignore().expire(&key, TRIAL_SECONDS).ignore();
        self.link.control("take an execution back", &pipe).await
    }

    async fn image(&self, digest: &str, platform: &str) -> Result<Option<ImageFacts>, PortError> {
        Ok(self.images(&[(digest, platform)]).await?.into_iter().flatten().next())
    }

    async fn images(&self, keys: &[(&str, &str)]) -> Result<Vec<Option<ImageFacts>>, PortError> {
        let keys: Vec<String> =
            keys.iter().map(|(digest, platform)| subject::image(digest, platform)).collect();
        let found = self.get("read image facts", &keys).await?;
        // Facts of a build that wrote them differently are made again.
        Ok(found.into_iter().map(|bytes| ImageFacts::decode(bytes?).ok()).collect())
    }

    async fn keep_image(&self, digest: &str, platform: &str, facts: &ImageFacts) -> Result<(), PortError> {
        let key = subject::image(digest, platform);
        self.set("keep image facts", &key, &facts.encode_to_vec(), self.seconds(&key)).await
    }

    async fn put_parcel(&self, name: &str, parcel: Bytes) -> Result<(), PortError> {
        self.put_parcels(&[(name, parcel)]).await
    }

    async fn put_parcels(&self, parcels: &[(&str, Bytes)]) -> Result<(), PortError> {
        const ACTION: &str = "put a parcel down";
        if parcels.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        for (name, parcel) in parcels {
            let key = subject::parcel(name);
            let parcel = self.keys.seal(&key, parcel);
            check_size(ACTION, &key, &parcel)?;
            pipe.set_ex(key, parcel, PARCEL_SECONDS).ignore();
        }
        self.link.bulk(ACTION, &pipe).await
    }
}

fn check_size(action: &'static str, key: &str, value: &[u8]) -> Result<(), PortError> {
    if value.len() <= MAX_VALUE {
        return Ok(());
    }
    let reason = format!("{key} would have {} bytes, more than {MAX_VALUE}", value.len());
    Err(PortError { action, reason })
}

/// A value and the milliseconds that it has left.
type Found = (Option<Vec<u8>>, i64);

/// The answers of a pipeline of pairs.
fn pairs(answers: Vec<redis::Value>) -> Result<Vec<Found>, redis::ParsingError> {
    let mut pairs = Vec::with_capacity(answers.len() / 2);
    let mut answers = answers.into_iter();
    while let (Some(value), Some(left)) = (answers.next(), answers.next()) {
        pairs.push((redis::from_redis_value(value)?, redis::from_redis_value(left)?));
    }
    Ok(pairs)
}
