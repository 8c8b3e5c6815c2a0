//! Reports back from Strata's own JSON document: what is submitted, what is compared, and what tests of policies are written
//! on. What the format writes is read whole; a document that was written by hand may leave out what policies do not look at.

use std::collections::BTreeMap;

use serde::Deserialize;
use strata_proto::v1::{
    AttachedDocument, Distribution, Finding, FixState, Layer, Package, Platform, Problem, Property, Report,
    RunSettings, Severity,
};

/// The schema of documents that are understood.
const SCHEMA: u32 = 1;

/// A document that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadDocument {
    /// Not a document of ours.
    #[error("it is not a document of `strata scan -f json`: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by another version.
    #[error("its schema is {0}, and {SCHEMA} is understood")]
    Schema(u32),
    /// Not exactly one image.
    #[error("it holds {0} images, and one is wanted")]
    Images(usize),
    /// A name that is not known.
    #[error("finding {0}: `{1}` is not a {2}")]
    Name(String, String, &'static str),
}

#[derive(Deserialize)]
struct Document {
    schema: u32,
    images: Vec<Image>,
    #[serde(default)]
    hidden_findings: u64,
}

#[derive(Deserialize)]
struct Image {
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    config: String,
    #[serde(default)]
    platform: String,
    #[serde(default)]
    fingerprint: String,
    #[serde(default)]
    vex: Vec<Attached>,
    #[serde(default)]
    submitted_by: String,
    #[serde(default)]
    distribution: Option<Os>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    layers: Vec<JsonLayer>,
    packages: Vec<JsonPackage>,
    findings: Vec<JsonFinding>,
    #[serde(default)]
    problems: Vec<JsonProblem>,
    #[serde(default)]
    database: Database,
    #[serde(default)]
    run: Option<Run>,
}

#[derive(Default, Deserialize)]
struct Database {
    #[serde(default)]
    digest: String,
    #[serde(default)]
    modified: String,
}

#[derive(Deserialize)]
struct Attached {
    digest: String,
    manifest: String,
    statements: u64,
}

#[derive(Deserialize)]
struct Run {
    #[serde(default)]
    user: String,
    #[serde(default)]
    environment: Vec<String>,
}

#[derive(Deserialize)]
struct Os {
    id: String,
    version: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    extended_support: String,
    #[serde(default)]
    end_of_life: String,
    #[serde(default)]
    ended: bool,
}

#[derive(Deserialize)]
struct JsonLayer {
    #[serde(default)]
    digest: String,
    #[serde(default)]
    diff_id: String,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    uncompressed_size: u64,
    #[serde(default)]
    base: bool,
}

#[derive(Deserialize)]
struct JsonPackage {
    name: String,
    version: String,
    ecosystem: String,
    #[serde(default)]
    purl: String,
    #[serde(default)]
    file: String,
    #[serde(default)]
    layer: u32,
    #[serde(default)]
    source_name: String,
    #[serde(default)]
    source_version: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct JsonFinding {
    id: String,
    #[serde(default)]
    severity_source: String,
    #[serde(default)]
    cvss: Option<f64>,
    #[serde(default)]
    layer: u32,
    #[serde(default)]
    purl: String,
    #[serde(default)]
    ransomware: bool,
    #[serde(default)]
    risk: f64,
    #[serde(default)]
    title: String,
    #[serde(default)]
    advisory: String,
    #[serde(default)]
    aliases: Vec<String>,
    severity: String,
    package: String,
    installed_version: String,
    #[serde(default)]
    file: String,
    fix_state: String,
    #[serde(default)]
    fixed_version: String,
    #[serde(default)]
    epss: Option<f64>,
    #[serde(default)]
    known_exploited: bool,
    #[serde(default)]
    suppressed: String,
    #[serde(default)]
    advisory_modified: String,
}

#[derive(Deserialize)]
struct JsonProblem {
    code: String,
    message: String,
    #[serde(default)]
    file: String,
    #[serde(default)]
    layer_digest: String,
}

/// One image of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// Its report.
    pub report: Report,
    /// What it is called.
    pub references: Vec<String>,
}

/// The images of a document, and how many findings somebody asked to leave out of it.
///
/// # Errors
/// When it is another document, or names something that is not known.
pub fn read_all(text: &str) -> Result<(Vec<Read>, u64), BadDocument> {
    let Document { schema, images, hidden_findings } = serde_json::from_str(text)?;
    if schema != SCHEMA {
        return Err(BadDocument::Schema(schema));
    }
    let images = images.into_iter().map(image).collect::<Result<_, _>>()?;
    Ok((images, hidden_findings))
}

/// Whether findings are left out of a document.
#[must_use]
pub fn hides(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Hidden {
        #[serde(default)]
        hidden_findings: u64,
    }
    serde_json::from_str::<Hidden>(text).map_or(true, |document| document.hidden_findings > 0)
}

