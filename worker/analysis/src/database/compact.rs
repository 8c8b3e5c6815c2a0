//! An advisory while a database is built: only what the file will hold, with every text that repeats kept once.

use std::{
    borrow::Cow,
    cmp::Ordering,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use super::{
    Score, ecosystems, identity,
    identity::Names,
    osv::{self, Event, EventKind, Rating, Record},
    ranges, rating, source, time,
};
use crate::{
    assess::{
        FixState, Severity,
        affects::{self, Answer},
    },
    version::{self, Scheme},
};

/// A text of the [`Interner`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Symbol(pub(super) u32);

/// Keeps every text once.
#[derive(Debug, Default)]
pub(super) struct Interner {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Interner {
    pub(super) fn add(&mut self, text: &str) -> Symbol {
        if let Some(number) = self.numbers.get(text) {
            return Symbol(*number);
        }
        // More than four billion texts do not fit into memory, nor into the file: `encode` refuses long before.
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        Symbol(number)
    }

    pub(super) fn get(&self, symbol: Symbol) -> &str {
        usize::try_from(symbol.0).ok().and_then(|at| self.texts.get(at)).map_or("", |text| text)
    }
}

/// The events of one range, in the record's order.
pub(super) type Events<T> = Box<[(EventKind, T)]>;

/// What the affected packages of an advisory have in common with their texts as `T`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package<T> {
    pub(super) ecosystem: T,
    pub(super) name: T,
    pub(super) state: FixState,
    pub(super) rating: Option<Severity>,
    pub(super) score: Score,
    pub(super) modular: bool,
    pub(super) stream: T,
    /// Architectures, separated by spaces; empty for all.
    pub(super) arch: T,
    pub(super) ranges: Box<[Events<T>]>,
    /// Whether the events of all ranges are in the order of their versions.
    pub(super) sorted: bool,
    /// The first version behind all ranges; empty when there is none.
    pub(super) bound: T,
    pub(super) versions: Box<[T]>,
}

/// One advisory with its texts as `T`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Advisory<T> {
    pub(super) id: T,
    /// Name of its row in [`super::source::TABLE`].
    pub(super) source: T,
    pub(super) modified: u64,
    /// First bytes of the digest of its content: tells two versions of one advisory apart.
    pub(super) content: u128,
    pub(super) withdrawn: bool,
    /// Whether it announces something other than a flaw (a bug fix, an enhancement).
    pub(super) harmless: bool,
    pub(super) title: T,
    pub(super) rating: Option<Severity>,
    pub(super) score: Score,
    pub(super) cves: Box<[T]>,
    pub(super) aliases: Box<[T]>,
    /// Flaws that it answers, where it names no CVE.
    pub(super) answers: Box<[T]>,
    pub(super) packages: Box<[Package<T>]>,
    pub(super) git_ranges: u64,
    /// Affected packages without any version.
    pub(super) unversioned: u64,
}

/// What reading one record gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prepared {
    pub(super) advisory: Advisory<String>,
    pub(super) defects: Vec<String>,
}

/// Reads one record and keeps what the file will hold. Pure: batches run it on all cores.
pub(super) fn prepare(json: &[u8]) -> Result<Prepared, String> {
    Ok(prepare_record(osv::parse(json)?, source::OSV, json))
}

