//! *assess*: the inventories of an image → its report, put down for the archive.

mod several;

use std::{collections::HashMap, rc::Rc, sync::Arc};

use bytes::Bytes;
use prost::Message as _;
use strata_analysis::{assess, database::outline, model, squash};
use strata_proto::{
    content,
    outline::{Asked, MOST_ASKED_BYTES},
    subject, v1,
};

use crate::{
    advisories::DatabaseFile,
    attached::{self, Statements},
    error::JobError,
    java_index::JavaIndexFile,
    job::{Context, parts, patiently},
    measure, pack,
    ports::{Attached, LayerKey},
    source::platform,
    wire,
};
pub use several::several;

/// What came of it: the report, or what must be made again first.
pub enum Outcome {
    /// The report waits in its parcel.
    Assessed(v1::Assessed),
    /// The cache lost what the job needs.
    Missing(v1::Missing),
}

/// Loads the inventories, squashes them, matches them and puts the report down.
///
/// # Errors
/// When there is no advisory database, or the cache cannot be reached.
pub async fn assess(context: &Context, job: &v1::AssessJob) -> Result<Outcome, JobError> {
    let work = match gather(context, job).await? {
        Gathered::Work(work) => *work,
        Gathered::Missing(missing) => return Ok(Outcome::Missing(missing)),
    };
    let making = move || work.report(&mut Decoded::default());
    let (assessed, parcel) = context.compute(&job.image_digest, making).await??;
    patiently(|| context.cache.put_parcel(&assessed.parcel, parcel.clone())).await?;
    measure::image_assessed();
    Ok(Outcome::Assessed(assessed))
}

/// What a report is made of.
struct Work {
    facts: v1::ImageFacts,
    /// By what the layers are told apart, and their inventories as the cache has them.
    layers: Vec<(String, Bytes)>,
    database: Arc<DatabaseFile>,
    java: Option<Arc<JavaIndexFile>>,
    fingerprint: String,
    attached: Option<Attached>,
}

/// All that a report is made of, or what of it is not there.
enum Gathered {
    Work(Box<Work>),
    Missing(v1::Missing),
}

/// Inventories that were decoded already, by what their layers are told apart.
type Decoded = HashMap<String, Rc<model::Inventory>>;

async fn gather(context: &Context, job: &v1::AssessJob) -> Result<Gathered, JobError> {
    let facts = patiently(|| context.cache.image(&job.image_digest, &job.platform)).await?;
    let Some(facts) = facts else { return Ok(Gathered::Missing(all_missing(context, job).await?)) };
    let Some(layers) = layers(&facts, &job.layers) else {
        // The facts are of another time: tables were named since, or are not any more.
        return Ok(Gathered::Missing(v1::Missing { layers: Vec::new(), image: true }));
    };
    let keys = keys(context, layers.iter().map(String::as_str));
    let packed = patiently(|| context.cache.read(&keys)).await?;
    let missing: Vec<String> = layers
        .iter()
        .zip(&packed)
        .filter(|(_, value)| value.is_none())
        .map(|(layer, _)| layer.clone())
        .collect();
    if !missing.is_empty() {
        return Ok(Gathered::Missing(v1::Missing { layers: missing, image: false }));
    }
    let database = context.advisories.database(&job.database_digest).await?;
    let database = database.ok_or_else(|| no_database(&job.database_digest))?;
    let attached = if job.attached_vex { Some(attachments(context, job).await?) } else { None };
    Ok(Gathered::Work(Box::new(Work {
        facts,
        layers: layers.into_iter().zip(packed.into_iter().flatten()).collect(),
        database,
        java: context.java_index.clone(),
        fingerprint: context.report_fingerprint(),
        attached,
    })))
}

/// By what the image's layers are told apart. The job says which of them may have been read in parts: whoever resolved the image
/// decided that. `None` where it names others than the image has.
fn layers(facts: &v1::ImageFacts, named: &[String]) -> Option<Vec<String>> {
    let own = facts.layers.iter().map(|layer| layer.digest.as_str());
    if own.clone().eq(named.iter().map(String::as_str)) || named.len() != facts.layers.len() {
        return Some(own.map(str::to_owned).collect());
    }
    let fits = |((own, in_parts), named): ((&str, String), &String)| *named == own || *named == in_parts;
    own.zip(parts::identities(facts)).zip(named).all(fits).then(|| named.to_vec())
}

fn keys<'a>(context: &Context, layers: impl Iterator<Item = &'a str>) -> Vec<LayerKey> {
    let key = |layer: &str| LayerKey { layer: layer.to_owned(), fingerprint: context.fingerprint.clone() };
    layers.map(key).collect()
}

/// The facts are gone, and with them perhaps the inventories: all is named at once, so that a cache that was emptied costs an
/// image one round and not two.
async fn all_missing(context: &Context, job: &v1::AssessJob) -> Result<v1::Missing, JobError> {
    let keys = keys(context, job.layers.iter().map(String::as_str));
    let there = patiently(|| context.cache.contains(&keys)).await?;
    let gone = keys.into_iter().zip(there).filter(|(_, there)| !there);
    Ok(v1::Missing { layers: gone.map(|(key, _)| key.layer).collect(), image: true })
}

