//! What the entries of one layer leave behind: wanted files, links, deletions.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use super::{
    LayerError,
    batches::Batches,
    hard::{self, HardLink},
    header::Kind,
    keep,
    parse::{self, Parsed},
    path::{normalise, readable},
    pending::Pending,
    replace,
    room::{Room, Weight},
    spool::Spool,
    tar::{End, Entry, Visitor},
};
use crate::{
    distro,
    ecosystem::{self, Candidate, Ecosystem},
    limits::Limits,
    model::{FileFacts, Inventory, Link, Problem, Release},
};

/// More problems than this are counted, not listed.
const MAX_PROBLEMS: usize = 1_000;

/// The state of a layer's walk.
pub(super) struct Collector<'l> {
    limits: &'l Limits,
    entries: u64,
    records: HashMap<String, Record>,
    /// Bytes of the paths and targets that are kept.
    text: usize,
    /// Records that are only there because they may hide something below.
    kept: usize,
    whiteouts: BTreeSet<String>,
    opaques: BTreeSet<String>,
    /// Hard links, in the archive's order: their targets may still be unparsed.
    hard_links: Vec<HardLink>,
    pending: Pending<'l>,
    batches: Batches,
    room: Room,
    problems: Vec<Problem>,
    problems_left_out: u64,
}

/// What stands at a path of the layer. Without facts, release or link it only replaces what is below.
#[derive(Default)]
pub(super) struct Record {
    /// Number of its entry: the last entry of a path counts.
    pub(super) entry: u64,
    pub(super) size: u64,
    /// What its facts and its release weigh.
    pub(super) weight: Weight,
    pub(super) facts: Vec<FileFacts>,
    pub(super) release: Option<Release>,
    pub(super) link: Option<Link>,
}

impl Visitor for Collector<'_> {
    fn entry(&mut self, entry: Entry<'_>) -> Result<bool, LayerError> {
        self.entries += 1;
        if self.entries > self.limits.layer_entries {
            return Err(LayerError::Limit(format!("{} entries", self.limits.layer_entries)));
        }
        if entry.name.len() > self.limits.path_bytes || entry.link.len() > self.limits.path_bytes {
            let start = readable(entry.name.get(..80).unwrap_or(entry.name)).into_owned();
            let message = format!(
                "an entry's path is longer than {} bytes; it starts with {start}",
                self.limits.path_bytes
            );
            self.problem("limit", String::new(), message);
            return Ok(false);
        }
        let Ok(path) = normalise(entry.name) else {
            let message = "an entry's path leads out of the image and was ignored".to_owned();
            self.problem("escaping-path", readable(entry.name).into_owned(), message);
            return Ok(false);
        };
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if let Some(deleted) = name.strip_prefix(".wh.") {
            self.whiteout(directory, deleted)?;
            return Ok(false);
        }
        if path.is_empty() {
            return Ok(false);
        }
        match entry.kind {
            Kind::Directory => {
                self.forget(&path);
                Ok(false)
            }
            Kind::File => self.file(&path, name, &entry),
            Kind::SymbolicLink => self.symbolic_link(&path, name, entry.link),
            Kind::HardLink => self.hard_link(&path, name, entry.link, entry.executable),
            Kind::Special => {
                self.may_hide(&path, name, false);
                Ok(false)
            }
        }
    }

    fn content(&mut self, part: &[u8]) -> Result<(), LayerError> {
        self.pending.content(part).map_err(LayerError::Read)
    }

    fn end(&mut self) -> Result<(), LayerError> {
        if self.pending.end().map_err(LayerError::Read)? {
            self.parse_pending();
        }
        Ok(())
    }
}

impl<'l> Collector<'l> {
    pub(super) fn new(limits: &'l Limits, spool: Option<&'l dyn Spool>) -> Self {
        Self {
            limits,
            entries: 0,
            records: HashMap::new(),
            text: 0,
            kept: 0,
            whiteouts: BTreeSet::new(),
            opaques: BTreeSet::new(),
            hard_links: Vec::new(),
            pending: Pending::new(spool),
            batches: Batches::new(limits),
            room: Room::new(limits),
            problems: Vec::new(),
            problems_left_out: 0,
        }
    }

