//! `vuln`: findings that the image must not have. What is not known never lets a finding pass, unless the rule says
//! `unknown: pass`; a finding without a rating is below every severity, as for `--fail-on`.

use strata_proto::v1::{Finding, FixState, Package, Report, Severity};
use time::Duration;

use super::{Check, Facts, Hit, Kind, yaml};
use crate::row;

/// The row.
pub(super) const KIND: Kind = Kind { name: "vuln", about: "no finding like this", read };

const FIELDS: &[&str] = &[
    "severity_at_least",
    "fixable",
    "fix_age_days",
    "kev",
    "epss_at_least",
    "package_types",
    "in_base",
    "ids",
    "unknown",
];

/// Which findings are meant; each part must hold.
#[derive(Debug, Clone, Default)]
struct Filter {
    severity: Option<Severity>,
    fixable: Option<bool>,
    fix_age: Option<Duration>,
    kev: Option<bool>,
    /// In millionths.
    epss: Option<u32>,
    types: Vec<String>,
    in_base: Option<bool>,
    ids: Vec<String>,
    unknown_passes: bool,
}

fn read(node: &yaml::Node) -> Result<Check, yaml::Error> {
    let fields = node.fields("`vuln`", FIELDS)?;
    let severity = fields.get("severity_at_least").map(severity).transpose()?;
    let fix_age = fields.get("fix_age_days").map(days).transpose()?;
    let epss = fields.get("epss_at_least").map(probability).transpose()?;
    let unknown_passes = match fields.get("unknown") {
        None => false,
        Some(node) => match node.text("`unknown`")? {
            "count" => false,
            "pass" => true,
            other => return Err(node.wrong(format!("`{other}` is neither `count` nor `pass`"))),
        },
    };
    let fixable = fields.choice("fixable")?;
    if let (Some(node), Some(false)) = (fields.get("fix_age_days"), fixable) {
        return Err(node.wrong("a finding that has no fix has no fix's age"));
    }
    let filter = Filter {
        severity,
        // The age of a fix is asked for where there is one only.
        fixable: fixable.or_else(|| fix_age.map(|_| true)),
        fix_age,
        kev: fields.choice("kev")?,
        epss,
        types: fields.get("package_types").map_or(Ok(Vec::new()), types)?,
        in_base: fields.choice("in_base")?,
        ids: fields.texts("ids")?,
        unknown_passes,
    };
    Ok(Box::new(move |facts| check(&filter, facts)))
}

fn check(filter: &Filter, facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (finding, package) in facts.findings() {
        let Some(unknown) = matches(filter, facts, finding, package) else { continue };
        if filter.unknown_passes && !unknown.is_empty() {
            continue;
        }
        hits.push(Hit::of(finding, package, message(finding, package, &unknown)));
    }
    hits
}

/// `None` when a finding is not meant; else what is not known of it, which may be nothing.
fn matches(
    filter: &Filter,
    facts: &Facts<'_>,
    finding: &Finding,
    package: Option<&Package>,
) -> Option<Vec<&'static str>> {
    let fixed = finding.fix_state() == FixState::Fixed;
    let named = |id: &String| {
        let ids = std::iter::once(&finding.id).chain([&finding.advisory]).chain(&finding.aliases);
        ids.into_iter().any(|known| known.eq_ignore_ascii_case(id))
    };
    let meant = filter.severity.is_none_or(|least| finding.severity() as i32 >= least as i32)
        && filter.fixable.is_none_or(|wanted| wanted == fixed)
        && filter.kev.is_none_or(|wanted| wanted == finding.known_exploited)
        && (filter.types.is_empty() || filter.types.iter().any(|kind| is_of(package, kind)))
        && (filter.ids.is_empty() || filter.ids.iter().any(named));
    if !meant {
        return None;
    }
    let mut unknown = Vec::new();
    if let Some(least) = filter.fix_age {
        match facts.now.since(&finding.advisory_modified) {
            Some(age) if age < least => return None,
            Some(_) => {}
            None => unknown.push("the fix's age"),
        }
    }
    if let Some(least) = filter.epss {
        match finding.epss_millionths {
            0 => unknown.push("EPSS"),
            epss if epss < least => return None,
            _ => {}
        }
    }
    if let Some(wanted) = filter.in_base {
        match in_base(facts.report, package) {
            Some(found) if found != wanted => return None,
            Some(_) => {}
            None => unknown.push("which layers are the base image's"),
        }
    }
    Some(unknown)
}

