//! What a worker measures of itself, by the names that dashboards and alerts use. Recorded through the `metrics` facade:
//! a process that exports nothing pays nothing.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use metrics::{
    Counter, SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

/// Jobs that ended here, by `verb` and `outcome` (`ok`, `missing`, or the code of the failure).
pub const JOBS: &str = "strata_jobs_total";
/// How long a job took, by `verb`.
pub const JOB_SECONDS: &str = "strata_job_seconds";
/// Jobs that this worker is at.
pub const JOBS_RUNNING: &str = "strata_jobs_running";
/// Layers, by `result`: `analysed` here, `known` when their image was resolved, or `reused` because another job was faster.
pub const LAYERS: &str = "strata_layers_total";
/// Compressed bytes of layers that were read from registries.
pub const LAYER_BYTES: &str = "strata_layer_bytes_total";
/// Layers of which only parts were read, by their tables of contents.
pub const LAYERS_IN_PARTS: &str = "strata_layers_in_parts_total";
/// Claims on a layer that another worker held.
pub const CLAIM_CONFLICTS: &str = "strata_claim_conflicts_total";
/// Images assessed against the database.
pub const IMAGES_ASSESSED: &str = "strata_images_assessed_total";
/// Requests to registries, by `host` and `status` (the HTTP status, or `error` when none came).
pub const REGISTRY_REQUESTS: &str = "strata_registry_requests_total";
/// Seconds since the newest advisory of the database was modified.
pub const DATABASE_AGE: &str = "strata_database_age_seconds";

/// Hosts that have their own series; further ones share `other`: a scan request must not grow the table without bound.
const MAX_HOSTS: usize = 200;

/// Values in Redis that did not have the cluster's tag, by `what`: written by somebody else, or under another key.
pub const TAMPERED: &str = "strata_tampered_values_total";

/// Says what each name means, for whoever reads the export.
pub fn describe() {
    describe_counter!(TAMPERED, "Values in Redis without the cluster's tag");
    describe_counter!(JOBS, "Jobs that ended here, by verb and outcome");
    describe_histogram!(JOB_SECONDS, Unit::Seconds, "How long a job took, by verb");
    describe_gauge!(JOBS_RUNNING, "Jobs that this worker is at");
    describe_counter!(LAYERS, "Layers, by result: analysed here, known already, or reused from a faster job");
    describe_counter!(LAYER_BYTES, Unit::Bytes, "Compressed bytes of layers read from registries");
    describe_counter!(LAYERS_IN_PARTS, "Layers of which only parts were read, by their tables of contents");
    describe_counter!(CLAIM_CONFLICTS, "Claims on a layer that another worker held");
    describe_counter!(IMAGES_ASSESSED, "Images assessed against the database");
    describe_counter!(REGISTRY_REQUESTS, "Requests to registries, by host and status");
    describe_gauge!(
        DATABASE_AGE,
        Unit::Seconds,
        "Seconds since the newest advisory of the database was modified"
    );
}

pub(crate) fn tampered(what: &'static str) {
    counter!(TAMPERED, "what" => what).increment(1);
}

pub(crate) fn job_started() {
    gauge!(JOBS_RUNNING).increment(1.0);
}

pub(crate) fn job_ended() {
    gauge!(JOBS_RUNNING).decrement(1.0);
}

pub(crate) fn job(verb: &'static str, outcome: &'static str, took: Duration) {
    counter!(JOBS, "verb" => verb, "outcome" => outcome).increment(1);
    histogram!(JOB_SECONDS, "verb" => verb).record(took.as_secs_f64());
}

pub(crate) fn layer_analysed(bytes: u64) {
    counter!(LAYERS, "result" => "analysed").increment(1);
    counter!(LAYER_BYTES).increment(bytes);
}

pub(crate) fn layer_in_parts() {
    counter!(LAYERS_IN_PARTS).increment(1);
}

pub(crate) fn layer_reused() {
    counter!(LAYERS, "result" => "reused").increment(1);
}

pub(crate) fn layers_known(count: usize) {
    counter!(LAYERS, "result" => "known").increment(u64::try_from(count).unwrap_or(u64::MAX));
}

pub(crate) fn claim_conflict() {
    counter!(CLAIM_CONFLICTS).increment(1);
}

pub(crate) fn image_assessed() {
    counter!(IMAGES_ASSESSED).increment(1);
}

/// Requests to one registry: the common answer's series is looked up once and not for every request of a sweep.
pub(crate) struct RegistryRequests {
    host: SharedString,
    good: OnceLock<Counter>,
}

impl RegistryRequests {
    pub(crate) fn new(host: &str) -> Self {
        Self { host: known_host(host).into(), good: OnceLock::new() }
    }

    /// One request; `status` is `None` when no answer came.
    pub(crate) fn count(&self, status: Option<u16>) {
        if status == Some(200) {
            let series = || counter!(REGISTRY_REQUESTS, "host" => self.host.clone(), "status" => "200");
            return self.good.get_or_init(series).increment(1);
        }
        let status = status.map_or_else(|| "error".to_owned(), |status| status.to_string());
        counter!(REGISTRY_REQUESTS, "host" => self.host.clone(), "status" => status).increment(1);
    }
}

/// The age of a database at this moment.
pub fn database_age(modified: SystemTime) {
    gauge!(DATABASE_AGE).set(modified.elapsed().unwrap_or_default().as_secs_f64());
}

fn known_host(host: &str) -> String {
    use std::{
        collections::BTreeSet,
        sync::{Mutex, PoisonError},
    };
    static HOSTS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
    if hosts.contains(host) {
        return host.to_owned();
    }
    if hosts.len() >= MAX_HOSTS {
        return "other".to_owned();
    }
    hosts.insert(host.to_owned());
    host.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_beyond_the_bound_share_a_name() {
        let names: Vec<String> = (0..MAX_HOSTS + 50).map(|i| known_host(&format!("h{i}.example"))).collect();
        assert_eq!(names.first().map(String::as_str), Some("h0.example"));
        assert_eq!(names.last().map(String::as_str), Some("other"));
        assert_eq!(known_host("h0.example"), "h0.example", "a host keeps its series");
    }
}
