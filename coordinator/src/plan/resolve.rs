//! From references to images.

use std::{collections::BTreeMap, sync::Arc};

use strata_proto::{
    digest::Digest,
    subject::key_of,
    v1::{
        Failure, Lane, ResolveJob, Resolved, ResolvedImage, Retry, job::Verb,
        resolved_reference::Result as Answer,
    },
};

use super::{
    Plan, ScanNumber,
    image::ImageKey,
    known::{Found, Worker},
    later,
    retry::{Budget, Class, Verdict},
    tally::Fate,
    tidy, tidy_code,
    work::{Key, Task},
};

impl Plan {
    /// Makes a resolve job of a scan's next references.
    pub(super) fn make_resolve(&mut self, number: ScanNumber) {
        let share = self.crew.slots(self.config.window);
        let Some(scan) = self.scans.get_mut(&number) else { return };
        let least = self.config.resolve_batch.max(1);
        let most = match scan.lane {
            Lane::Sweep => self.config.resolve_most.max(least),
            Lane::Interactive | Lane::Unspecified => least,
        };
        // What is resolved is soon under way, all of it, and takes room until its layers are there.
        let whole = self.config.under_way.max(1);
        let room = whole.saturating_sub(scan.images.len() + scan.resolving);
        // Not a job for each image that ends: a whole batch, or all that is left.
        if scan.queued.is_empty() || room < least.min(whole).min(scan.queued.len()) {
            return;
        }
        let count = (scan.queued.len() / share).clamp(least, most).min(scan.queued.len()).min(room);
        let (references, told): (Vec<_>, Vec<_>) = scan.queued.drain(..count).unzip();
        self.resolve_again(number, references, &told, 0);
    }

    fn resolve_again(
        &mut self,
        number: ScanNumber,
        references: Vec<Box<str>>,
        told: &[Option<Digest>],
        round: u32,
    ) -> Option<Key> {
        let scan = self.scans.get(&number)?;
        let texts: Vec<String> = references.iter().map(|reference| reference.to_string()).collect();
        let round_text = round.to_string();
        let mut parts = vec!["resolve", &*scan.id, &round_text];
        parts.extend(texts.iter().map(String::as_str));
        let key = key_of(&parts);
        let digests = match told.iter().all(Option::is_none) {
            true => Vec::new(),
            false => told
                .iter()
                .map(|digest| digest.map(|digest| digest.to_string()).unwrap_or_default())
                .collect(),
        };
        let verb = Verb::Resolve(ResolveJob {
            digests,
            references: texts,
            platform: scan.platform.to_string(),
            options: Some(scan.options()),
        });
        self.make(number, key, verb, Task::Resolve { references, round })
    }

    pub(super) fn resolved(&mut self, key: &Key, resolved: Resolved, by: Arc<str>) {
        let Some(work) = self.settle(key) else { return };
        let Task::Resolve { references, round } = work.task else { return };
        let number = work.scan;
        self.touched.insert(number);
        let worker = Worker::of(&resolved, by);
        let mut answers: BTreeMap<String, Option<Answer>> =
            resolved.references.into_iter().map(|one| (one.reference, one.result)).collect();
        let (attempts, before) = (self.config.attempts_of(work.job.lane()), work.budget);
        let mut found = Vec::new();
        // What there was no room for in a message: as long as something comes each time it is asked for again.
        let some = references.iter().any(|reference| answers.contains_key(&**reference));
        let mut left_out = Vec::new();
        // Those that used up the same go on together.
        let mut again: BTreeMap<Class, (Budget, u64, Vec<Box<str>>)> = BTreeMap::new();
        for reference in references {
            let answer = answers.remove(&*reference);
            if some && answer.is_none() {
                left_out.push(reference);
                continue;
            }
            let failure = match answer.flatten() {
                Some(Answer::Image(image)) => {
                    found.extend(self.found(number, reference, image));
                    continue;
                }
                Some(Answer::Skipped(skipped)) => {
                    self.skip(number, vec![reference.into()], &tidy_code(skipped.code));
                    continue;
                }
                Some(Answer::Failure(failure)) => tidy(failure),
                None => later("malformed", format!("the worker said nothing about {reference}")),
            };
            let mut budget = before;
            let class = Class::of(&failure);
            match budget.spend(&failure, key, attempts, &self.config) {
                Verdict::GiveUp => {
                    self.fail(number, vec![reference.into()], &failure.code, &failure.message);
                }
                Verdict::Again(pause) => {
                    let (worst, longest, group) = again.entry(class).or_default();
                    *worst = worst.worse(budget);
                    *longest = pause.max(*longest);
                    group.push(reference);
                }
            }
        }
        self.seek(number, &worker, found);
        if !left_out.is_empty()
            && let Some(key) = self.resolve_again(number, left_out, &[], round + 1)
            && let Some(work) = self.works.get_mut(&key)
        {
            work.budget = before;
        }
        for (budget, pause, references) in again.into_values() {
            if let Some(key) = self.resolve_again(number, references, &[], round + 1) {
                self.postpone(&key, budget, pause);
            }
        }
    }