/// What is attached to the image. What cannot be read, and never will be, is a problem of the report.
async fn attachments(context: &Context, job: &v1::AssessJob) -> Result<Attached, JobError> {
    let options = job.options.unwrap_or_default();
    match context.images.attachments(&job.reference, &job.image_digest, &options).await {
        Err(error) if !error.later => Ok(Attached { refused: vec![error.message], ..Attached::default() }),
        found => found,
    }
}

pub(super) fn no_database(digest: &str) -> JobError {
    let message = if digest.is_empty() {
        "failed to assess: this worker has no advisory database, and none is published; see `strata db publish`"
            .to_owned()
    } else {
        format!("failed to assess: the advisory database {digest} is neither published nor at this worker")
    };
    JobError::later("no-database", message)
}

impl Work {
    fn report(self, decoded: &mut Decoded) -> Result<(v1::Assessed, Bytes), JobError> {
        let inventories: Vec<Rc<model::Inventory>> = self
            .layers
            .iter()
            .map(|(layer, packed)| match decoded.get(layer) {
                Some(inventory) => Ok(Rc::clone(inventory)),
                None => {
                    let inventory = Rc::new(wire::decode(packed)?);
                    decoded.insert(layer.clone(), Rc::clone(&inventory));
                    Ok(inventory)
                }
            })
            .collect::<Result<_, JobError>>()?;
        let inventories: Vec<&model::Inventory> = inventories.iter().map(Rc::as_ref).collect();
        make_report(
            self.facts,
            &inventories,
            &self.database,
            self.java.as_deref(),
            self.fingerprint,
            self.attached,
        )
    }
}

fn make_report(
    facts: v1::ImageFacts,
    inventories: &[&model::Inventory],
    database: &DatabaseFile,
    java: Option<&JavaIndexFile>,
    fingerprint: String,
    attached: Option<Attached>,
) -> Result<(v1::Assessed, Bytes), JobError> {
    let (mut report, keys) = assessed(&facts, inventories, database, java, fingerprint)?;
    let asked = keys.map(|keys| asked(keys).encode()).filter(|asked| asked.len() <= MOST_ASKED_BYTES);
    let attached = attached.map(|attached| attached::read(attached, &facts.image_digest));
    if let Some(statements) = &attached {
        statements.apply(&mut report);
    }
    let mut counts = v1::SeverityCounts::default();
    for finding in report.findings.iter().filter(|finding| finding.suppressed.is_empty()) {
        counts.add(finding.severity());
    }
    let report_id = report_id(&report, attached.as_ref());
    let assessed = v1::Assessed {
        parcel: report_id.clone(),
        report_id,
        packages: count(report.packages.len()),
        findings: Some(counts),
        problems: count(report.problems.len()),
        database_modified: report.database_modified.clone(),
    };
    let parcel = parcel(report, asked.unwrap_or_default())
        .map_err(|error| JobError::later("compress", format!("failed to compress a report: {error}")))?;
    Ok((assessed, Bytes::from(parcel.encode_to_vec())))
}

/// Puts a report together so that the archive need not look into it: what it says, the name of its database behind that, and
/// what it is listed and found by.
fn parcel(mut report: v1::Report, asked: Vec<u8>) -> std::io::Result<v1::Parcel> {
    let summary = content::summary(&report);
    let (vulnerabilities, packages) = (content::vulnerabilities(&report), content::packages(&report));
    let database = content::take_database(&mut report);
    let frame = |report: &v1::Report| pack::compress(&report.encode_to_vec());
    let mut report_zstd = frame(&report)?;
    let content_length = count(report_zstd.len());
    let content_key = content::key(&report_zstd, &asked).to_vec();
    report_zstd.extend(frame(&database)?);
    Ok(v1::Parcel {
        report_zstd,
        asked,
        content_length,
        content_key,
        summary: Some(summary),
        vulnerabilities,
        packages,
    })
}

/// The report's questions: for whoever has to know whether another database would answer them alike.
fn asked(keys: Vec<outline::Key>) -> Asked {
    Asked { scheme: outline::REVISION, assessor: assess::assessor(), keys }
}

/// The keys that a report asked its database for; `None` when there were too many.
type Questions = Option<Vec<outline::Key>>;