/// As [`prepare`], for a record that a reader has made. `content` tells two versions of it apart.
pub(super) fn prepare_record(record: Record, source: &str, content: &[u8]) -> Prepared {
    let row = record.affected.first().and_then(|first| ecosystems::row(&first.ecosystem));
    let (distribution, errata) = row.map_or((false, false), |row| (row.distribution, row.errata));
    let Names { cves, aliases, answers } = identity::names(&record, distribution);
    let hash = Sha256::digest(content);
    let content = hash.iter().take(16).fold(0_u128, |sum, byte| (sum << 8) | u128::from(*byte));
    let mut defects = record.defects.clone();
    let ratings = record.affected.iter().flat_map(|affected| &affected.severity).chain(&record.severity);
    let ratings: Vec<Rating> = ratings.cloned().collect();
    defects.extend(rating::invalid(&ratings).map(|vector| format!("`{vector}` is no CVSS vector")));
    let mut unversioned = 0;
    let mut packages: Vec<Package<String>> = Vec::new();
    for affected in &record.affected {
        if affected.ranges.is_empty() && affected.versions.is_empty() {
            unversioned += 1;
            continue;
        }
        let affected = &without_architecture(affected);
        defects.extend(unordered_bound(affected));
        let package = prepare_package(affected, &record, errata);
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    let advisory = Advisory {
        modified: time::parse(&record.modified).unwrap_or(0),
        content,
        withdrawn: record.withdrawn,
        harmless: record.harmless || errata && cves.is_empty() && is_bug_fix(&record.id),
        rating: rating::of_record(&record, errata),
        score: rating::score(&record.severity),
        title: record.title,
        cves: cves.into(),
        aliases: aliases.into(),
        answers: answers.into(),
        packages: packages.into(),
        git_ranges: record.git_ranges,
        unversioned,
        source: source.to_owned(),
        id: record.id,
    };
    defects.sort_unstable();
    defects.dedup();
    Prepared { advisory, defects }
}

/// Errata are named after their kind: `RHSA` is about security, `RHBA` about bugs, `RHEA` about enhancements, and the
/// rebuilds follow the scheme with letters of their own.
fn is_bug_fix(id: &str) -> bool {
    let family = id.split('-').next().unwrap_or_default();
    family.len() == 4 && (family.ends_with("BA") || family.ends_with("EA"))
}

fn prepare_package(affected: &osv::Affected, record: &Record, errata: bool) -> Package<String> {
    let ecosystem = affected.ecosystem.clone();
    let scheme = ecosystems::scheme(&ecosystem);
    let modular = |version: &str| version.contains(".module") || version.contains("+module");
    let events = || affected.ranges.iter().flat_map(|range| &range.events);
    let rpm = scheme.is_some_and(|scheme| scheme.name == version::RPM.name);
    let modular =
        !affected.module.is_empty() || (errata || rpm) && events().any(|event| modular(&event.version));
    // `Important: nodejs:14 security update` names module and stream.
    let named = Some(affected.module.as_str()).filter(|module| !module.is_empty());
    let stream = named.or_else(|| the_stream(&record.title).filter(|_| modular));
    let versions = listed(affected, scheme);
    let recorded = events_of(affected, scheme);
    let sorted = scheme.and_then(|scheme| ranges::all_sorted(&recorded, scheme));
    let bound = sorted.as_deref().zip(scheme).and_then(|(sorted, scheme)| ranges::bound(sorted, scheme));
    let bound = bound.filter(|_| versions.is_empty()).unwrap_or_default().to_owned();
    Package {
        name: ecosystems::package_key(&ecosystem, &affected.name).into_owned(),
        state: rating::state(affected),
        rating: rating::of_affected(affected),
        score: rating::score(&affected.severity),
        modular,
        stream: stream.unwrap_or_default().to_owned(),
        arch: affected.arch.clone(),
        versions,
        sorted: sorted.is_some(),
        ranges: sorted.unwrap_or(recorded).into_iter().map(Vec::into_boxed_slice).collect(),
        bound,
        ecosystem,
    }
}

/// The first bound that is no version in the ecosystem's order: no version can be compared with it.
fn unordered_bound(affected: &osv::Affected) -> Option<String> {
    let scheme = ecosystems::scheme(&affected.ecosystem)?;
    let mut bounds = affected.ranges.iter().flat_map(|range| &range.events).map(|event| &event.version);
    let bound = bounds.find(|bound| {
        let whole = completed(bound, scheme);
        *bound != "0" && (scheme.compare)(&whole, &whole).is_none()
    })?;
    Some(format!("`{bound}` is no version of {}", affected.ecosystem))
}

/// Red Hat ends some versions with the architecture of the file (`0:2.13.3-3.el8_6.1.x86_64`), which is no part of them.
fn without_architecture(affected: &osv::Affected) -> Cow<'_, osv::Affected> {
    if ecosystems::scheme(&affected.ecosystem).is_none_or(|scheme| scheme.name != version::RPM.name) {
        return Cow::Borrowed(affected);
    }
    let mut affected = Cow::Borrowed(affected);
    let named = |version: &String| cut_architecture(version).len() < version.len();
    let events = affected.ranges.iter().flat_map(|range| &range.events).map(|event| &event.version);
    if !events.chain(&affected.versions).any(named) {
        return affected;
    }
    let changed = affected.to_mut();
    let events = changed.ranges.iter_mut().flat_map(|range| &mut range.events);
    for version in events.map(|event| &mut event.version).chain(&mut changed.versions) {
        version.truncate(cut_architecture(version).len());
    }
    affected
}

/// The version without the architecture that it may end with. No release ends so by itself.
fn cut_architecture(version: &str) -> &str {
    match version.rsplit_once('.') {
        Some((rest, architecture)) if ARCHITECTURES.contains(&architecture) && rest.contains('-') => rest,
        _ => version,
    }
}

/// Architectures of Red Hat's packages, and its names for source packages.
const ARCHITECTURES: &[&str] = &[
    "aarch64", "i386", "i486", "i586", "i686", "ia64", "noarch", "nosrc", "ppc", "ppc64", "ppc64le",
    "riscv64", "s390", "s390x", "src", "x86_64",
];

/// The events of each range, in the record's order.
fn events_of(affected: &osv::Affected, scheme: Option<&Scheme>) -> Vec<Vec<(EventKind, String)>> {
    let event = |event: &Event| {
        let version =
            scheme.map_or(Cow::Borrowed(event.version.as_str()), |scheme| completed(&event.version, scheme));
        (event.kind, version.into_owned())
    };
    affected.ranges.iter().map(|range| range.events.iter().map(event).collect()).collect()
}

