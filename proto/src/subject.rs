//! The only place that spells NATS subjects, streams and consumers, and Redis keys. Tokens of a subject hold no
//! dot, space or wildcard: digests appear as their hexadecimal digits alone.

use std::time::Duration;

use crate::{
    digest::Digest,
    v1::{Job, Lane, LayerTable, Outcome, job::Verb},
};

/// Work-queue stream of jobs: one message for each key that is queued or running.
pub const JOBS: &str = "STRATA_JOBS";
/// What came of the jobs, for the coordinator.
pub const OUTCOMES: &str = "STRATA_OUTCOMES";
/// Jobs that were given up, with the reason in the headers.
pub const DEAD: &str = "STRATA_DEAD";
/// Durable consumer of the coordinator on [`OUTCOMES`].
pub const OUTCOMES_CONSUMER: &str = "coordinator";
/// All jobs, outcomes and dead letters.
pub const JOBS_ALL: &str = "strata.jobs.>";
/// All outcomes.
pub const OUTCOMES_ALL: &str = "strata.outcomes.>";
/// All dead letters.
pub const DEAD_ALL: &str = "strata.dead.>";

/// Where the coordinator tells every worker which jobs it withdrew. In no stream.
pub const WITHDRAWN: &str = "strata.withdrawn";

/// Object store of advisory databases, each under its digest.
pub const DATABASES: &str = "STRATA_DATABASES";
/// Object in [`DATABASES`] without content, whose metadata name the database that new scans are pinned to.
pub const CURRENT_DATABASE: &str = "current";
/// Metadata of [`CURRENT_DATABASE`].
pub const DATABASE_DIGEST: &str = "digest";
/// Metadata of [`CURRENT_DATABASE`].
pub const DATABASE_MODIFIED: &str = "modified";

/// Header of a dead letter: why it was given up.
pub const REASON_HEADER: &str = "Strata-Reason";
/// Header of a dead letter: how often the job was handed to a worker.
pub const EXECUTIONS_HEADER: &str = "Strata-Executions";
/// Headers that carry the trace context (W3C Trace Context), and what it is linked to.
pub const TRACE_HEADERS: [&str; 3] = ["traceparent", "tracestate", crate::trace::image::LINKS];

/// How long the queue waits for a sign of life before it hands a job to another worker. It detects crashes and limits no job.
pub const ACK_WAIT: Duration = Duration::from_secs(30);
/// Largest job or outcome with its headers, in bytes: the limit of a NATS server that nobody configured.
pub const MAX_MESSAGE: i32 = 1 << 20;

/// Both lanes, the one that a worker empties first in front.
pub const LANES: [Lane; 2] = [Lane::Interactive, Lane::Sweep];

/// Name of a lane as a subject token and consumer name.
#[must_use]
pub const fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Sweep => "sweep",
        Lane::Interactive | Lane::Unspecified => "interactive",
    }
}

/// Name of a job's verb.
#[must_use]
pub const fn verb(job: &Job) -> &'static str {
    match &job.verb {
        Some(Verb::List(_)) => "list",
        Some(Verb::Resolve(_)) => "resolve",
        Some(Verb::Index(_)) => "index",
        Some(Verb::Assess(_)) => "assess",
        Some(Verb::Bundle(_)) => "bundle",
        None => "unknown",
    }
}

/// The durable pull consumer of a lane, and the filter that makes it disjoint from the others.
#[must_use]
pub fn lane_consumer(of: Lane) -> (String, String) {
    let name = lane(of);
    (format!("worker-{name}"), format!("strata.jobs.{name}.>"))
}

/// Subject of a job: the queue itself refuses a second job with the same one.
#[must_use]
pub fn job(job: &Job) -> String {
    format!("strata.jobs.{}.{}.{}", lane(job.lane()), verb(job), token(&job.key))
}

/// Subject of an outcome.
#[must_use]
pub fn outcome(key: &str) -> String {
    format!("strata.outcomes.{}", token(key))
}

/// Name of one execution's outcome: the server drops a second one with the same name within its window. `None` when the
/// execution is not known.
#[must_use]
pub fn outcome_id(outcome: &Outcome) -> Option<String> {
    (outcome.sequence > 0)
        .then(|| format!("{}.{}.{}", token(&outcome.key), outcome.sequence, outcome.executions))
}

/// Subject of a dead letter.
#[must_use]
pub fn dead(job: &Job) -> String {
    format!("strata.dead.{}.{}", verb(job), token(&job.key))
}

/// Subject of the dead letter of a message that nobody can read.
#[must_use]
pub const fn dead_unreadable() -> &'static str {
    "strata.dead.unreadable"
}

/// The hexadecimal digits of a digest.
#[must_use]
pub fn index_key(digest: &str) -> String {
    digest.strip_prefix("sha256:").unwrap_or(digest).to_owned()
}

/// Key of an index job: the layer's digest, and the analysis that it is for, where that matters.
#[must_use]
pub fn index_job_key(layer: &Digest, analysis: &str) -> String {
    if analysis.is_empty() { layer.hex() } else { format!("{}-{analysis}", layer.hex()) }
}

/// What stands for a layer's digest, in keys and where layers are told apart, when it may be read in parts: a digest over the
/// layer's and its table. What such a layer says rests on the table, so no image whose manifest does not name that table gets it.
#[must_use]
pub fn layer_with_table(layer: &Digest, table: &LayerTable) -> Digest {
    let text = key_of(&["layer", &layer.to_string(), &table.digest, &table.position]);
    Digest::of(text.as_bytes())
}