    /// The archive was read to its end.
    pub(super) fn finish(mut self, end: End, bytes: u64) -> Inventory {
        self.parse_pending();
        while self.take_batch() {}
        for link in std::mem::take(&mut self.hard_links) {
            self.follow(link);
        }
        if end == End::Unmarked {
            let message = "the layer's archive has no end marker: it may have been cut off".to_owned();
            self.problem("no-end-marker", String::new(), message);
        }
        if self.problems_left_out > 0 {
            let message = format!("{} further problems of this layer are not listed", self.problems_left_out);
            self.problems.push(Problem { code: "limit".into(), message, file: String::new() });
        }
        self.problems.sort_unstable();
        self.problems.dedup();
        let mut inventory = Inventory {
            whiteouts: Vec::from_iter(self.whiteouts),
            opaques: Vec::from_iter(self.opaques),
            problems: self.problems,
            entries: self.entries,
            bytes,
            ..Inventory::default()
        };
        let mut records: Vec<(String, Record)> = self.records.into_iter().collect();
        replace::leave_out_hidden(&mut records);
        records.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        for (path, mut record) in records {
            if record.facts.is_empty() && record.release.is_none() && record.link.is_none() {
                inventory.others.push(path);
                continue;
            }
            record.facts.sort_by(|left, right| left.ecosystem.cmp(&right.ecosystem));
            inventory.files.append(&mut record.facts);
            inventory.releases.extend(record.release);
            inventory.links.extend(record.link);
        }
        inventory
    }

    /// A regular file; true when its content is wanted.
    fn file(&mut self, path: &str, name: &str, file: &Entry<'_>) -> Result<bool, LayerError> {
        let (size, executable) = (file.size, file.executable);
        let rows = ecosystem::wanting(Candidate { path, name, size, executable });
        let release = distro::wants(path, name);
        if rows.is_empty() && !release {
            self.may_hide(path, name, executable);
            return Ok(false);
        }
        let entry = self.entries;
        self.record(path, Record { entry, size, ..Record::default() })?;
        // A sparse file is in memory twice for a moment: as it is stored, and with its holes.
        let memory = if file.sparse.is_some() { size.saturating_add(file.stored) } else { file.stored };
        if file.sparse.is_some()
            && memory <= self.limits.file_bytes
            && let Err(message) = self.room.holes(size.saturating_sub(file.stored))
        {
            self.problem("limit", path.to_owned(), message);
            return Ok(false);
        }
        let claimed = usize::try_from(file.stored).unwrap_or(usize::MAX);
        let stored = parse::Stored::Within(0..0);
        let sparse = file.sparse.clone();
        let wanted = parse::Wanted { entry, path: path.to_owned(), rows, release, sparse, claimed, stored };
        if memory <= self.limits.file_bytes {
            self.make_room(memory);
            self.pending.start(wanted, memory).map_err(LayerError::Read)?;
            return Ok(true);
        }
        let spooled = self.pending.has_spool() && file.sparse.is_none();
        if spooled && file.stored <= self.limits.spool_bytes {
            self.parse_pending();
            // One spooled file at a time.
            while self.take_batch() {}
            self.pending.start_spooled(wanted).map_err(LayerError::Read)?;
            return Ok(true);
        }
        if release || wanted.rows.iter().any(|row| !ecosystem::is_stand_in(row, path)) {
            let limit = if spooled { self.limits.spool_bytes } else { self.limits.file_bytes };
            self.problem("limit", path.to_owned(), format!("is larger than {limit} bytes and was not read"));
        }
        Ok(false)
    }

    fn symbolic_link(&mut self, path: &str, name: &str, target: &[u8]) -> Result<bool, LayerError> {
        if is_wanted_name(path, name) || distro::wants(path, name) {
            let link = Link { path: path.to_owned(), target: readable(target).into_owned(), hard: false };
            self.record(path, Record { entry: self.entries, link: Some(link), ..Record::default() })?;
        } else if self.may_hide(path, name, false)
            && let Some(record) = self.records.get_mut(path)
        {
            record.link =
                Some(Link { path: path.to_owned(), target: readable(target).into_owned(), hard: false });
        }
        Ok(false)
    }

    fn hard_link(
        &mut self,
        path: &str,
        name: &str,
        target: &[u8],
        executable: bool,
    ) -> Result<bool, LayerError> {
        let Ok(target) = normalise(target) else {
            let message = "a hard link's target leads out of the image; the link was ignored".to_owned();
            self.problem("escaping-path", path.to_owned(), message);
            return Ok(false);
        };
        let wanted = is_wanted_name(path, name) || distro::wants(path, name);
        if wanted || self.records.contains_key(&*target) {
            let entry = self.entries;
            self.record(path, Record { entry, ..Record::default() })?;
            self.keep_text(path.len() + target.len())?;
            let (path, target) = (path.to_owned(), target.into_owned());
            self.hard_links.push(HardLink { entry, path, target, executable });
        } else {
            self.may_hide(path, name, executable);
        }
        Ok(false)
    }