/// A bound with all three numbers. npm's advisories write `8.0` or `13` for the release 8.0.0 or 13.0.0, as people do;
/// node-semver reads no such version, and completes it just so where it coerces. Only plain numbers are completed, and only
/// as bounds: the versions of packages are what their registry accepted.
fn completed<'a>(bound: &'a str, scheme: &Scheme) -> Cow<'a, str> {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if scheme.name != version::NPM.name || bound == "0" || !bound.split('.').all(plain) {
        return Cow::Borrowed(bound);
    }
    match bound.split('.').count() {
        1 => Cow::Owned(format!("{bound}.0.0")),
        2 => Cow::Owned(format!("{bound}.0")),
        _ => Cow::Borrowed(bound),
    }
}

/// The one `module:stream` of a title; `None` when there are several, for then it is not known which one is meant.
fn the_stream(title: &str) -> Option<&str> {
    let words = title.split([' ', ',', ';', '(', ')']).skip(1);
    let is_stream = |word: &&str| {
        word.split_once(':').is_some_and(|(module, stream)| !module.is_empty() && !stream.is_empty())
    };
    let mut streams = words.filter(is_stream);
    let first = streams.next()?;
    streams.all(|other| other == first).then_some(first)
}

/// The listed versions that the ranges do not already enclose. A list mostly spells its ranges out.
fn listed(affected: &osv::Affected, scheme: Option<&Scheme>) -> Box<[String]> {
    let whole = events_of(affected, scheme);
    let ranges: Vec<Vec<(EventKind, &str)>> = whole
        .iter()
        .map(|events| events.iter().map(|(kind, version)| (*kind, version.as_str())).collect())
        .collect();
    let enclosed = |version: &str| {
        scheme.is_some_and(|scheme| {
            ranges.iter().any(|range| matches!(affects::range(range, version, scheme), Answer::Yes { .. }))
        })
    };
    let mut versions: Vec<String> =
        affected.versions.iter().filter(|version| !enclosed(version)).cloned().collect();
    versions.sort_unstable();
    versions.dedup();
    versions.into()
}

impl Advisory<String> {
    /// The same with its texts in the interner.
    pub(super) fn intern(&self, texts: &mut Interner) -> Advisory<Symbol> {
        let packages = self.packages.iter().map(|package| package.intern(texts)).collect();
        Advisory {
            id: texts.add(&self.id),
            source: texts.add(&self.source),
            modified: self.modified,
            content: self.content,
            withdrawn: self.withdrawn,
            harmless: self.harmless,
            title: texts.add(&self.title),
            rating: self.rating,
            score: self.score,
            cves: self.cves.iter().map(|id| texts.add(id)).collect(),
            aliases: self.aliases.iter().map(|id| texts.add(id)).collect(),
            answers: self.answers.iter().map(|id| texts.add(id)).collect(),
            packages,
            git_ranges: self.git_ranges,
            unversioned: self.unversioned,
        }
    }
}

impl Package<String> {
    fn intern(&self, texts: &mut Interner) -> Package<Symbol> {
        let mut range = |events: &[(EventKind, String)]| -> Events<Symbol> {
            events.iter().map(|(kind, version)| (*kind, texts.add(version))).collect()
        };
        let ranges = self.ranges.iter().map(|events| range(events)).collect();
        Package {
            ecosystem: texts.add(&self.ecosystem),
            name: texts.add(&self.name),
            state: self.state.clone(),
            rating: self.rating,
            score: self.score,
            modular: self.modular,
            stream: texts.add(&self.stream),
            arch: texts.add(&self.arch),
            ranges,
            sorted: self.sorted,
            bound: texts.add(&self.bound),
            versions: self.versions.iter().map(|version| texts.add(version)).collect(),
        }
    }
}

/// The versions of one advisory, newest first, become one: the newest speaks for the whole record and for every
/// ecosystem that it names, an older one only for ecosystems that no newer one names. (The public export has a copy
/// of a record in the zip of each ecosystem, and copies may differ in age or hold only their own ecosystem.) Where the
/// packages say for which architectures they are, the same holds of each architecture: rpm repositories publish a list for
/// each.
pub(super) fn merge(mut copies: Vec<Advisory<Symbol>>, texts: &Interner) -> Option<Advisory<Symbol>> {
    copies.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.content.cmp(&b.content)));
    copies.dedup_by_key(|copy| copy.content);
    let mut copies = copies.into_iter();
    let mut merged = copies.next()?;
    for copy in copies {
        let arches = |package: &Package<Symbol>| -> Vec<(Symbol, String)> {
            texts.get(package.arch).split(' ').map(|arch| (package.ecosystem, arch.to_owned())).collect()
        };
        let named: HashSet<(Symbol, String)> = merged.packages.iter().flat_map(arches).collect();
        let is_new = |package: &&Package<Symbol>| arches(package).iter().any(|own| !named.contains(own));
        let older = copy.packages.iter().filter(is_new);
        merged.packages = merged.packages.iter().chain(older).cloned().collect();
    }
    Some(merged)
}

/// Orders advisories by identifier.
pub(super) fn by_id(texts: &Interner, a: Symbol, b: Symbol) -> Ordering {
    if a == b { Ordering::Equal } else { texts.get(a).cmp(texts.get(b)) }
}