/// The layer of an index job of that key; `None` for the key of another job.
#[must_use]
pub fn layer_of_job(key: &str) -> Option<Digest> {
    let hex = key.split_once('-').map_or(key, |(hex, _)| hex);
    Digest::from_hex(hex)
}

/// Whether a text can be the name of an analysis, and so a part of keys.
#[must_use]
pub fn is_analysis(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Code of the failure of a job that is another analysis' (`Job.analysis`). It counts as no attempt.
pub const OTHER_ANALYSIS: &str = "other-analysis";

/// Code of the failure of a job whose bundle was not carried out: it is to be published by itself. It counts as no attempt.
pub const APART: &str = "apart";

/// The same, where the worker that had the bundle died: the job may have been the cause (`Job.died`).
pub const BUNDLE_DIED: &str = "bundle-died";

/// Key of a job that has no digest of its own: a digest over what it is about.
#[must_use]
pub fn key_of(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        text.push_str(&part.len().to_string());
        text.push(':');
        text.push_str(part);
    }
    Digest::of(text.as_bytes()).hex()
}

/// Id of a report: same image, platform (`os/architecture[/variant]`), analysis and database → same id, same content.
#[must_use]
pub fn report_id(image_digest: &str, platform: &str, fingerprint: &str, database_digest: &str) -> String {
    key_of(&[image_digest, platform, fingerprint, database_digest])
}

/// Redis: a layer's inventory. The digest is the cluster hash tag, so that inventory and lease share a slot.
#[must_use]
pub fn inventory(layer: &str, fingerprint: &str) -> String {
    format!("strata:inventory:{{{}}}:{fingerprint}", index_key(layer))
}

/// Redis: the lease of the worker that analyses a layer.
#[must_use]
pub fn lease(layer: &str, fingerprint: &str) -> String {
    format!("strata:lease:{{{}}}:{fingerprint}", index_key(layer))
}

/// Redis: what an analysis of a layer came to that was made for a scan.
#[must_use]
pub fn made(scan: &str, layer: &str, fingerprint: &str) -> String {
    format!("strata:made:{{{}}}:{fingerprint}:{scan}", index_key(layer))
}

/// Redis: the value of a lease, by which its holder is known.
#[must_use]
pub fn lease_holder(sequence: u64, executions: u64, owner: &str) -> String {
    format!("{sequence}:{executions}:{owner}")
}

/// Redis: how many executions of a job began and did not end, beside the first.
#[must_use]
pub fn trial(job: &str, sequence: u64) -> String {
    format!("strata:trial:{{{}}}:{sequence}", token(job))
}

/// Redis: how many workers started lately.
pub const STARTS: &str = "strata:starts";

/// Redis: what *resolve* learned about an image.
#[must_use]
pub fn image(digest: &str, platform: &str) -> String {
    format!("strata:image:{{{}}}:{platform}", index_key(digest))
}

/// Redis: a report on its way to the archive.
#[must_use]
pub fn parcel(name: &str) -> String {
    format!("strata:parcel:{{{name}}}")
}

/// A text as one subject token: what a token cannot hold becomes `_`.
fn token(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::IndexJob;

    #[test]
    fn a_subject_has_only_safe_tokens() {
        let mut probe = Job { key: "sha256:a.b *>é".to_owned(), ..Job::default() };
        probe.verb = Some(Verb::Index(IndexJob::default()));
        probe.set_lane(Lane::Sweep);
        assert_eq!(job(&probe), "strata.jobs.sweep.index.sha256_a_b____");
        assert_eq!(dead(&probe), "strata.dead.index.sha256_a_b____");
    }

    #[test]
    fn the_key_of_an_index_job_tells_its_layer() {
        let layer = Digest::of(b"layer");
        for analysis in ["", "0123456789abcdef", "a-b_c"] {
            let key = index_job_key(&layer, analysis);
            assert_eq!(layer_of_job(&key), Some(layer), "{key}");
            assert_eq!(token(&key), key);
        }
        for key in [String::new(), "-f".to_owned(), key_of(&["assess"])[1..].to_owned()] {
            assert_eq!(layer_of_job(&key), None, "{key}");
        }
        for (text, is) in
            [("0f", true), ("a-b_c", true), ("", false), ("a b", false), ("a.b", false), ("é", false)]
        {
            assert_eq!(is_analysis(text), is, "{text}");
        }
        assert!(!is_analysis(&"a".repeat(129)));
    }

    #[test]
    fn a_layer_with_a_table_is_another_layer() {
        let layer = Digest::of(b"layer");
        let table = |digest: &str, position: &str| LayerTable {
            digest: digest.to_owned(),
            position: position.to_owned(),
        };
        let mut seen = std::collections::BTreeSet::from([layer, Digest::of(b"other")]);
        for layer in [layer, Digest::of(b"other")] {
            for table in [table("a", ""), table("b", ""), table("a", "1:2:3:1"), table("", "a")] {
                assert!(seen.insert(layer_with_table(&layer, &table)), "{table:?}");
            }
        }
        assert!(!seen.insert(layer_with_table(&layer, &table("a", ""))));
    }

    #[test]
    fn keys_do_not_collide_by_concatenation() {
        assert_ne!(key_of(&["ab", "c"]), key_of(&["a", "bc"]));
        assert_eq!(key_of(&["ab", "c"]), key_of(&["ab", "c"]));
    }

    #[test]
    fn inventory_and_lease_share_a_slot() {
        let tag = |key: &str| key.split(['{', '}']).nth(1).map(str::to_owned);
        assert_eq!(tag(&inventory("sha256:ab", "f")), tag(&lease("sha256:ab", "f")));
    }
}
