//! The limits of the planner.

/// Limits of the planner. The default suits a cluster.
#[derive(Debug, Clone)]
pub struct PlanConfig {
    /// Jobs of one lane that are published and not settled, at most: four for each slot that the workers tell of, and never
    /// more than this.
    pub window: usize,
    /// References in one resolve job.
    pub resolve_batch: usize,
    /// The same for a sweep that has so much to do that every slot gets its share.
    pub resolve_most: usize,
    /// Listing jobs of one scan at a time; more where the workers have room for them.
    pub listings: usize,
    /// Repositories of a sweep in one listing job, at most: so many that every slot gets its share.
    pub list_batch: usize,
    /// Images of one scan that are under way, with the references that are being resolved, before no more are resolved: so many
    /// layers of their own keep every slot busy, and each costs some kilobytes.
    pub under_way: usize,
    /// Listing pauses while this many references of a scan wait to be resolved.
    pub queued_references: usize,
    /// Pages of one listing, at most: a registry that pages for ever is cut off, and the ledger says so.
    pub pages: u32,
    /// References of one scan, at most.
    pub references: u64,
    /// Attempts at one job of an interactive scan before its failure counts. Somebody waits for the answer. All jobs of an image
    /// together may have as many spells of failures, and one more for each layer (`plan/flakes.rs`).
    pub attempts: u32,
    /// The same for a sweep, which outlasts a registry's restart.
    pub sweep_attempts: u32,
    /// Milliseconds that one job waits in all because the other side asked for it (429, `Retry-After`), before its failure counts.
    pub patience_ms: u64,
    /// How often the inputs of one image, or its report on its way, may vanish from the cache before the image fails. A cache that
    /// is emptied once costs up to two of them.
    pub rounds: u32,
    /// How often a job may come to workers of another analysis than its own, before its image is resolved again for those that
    /// are there.
    pub strays: u32,
    /// First pause before another attempt, in milliseconds; it doubles from there.
    pub backoff_first_ms: u64,
    /// Longest pause, in milliseconds. A registry's own `Retry-After` may ask for up to ten times that.
    pub backoff_most_ms: u64,
    /// After how many milliseconds without an outcome a job is published again.
    pub reconcile_ms: u64,
    /// After how many milliseconds since its first publication a job without an outcome fails.
    pub outstanding_ms: u64,
}

impl Default for PlanConfig {
    fn default() -> Self {
        Self {
            window: 32_768,
            resolve_batch: 32,
            resolve_most: 128,
            listings: 4,
            list_batch: 32,
            under_way: 16_384,
            queued_references: 100_000,
            pages: 100_000,
            references: 10_000_000,
            attempts: 5,
            sweep_attempts: 8,
            patience_ms: 30 * 60_000,
            rounds: 10,
            strays: 10,
            backoff_first_ms: 1_000,
            backoff_most_ms: 60_000,
            reconcile_ms: 10_000,
            outstanding_ms: 2 * 3_600_000,
        }
    }
}
