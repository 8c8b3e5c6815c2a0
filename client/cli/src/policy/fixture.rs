//! A report back from Strata's own JSON document: what tests of policies are written on, and what is compared. What nobody
//! looks at there (scores, titles) is not read.

use std::collections::BTreeMap;

use serde::Deserialize;
use strata_proto::v1::{
    Distribution, Finding, FixState, Layer, Package, Platform, Problem, Property, Report, RunSettings,
    Severity,
};

/// The schema of documents that are understood.
const SCHEMA: u32 = 1;

/// A document that is no fixture.
#[derive(Debug, thiserror::Error)]
pub enum BadFixture {
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
    end_of_life: String,
    #[serde(default)]
    ended: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonLayer {
    digest: String,
    diff_id: String,
    created_by: String,
    size: u64,
    uncompressed_size: u64,
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
}

#[derive(Deserialize)]
struct JsonFinding {
    id: String,
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
}

/// The report and the references of a document that holds one image.
///
/// # Errors
/// When it is another document, or names something that is not known.
pub fn read(text: &str) -> Result<(Report, Vec<String>), BadFixture> {
    let Document { schema, images } = serde_json::from_str(text)?;
    if schema != SCHEMA {
        return Err(BadFixture::Schema(schema));
    }
    let count = images.len();
    let mut images = images.into_iter();
    match (images.next(), images.next()) {
        (Some(image), None) => report(image),
        _ => Err(BadFixture::Images(count)),
    }
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

fn report(image: Image) -> Result<(Report, Vec<String>), BadFixture> {
    let findings = image.findings.into_iter().map(|found| finding(found, &image.packages));
    let findings = findings.collect::<Result<_, _>>()?;
    let report = Report {
        image_digest: image.digest,
        config_digest: image.config,
        platform: platform(&image.platform),
        fingerprint: image.fingerprint,
        database_digest: image.database.digest,
        distribution: image.distribution.map(|os| Distribution {
            id: os.id,
            version: os.version,
            end_of_life: os.end_of_life,
            ended: os.ended,
            ..Distribution::default()
        }),
        layers: image
            .layers
            .into_iter()
            .map(|layer| Layer {
                digest: layer.digest,
                diff_id: layer.diff_id,
                created_by: layer.created_by,
                size: layer.size,
                uncompressed_size: layer.uncompressed_size,
                base: layer.base,
            })
            .collect(),
        packages: image.packages.into_iter().map(package).collect(),
        findings,
        problems: image
            .problems
            .into_iter()
            .map(|problem| Problem { code: problem.code, message: problem.message, ..Problem::default() })
            .collect(),
        database_modified: image.database.modified,
        labels: image.labels.into_iter().map(|(key, value)| Property { key, value }).collect(),
        run: image.run.map(|run| RunSettings { user: run.user, environment: run.environment }),
        ..Report::default()
    };
    Ok((report, image.references))
}

/// `os/architecture[/variant]`.
fn platform(text: &str) -> Option<Platform> {
    let (os, rest) = text.split_once('/')?;
    let (architecture, variant) = rest.split_once('/').unwrap_or((rest, ""));
    Some(Platform { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.to_owned() })
}

fn package(package: JsonPackage) -> Package {
    Package {
        name: package.name,
        version: package.version,
        purl: package.purl,
        ecosystem: package.ecosystem,
        file: package.file,
        layer: package.layer,
        ..Package::default()
    }
}

fn finding(found: JsonFinding, packages: &[JsonPackage]) -> Result<Finding, BadFixture> {
    let bad = |name: &str, what| BadFixture::Name(found.id.clone(), name.to_owned(), what);
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
    let place = packages.iter().position(|package| {
        package.name == found.package
            && package.version == found.installed_version
            && package.file == found.file
    });
    let place = place.and_then(|place| u32::try_from(place).ok());
    let epss = found.epss.unwrap_or_default().clamp(0.0, 1.0) * 1_000_000.0;
    Ok(Finding {
        package: place.ok_or_else(|| bad(&found.package, "package of the image"))?,
        severity: severity.into(),
        fix_state: fix_state.into(),
        epss_millionths: format!("{epss:.0}").parse().unwrap_or_default(),
        id: found.id,
        advisory: found.advisory,
        aliases: found.aliases,
        fixed_version: found.fixed_version,
        known_exploited: found.known_exploited,
        suppressed: found.suppressed,
        advisory_modified: found.advisory_modified,
        ..Finding::default()
    })
}