    /// A deletion: `.wh.NAME`, or `.wh..wh..opq` for all that lower layers have in the directory. Other names with the
    /// prefix twice are bookkeeping of AUFS; the prefix alone is no deletion.
    fn whiteout(&mut self, directory: &str, deleted: &str) -> Result<(), LayerError> {
        if self.whiteouts.len() + self.opaques.len() >= self.limits.records {
            return Err(LayerError::Limit(format!("{} deletions", self.limits.records)));
        }
        self.keep_text(directory.len() + deleted.len())?;
        match deleted {
            ".wh..opq" => {
                self.opaques.insert(directory.to_owned());
            }
            "" => {}
            "." | ".." => {
                let message = "a deletion has no name and was ignored".to_owned();
                self.problem("malformed", format!("{directory}/.wh.{deleted}"), message);
            }
            _ if deleted.starts_with(".wh.") => {}
            _ if directory.is_empty() => {
                self.whiteouts.insert(deleted.to_owned());
            }
            _ => {
                self.whiteouts.insert(format!("{directory}/{deleted}"));
            }
        }
        Ok(())
    }

    /// Keeps an entry without facts if it may hide something below; true when it is kept.
    fn may_hide(&mut self, path: &str, name: &str, executable: bool) -> bool {
        let known = self.records.contains_key(path);
        let matters = known || executable || keep::may_have_been_directory(path, name);
        let full = self.kept >= keep::MAX_KEPT || self.text >= keep::MAX_KEPT_TEXT;
        if !matters || (!known && full) || path.starts_with("var/lib/dpkg/info/") {
            return false;
        }
        self.kept += 1;
        self.text += path.len();
        self.records.insert(path.to_owned(), Record { entry: self.entries, ..Record::default() });
        true
    }

    /// A directory stands where an earlier entry of this layer was.
    fn forget(&mut self, path: &str) {
        if !self.records.is_empty() {
            self.records.remove(path);
        }
    }

    fn record(&mut self, path: &str, record: Record) -> Result<(), LayerError> {
        if self.records.len() >= self.limits.records.saturating_add(keep::MAX_KEPT) {
            return Err(LayerError::Limit(format!("{} wanted files and links", self.limits.records)));
        }
        self.keep_text(path.len() + record.link.as_ref().map_or(0, |link| link.target.len()))?;
        self.records.insert(path.to_owned(), record);
        Ok(())
    }

    fn keep_text(&mut self, bytes: usize) -> Result<(), LayerError> {
        self.text = self.text.saturating_add(bytes);
        if self.text > self.limits.text_bytes {
            return Err(LayerError::Limit(format!("{} bytes of paths", self.limits.text_bytes)));
        }
        Ok(())
    }

    /// Makes room in the budget for so many bytes, as far as there is any: a single file may take all of it.
    fn make_room(&mut self, memory: u64) {
        let budget = self.limits.budget_bytes.saturating_sub(memory);
        if self.pending.memory().saturating_add(self.batches.memory()) <= budget {
            return;
        }
        self.parse_pending();
        while self.batches.memory() > budget && self.take_batch() {}
    }

    /// Has what is in memory parsed, while the archive is read on.
    fn parse_pending(&mut self) {
        if self.batches.are_full() {
            self.take_batch();
        }
        self.batches.start(self.pending.take());
    }

    /// Keeps what the first batch says; false when there is none.
    fn take_batch(&mut self) -> bool {
        let Some((batch, memory)) = self.batches.take() else { return false };
        self.pending.reuse(memory);
        for parsed in batch {
            self.keep(parsed);
        }
        true
    }

    fn keep(&mut self, parsed: Parsed) {
        let record = self.records.get_mut(&parsed.path).filter(|record| record.entry == parsed.entry);
        let Some(record) = record else { return };
        let weight = Weight::of(&parsed.facts, parsed.release.as_ref());
        if let Err(message) = self.room.take(weight) {
            return self.problem("limit", parsed.path, message);
        }
        record.weight = weight;
        record.facts = parsed.facts;
        record.release = parsed.release;
        for problem in parsed.problems {
            self.problem(problem.code, problem.file, problem.message);
        }
    }

    /// Gives a hard link what its target has, as far as there is room for another copy.
    fn follow(&mut self, link: HardLink) {
        if self.records.get(&link.path).is_none_or(|record| record.entry != link.entry) {
            return;
        }
        let target = self.records.get(&link.target);
        let record = match self.room.take(target.map(|target| target.weight).unwrap_or_default()) {
            Ok(()) => hard::followed(&link, target),
            Err(message) => {
                self.problem("limit", link.path.clone(), message);
                Record { entry: link.entry, ..Record::default() }
            }
        };
        self.records.insert(link.path, record);
    }

    fn problem(&mut self, code: impl Into<Cow<'static, str>>, file: String, message: String) {
        if self.problems.len() >= MAX_PROBLEMS {
            self.problems_left_out += 1;
            return;
        }
        self.problems.push(Problem { code: code.into(), message, file });
    }
}

/// Whether a row wants the path whatever stands there.
fn is_wanted_name(path: &str, name: &str) -> bool {
    let rows: Vec<&Ecosystem> = ecosystem::wanting(Candidate { path, name, size: 0, executable: false });
    !rows.is_empty()
}