/// Types of package URLs that name rows of other names.
const TYPES: &[&str] = &[
    "deb",
    "rpm",
    "apk",
    "alpm",
    "npm",
    "pypi",
    "maven",
    "golang",
    "cargo",
    "gem",
    "composer",
    "nuget",
    "conda",
    "cran",
    "hex",
    "pub",
    "swift",
    "bitnami",
    "generic",
    "julia",
    "luarocks",
    "wordpress",
];
/// Packages of the distribution, and all others.
const GROUPS: [&str; 2] = ["os", "library"];

/// Names of package types: as reports and package URLs have them, and of the two groups. One that nothing has would let
/// everything pass.
fn types(node: &yaml::Node) -> Result<Vec<String>, yaml::Error> {
    let mut types = Vec::new();
    for item in node.list("`package_types`")? {
        let name = item.text("a package type")?;
        let known = GROUPS.iter().chain(TYPES).any(|known| *known == name)
            || strata_analysis::ecosystem::by_name(name).is_some();
        if !known {
            let names: Vec<&str> = strata_analysis::ecosystem::TABLE.iter().map(|row| row.name).collect();
            return Err(item.wrong(format!(
                "`{name}` is not a package type; types: {}; those of package URLs; {}",
                GROUPS.join(", "),
                names.join(", ")
            )));
        }
        types.push(name.to_owned());
    }
    Ok(types)
}

/// Whether a package is of a type; one that is not known is of every type.
fn is_of(package: Option<&Package>, wanted: &str) -> bool {
    let Some(package) = package else { return true };
    match wanted {
        "os" => row::is_of_system(package),
        "library" => !row::is_of_system(package),
        name => {
            let of_url = package.purl.strip_prefix("pkg:").and_then(|rest| rest.split('/').next());
            package.ecosystem == name || of_url == Some(name)
        }
    }
}

/// Whether the package came with the base image; `None` where no layer is known to be the base's.
fn in_base(report: &Report, package: Option<&Package>) -> Option<bool> {
    if !report.layers.iter().any(|layer| layer.base) {
        return None;
    }
    let index = usize::try_from(package?.layer).ok()?;
    report.layers.get(index).map(|layer| layer.base)
}

fn message(finding: &Finding, package: Option<&Package>, unknown: &[&str]) -> String {
    let (name, version) = package.map_or(("?", "?"), |package| (&*package.name, &*package.version));
    let fix = match finding.fix_state() {
        FixState::Fixed => format!("fixed in {}", finding.fixed_version),
        _ => "no fix".to_owned(),
    };
    let mut text = format!("{} {} in {name} {version}, {fix}", finding.severity().name(), finding.id);
    if finding.known_exploited {
        text.push_str(", known to be exploited");
    }
    if !unknown.is_empty() {
        text.push_str(&format!(" (not known: {})", unknown.join(", ")));
    }
    text
}

fn severity(node: &yaml::Node) -> Result<Severity, yaml::Error> {
    let text = node.text("a severity")?;
    Severity::parse(text).ok_or_else(|| {
        let names: Vec<String> =
            Severity::WORST_FIRST.iter().map(|severity| severity.name().to_ascii_lowercase()).collect();
        node.wrong(format!("`{text}` is not a severity; severities: {}", names.join(", ")))
    })
}

fn days(node: &yaml::Node) -> Result<Duration, yaml::Error> {
    let days = node.number("`fix_age_days`")?;
    let days = i64::try_from(days).ok().filter(|days| *days <= 36_500);
    days.map(Duration::days).ok_or_else(|| node.wrong("`fix_age_days` is at most 36500"))
}

/// Millionths of a probability that is written as a decimal number.
fn probability(node: &yaml::Node) -> Result<u32, yaml::Error> {
    let wrong = || node.wrong("`epss_at_least` is a probability between 0 and 1");
    let text = node.text("`epss_at_least`")?;
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = part.len() <= 6 && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let part = if digits { format!("{part:0<6}").parse::<u32>().ok() } else { None };
    match (whole, part) {
        ("0" | "", Some(part)) => Ok(part),
        ("1", Some(0)) => Ok(1_000_000),
        _ => Err(wrong()),
    }
}