/// The report of an image whose layers have these inventories, and what it asked.
pub(super) fn assessed(
    facts: &v1::ImageFacts,
    inventories: &[&model::Inventory],
    database: &DatabaseFile,
    java: Option<&JavaIndexFile>,
    fingerprint: String,
) -> Result<(v1::Report, Questions), JobError> {
    let java = java.map(JavaIndexFile::view).transpose();
    let java = java
        .map_err(|error| JobError::later("java-index", format!("failed to read the Java index: {error}")))?;
    let contents = squash::squash_with(inventories, java.as_ref());
    let view = database.view().map_err(|error| {
        JobError::later("database", format!("failed to read the advisory database: {error}"))
    })?;
    let mut assessment = assess::assess(&contents, &view);
    let asked = assessment.asked.take();
    let mut report = report(facts, contents, assessment, database, fingerprint);
    for (layer, inventory) in report.layers.iter_mut().zip(inventories) {
        layer.uncompressed_size = inventory.bytes;
    }
    Ok((report, asked))
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Same image, platform, analysis and database → same id; and the same attached documents, where they count.
fn report_id(report: &v1::Report, attached: Option<&Statements>) -> String {
    let platform = report.platform.as_ref().map(platform::show).unwrap_or_default();
    let database = report.database_digest.as_str();
    let Some(statements) = attached else {
        return subject::report_id(&report.image_digest, &platform, &report.fingerprint, database);
    };
    let mut parts = vec![report.image_digest.as_str(), &platform, &report.fingerprint, database, "vex"];
    parts.extend(statements.names());
    subject::key_of(&parts)
}

/// The report that contents and their assessment make.
pub(super) fn report(
    facts: &v1::ImageFacts,
    contents: model::Contents,
    assessment: assess::Assessment,
    database: &DatabaseFile,
    fingerprint: String,
) -> v1::Report {
    let layer_digest =
        |index: usize| facts.layers.get(index).map(|layer| layer.digest.clone()).unwrap_or_default();
    let mut problems: Vec<v1::Problem> = contents
        .problems
        .iter()
        .map(|(found, layer)| problem(found, layer.map(layer_digest).unwrap_or_default()))
        .collect();
    problems.extend(assessment.problems.iter().map(|found| problem(found, String::new())));
    let end = assessment.end_of_life.unwrap_or_default();
    v1::Report {
        image_digest: facts.image_digest.clone(),
        config_digest: facts.config_digest.clone(),
        platform: facts.platform.clone(),
        distribution: contents.distribution.map(|distribution| v1::Distribution {
            id: distribution.id,
            version: distribution.version,
            title: distribution.title,
            end_of_life: end.date,
            extended_support: end.extended,
            ended: end.passed,
        }),
        layers: facts.layers.clone(),
        packages: contents.packages.into_iter().map(package).collect(),
        findings: assessment.findings.into_iter().map(finding).collect(),
        problems,
        fingerprint,
        database_digest: database.digest().to_owned(),
        database_modified: database.modified().to_owned(),
        labels: facts.labels.clone(),
        vex: Vec::new(),
        run: facts.run.as_deref().cloned(),
        submitted_by: String::new(),
    }
}

fn problem(found: &model::Problem, layer: String) -> v1::Problem {
    v1::Problem {
        code: found.code.to_string(),
        message: found.message.clone(),
        file: found.file.clone(),
        layer,
    }
}

fn package(installed: model::Installed) -> v1::Package {
    let package = installed.package;
    v1::Package {
        name: package.name,
        version: package.version,
        purl: installed.purl,
        ecosystem: installed.ecosystem.to_owned(),
        source_name: package.source_name,
        source_version: package.source_version,
        architecture: package.architecture,
        file: installed.file,
        layer: u32::try_from(installed.layer).unwrap_or(u32::MAX),
        properties: wire::properties(&package.properties),
    }
}

fn finding(found: assess::Finding) -> v1::Finding {
    let mut wire = v1::Finding {
        package: u32::try_from(found.package).unwrap_or(u32::MAX),
        id: found.id,
        advisory: found.advisory,
        aliases: found.aliases,
        severity_source: found.severity_source.to_owned(),
        cvss_tenths: found.cvss_tenths,
        epss_millionths: found.epss_millionths,
        known_exploited: found.known_exploited,
        ransomware: found.ransomware,
        risk_millionths: found.risk_millionths,
        title: found.title,
        advisory_modified: found.advisory_modified,
        ..v1::Finding::default()
    };
    wire.set_severity(severity(found.severity));
    let (state, fixed) = fix(found.fix);
    wire.set_fix_state(state);
    wire.fixed_version = fixed;
    wire
}

const fn severity(severity: assess::Severity) -> v1::Severity {
    match severity {
        assess::Severity::Unknown => v1::Severity::Unspecified,
        assess::Severity::Negligible => v1::Severity::Negligible,
        assess::Severity::Low => v1::Severity::Low,
        assess::Severity::Medium => v1::Severity::Medium,
        assess::Severity::High => v1::Severity::High,
        assess::Severity::Critical => v1::Severity::Critical,
    }
}

fn fix(state: assess::FixState) -> (v1::FixState, String) {
    match state {
        assess::FixState::Fixed(version) => (v1::FixState::Fixed, version),
        assess::FixState::NotFixed => (v1::FixState::NotFixed, String::new()),
        assess::FixState::WillNotFix => (v1::FixState::WillNotFix, String::new()),
        assess::FixState::Deferred => (v1::FixState::Deferred, String::new()),
        assess::FixState::UnderInvestigation => (v1::FixState::UnderInvestigation, String::new()),
        assess::FixState::EndOfLife => (v1::FixState::EndOfLife, String::new()),
    }
}

#[cfg(test)]
mod tests;