/// The report and the references of a document that holds one image.
///
/// # Errors
/// When it is another document, or names something that is not known.
pub fn read(text: &str) -> Result<(Report, Vec<String>), BadDocument> {
    let (images, _) = read_all(text)?;
    let count = images.len();
    let mut images = images.into_iter();
    match (images.next(), images.next()) {
        (Some(image), None) => Ok((image.report, image.references)),
        _ => Err(BadDocument::Images(count)),
    }
}

fn image(image: Image) -> Result<Read, BadDocument> {
    let findings = image.findings.into_iter().map(|found| finding(found, &image.packages));
    let findings = findings.collect::<Result<_, _>>()?;
    let report = Report {
        image_digest: image.digest,
        config_digest: image.config,
        platform: platform(&image.platform),
        distribution: image.distribution.map(|os| Distribution {
            id: os.id,
            version: os.version,
            title: os.title,
            end_of_life: os.end_of_life,
            extended_support: os.extended_support,
            ended: os.ended,
        }),
        layers: image.layers.into_iter().map(layer).collect(),
        packages: image.packages.into_iter().map(package).collect(),
        findings,
        problems: image.problems.into_iter().map(problem).collect(),
        fingerprint: image.fingerprint,
        database_digest: image.database.digest,
        database_modified: image.database.modified,
        labels: properties(image.labels),
        vex: image.vex.into_iter().map(attached).collect(),
        run: image.run.map(|run| RunSettings { user: run.user, environment: run.environment }),
        submitted_by: image.submitted_by,
    };
    Ok(Read { report, references: image.references })
}

fn platform(text: &str) -> Option<Platform> {
    let mut parts = text.splitn(3, '/').map(str::to_owned);
    let (os, architecture) = (parts.next()?, parts.next()?);
    Some(Platform { os, architecture, variant: parts.next().unwrap_or_default() })
}

fn properties(map: BTreeMap<String, String>) -> Vec<Property> {
    map.into_iter().map(|(key, value)| Property { key, value }).collect()
}

fn layer(layer: JsonLayer) -> Layer {
    Layer {
        digest: layer.digest,
        diff_id: layer.diff_id,
        created_by: layer.created_by,
        size: layer.size,
        uncompressed_size: layer.uncompressed_size,
        base: layer.base,
    }
}

fn problem(problem: JsonProblem) -> Problem {
    Problem { code: problem.code, message: problem.message, file: problem.file, layer: problem.layer_digest }
}

fn attached(found: Attached) -> AttachedDocument {
    AttachedDocument { digest: found.digest, manifest: found.manifest, statements: found.statements }
}

fn package(package: JsonPackage) -> Package {
    Package {
        name: package.name,
        version: package.version,
        purl: package.purl,
        ecosystem: package.ecosystem,
        source_name: package.source_name,
        source_version: package.source_version,
        architecture: package.architecture,
        file: package.file,
        layer: package.layer,
        properties: properties(package.properties),
    }
}

/// A whole number out of one that is written as a fraction of it, within bounds.
fn whole(value: f64, scale: f64, most: u32) -> u32 {
    format!("{:.0}", (value * scale).clamp(0.0, f64::from(most))).parse().unwrap_or_default()
}

fn finding(found: JsonFinding, packages: &[JsonPackage]) -> Result<Finding, BadDocument> {
    let bad = |name: &str, what| BadDocument::Name(found.id.clone(), name.to_owned(), what);
    let severity = Severity::parse(&found.severity).ok_or_else(|| bad(&found.severity, "severity"))?;
    let fix_state = match found.fix_state.as_str() {
        "unknown" => FixState::Unspecified,
        "fixed" => FixState::Fixed,
        "not-fixed" => FixState::NotFixed,
        "will-not-fix" => FixState::WillNotFix,
        "deferred" => FixState::Deferred,
        "under-investigation" => FixState::UnderInvestigation,
        "end-of-life" => FixState::EndOfLife,
        other => return Err(bad(other, "fix state")),
    };
    let named = |package: &&JsonPackage| {
        package.name == found.package
            && package.version == found.installed_version
            && package.file == found.file
    };
    let exact =
        |package: &JsonPackage| named(&package) && package.layer == found.layer && package.purl == found.purl;
    let place =
        packages.iter().position(exact).or_else(|| packages.iter().position(|package| named(&package)));
    let place = place.and_then(|place| u32::try_from(place).ok());
    Ok(Finding {
        package: place.ok_or_else(|| bad(&found.package, "package of the image"))?,
        severity: severity.into(),
        severity_source: found.severity_source,
        cvss_tenths: whole(found.cvss.unwrap_or_default(), 10.0, 100),
        fix_state: fix_state.into(),
        epss_millionths: whole(found.epss.unwrap_or_default(), 1_000_000.0, 1_000_000),
        risk_millionths: whole(found.risk, 10_000.0, 1_000_000),
        id: found.id,
        advisory: found.advisory,
        aliases: found.aliases,
        fixed_version: found.fixed_version,
        known_exploited: found.known_exploited,
        ransomware: found.ransomware,
        suppressed: found.suppressed,
        advisory_modified: found.advisory_modified,
        title: found.title,
    })
}
