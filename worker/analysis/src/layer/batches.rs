//! Batches of wanted files that are parsed while the archive is read on: whoever decompresses does not wait for parsers.
//!
//! A batch is taken back at a place that the archive alone decides, never when it happens to be done: an inventory is the
//! same however fast its parsers were.

use std::{
    any::Any,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
};

use super::{
    parse::{self, Parsed},
    pending::Batch,
};
use crate::limits::Limits;

/// Batches that are parsed at once, besides the one that grows.
const AHEAD: usize = 3;
/// Below this many bytes a batch is not worth waking another thread.
const WORTH_SHARING: usize = 64 << 10;

/// The batches that were started, in the archive's order.
pub(super) struct Batches {
    limits: Arc<Limits>,
    started: VecDeque<Started>,
    memory: u64,
}

struct Started {
    /// Bytes of memory that its files take.
    memory: u64,
    done: Done,
}

/// What a batch says, and its memory.
type Finished = (Vec<Parsed>, Vec<u8>);

enum Done {
    Here(Finished),
    Elsewhere(Receiver<Result<Finished, Box<dyn Any + Send>>>),
}

impl Batches {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: Arc::new(limits.clone()), started: VecDeque::new(), memory: 0 }
    }

    /// Bytes of memory that their files take.
    pub(super) fn memory(&self) -> u64 {
        self.memory
    }

    /// Whether a batch must be taken before another one starts.
    pub(super) fn are_full(&self) -> bool {
        self.started.len() >= AHEAD
    }

    /// Starts a batch.
    pub(super) fn start(&mut self, batch: Batch) {
        if batch.files.is_empty() {
            return;
        }
        let memory = batch.memory;
        self.memory = self.memory.saturating_add(memory);
        // One of rayon's own threads that waited for others might wait for itself.
        if batch.length() < WORTH_SHARING || rayon::current_thread_index().is_some() {
            let done = Done::Here(parse::batch(batch, &self.limits));
            return self.started.push_back(Started { memory, done });
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let limits = Arc::clone(&self.limits);
        rayon::spawn(move || {
            let finished = catch_unwind(AssertUnwindSafe(|| parse::batch(batch, &limits)));
            // Nobody takes it when the layer cannot be read to its end.
            let _ = sender.send(finished);
        });
        self.started.push_back(Started { memory, done: Done::Elsewhere(receiver) });
    }

    /// Takes the first of the batches that were started, once it is parsed.
    pub(super) fn take(&mut self) -> Option<Finished> {
        let Started { memory, done } = self.started.pop_front()?;
        self.memory = self.memory.saturating_sub(memory);
        Some(match done {
            Done::Here(finished) => finished,
            Done::Elsewhere(receiver) => match receiver.recv() {
                Ok(Ok(finished)) => finished,
                Ok(Err(panic)) => resume_unwind(panic),
                // Rayon drops no work that it was given.
                Err(error) => resume_unwind(Box::new(error.to_string())),
            },
        })
    }
}