    /// A job of several references failed as a whole for what only one of them may be to blame for, or all of them together: it
    /// goes on in halves. False where it did not.
    pub(super) fn resolve_apart(&mut self, key: &Key, failure: &Failure) -> bool {
        let Some(work) = self.works.get(key) else { return false };
        let Task::Resolve { references, round } = &work.task else { return false };
        if references.len() < 2 || !["limit", "panic"].contains(&failure.code.as_str()) {
            return false;
        }
        let (mut one, number, round, budget) = (references.clone(), work.scan, *round, work.budget);
        self.settle(key);
        let other = one.split_off(one.len() / 2);
        for half in [one, other] {
            if let Some(key) = self.resolve_again(number, half, &[], round + 1)
                && let Some(work) = self.works.get_mut(&key)
            {
                work.budget = budget;
            }
        }
        true
    }

    fn found(&mut self, number: ScanNumber, reference: Box<str>, image: ResolvedImage) -> Option<Found> {
        match ImageKey::of(&image, &self.scans.get(&number)?.basis, &mut self.platforms) {
            Ok((key, layers)) => Some(Found { reference, key, image, layers }),
            Err(reason) => {
                let message = format!("{reference} was resolved to something malformed: {reason}");
                self.fail(number, vec![reference.into()], "malformed", &message);
                None
            }
        }
    }

    /// Resolves an image again whose facts vanished from the cache.
    pub(super) fn make_refresh(&mut self, key: &ImageKey) {
        let Some(image) = self.images.get(key) else { return };
        let Some(number) = self.best_wanter(key) else { return };
        let Some(scan) = self.scans.get(&number) else { return };
        let reference = image.pinned(key);
        let round = format!("{}.{}", image.rounds, image.pins);
        let id = key_of(&["refresh", &scan.id, &key.digest.to_string(), &key.platform, &round]);
        let verb = Verb::Resolve(ResolveJob {
            references: vec![reference],
            digests: Vec::new(),
            platform: key.platform.to_string(),
            options: Some(scan.options()),
        });
        let job = self.make(number, id, verb, Task::Refresh(key.clone()));
        self.note_job(key, job);
    }

    pub(super) fn refreshed(&mut self, key: &Key, resolved: Resolved, by: &Arc<str>) {
        let Some(Task::Refresh(of)) = self.works.get(key).map(|work| work.task.clone()) else { return };
        let failure = match resolved.references.into_iter().next().and_then(|one| one.result) {
            Some(Answer::Image(found))
                if ImageKey::of(&found, &of.basis, &mut self.platforms)
                    .is_ok_and(|(found, _)| found == of) =>
            {
                self.settle(key);
                let Some(image) = self.images.get_mut(&of) else { return };
                image.refreshing = false;
                if image.pinning || image.analysis != *by {
                    self.pin(&of, &found, by);
                }
                return self.advance(&of);
            }
            Some(Answer::Failure(failure)) => tidy(failure),
            Some(_) => {
                let mut failure = later("changed", format!("image {} is not there any more", of.digest));
                failure.set_retry(Retry::Never);
                failure
            }
            None => later("malformed", format!("the worker said nothing about image {}", of.digest)),
        };
        self.attempt_failed(key, failure);
    }

    /// A job that was just made waits.
    pub(super) fn postpone(&mut self, key: &Key, budget: Budget, pause: u64) {
        if let Some(work) = self.works.get_mut(key) {
            work.state = super::State::Waiting;
            work.budget = budget;
        }
        self.set_timer(key, pause);
    }

    /// The failure of one reference or several.
    pub(super) fn fail(&mut self, number: ScanNumber, references: Vec<String>, code: &str, message: &str) {
        self.fail_with(number, references, &[], code, message);
    }

    /// As [`Self::fail`], of an image whose layers were counted.
    pub(super) fn fail_with(
        &mut self,
        number: ScanNumber,
        references: Vec<String>,
        layers: &[u64],
        code: &str,
        message: &str,
    ) {
        self.touched.insert(number);
        let Some(scan) = self.scans.get_mut(&number) else { return };
        scan.note_failed(references.len(), code);
        let (code, message) = (code.to_owned(), message.to_owned());
        let layers_analysed = scan.tell(layers);
        let missing = |layer: &u64| scan.layers.fate(*layer) == Some(Fate::Open);
        let (layers_missing, layers) = layers.iter().copied().partition(missing);
        self.emit(
            number,
            strata_proto::v1::event::Kind::Failed(strata_proto::v1::ImageFailed {
                references,
                code,
                message,
                layers,
                layers_analysed,
                layers_missing,
            }),
        );
    }

    pub(super) fn skip(&mut self, number: ScanNumber, references: Vec<String>, code: &str) {
        self.touched.insert(number);
        let Some(scan) = self.scans.get_mut(&number) else { return };
        scan.note_skipped(references.len(), code);
        let code = code.to_owned();
        self.emit(
            number,
            strata_proto::v1::event::Kind::Skipped(strata_proto::v1::ImageSkipped { references, code }),
        );
    }
}

/// For messages: what a failure says, with the code where it says nothing.
pub(super) fn words(failure: &Failure) -> &str {
    if failure.message.is_empty() { &failure.code } else { &failure.message }
}
