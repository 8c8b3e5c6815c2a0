//! A report of an earlier day against today's advisories. The image need not exist any more: the analyses of its layers are
//! taken where the cache has them, and else the packages that the report itself lists.

use std::collections::BTreeMap;

use bytes::Bytes;
use strata_analysis::{assess as verb, ecosystem, model};
use strata_proto::v1;

use crate::{
    advisories::DatabaseFile,
    compute,
    error::JobError,
    job::{Context, advise, assess},
};

/// A report, assessed again.
#[derive(Debug, Clone, PartialEq)]
pub struct Again {
    /// What would be reported now.
    pub report: v1::Report,
    /// Whether the analyses of the image's layers were at hand. Otherwise the report's own packages were assessed: then it is
    /// not known which repositories and content sets the image names, and notices that depend on them may be missing.
    pub whole: bool,
}

/// Assesses a report again with the newest database of the context. What suppressed a finding in the report still does.
///
/// # Errors
/// When there is no advisory database, or it cannot be read.
pub async fn again(context: &Context, old: &v1::Report) -> Result<Again, JobError> {
    let database = context.advisories.database("").await?.ok_or_else(|| assess::no_database(""))?;
    // Another analysis might find other packages: what is asked is what became known, not what is found better.
    let same = old.fingerprint == context.report_fingerprint();
    let packed: Option<Vec<Bytes>> = match same && !old.layers.is_empty() {
        true => advise::kept(context, old).await?.into_iter().collect(),
        false => None,
    };
    let (java, old) = (context.java_index.clone(), old.clone());
    let name = old.image_digest.clone();
    let work = move || {
        let facts = facts(&old);
        let whole = packed.is_some();
        let mut report = match packed {
            Some(packed) => {
                let inventories = advise::decoded(&packed)?;
                let fingerprint = old.fingerprint.clone();
                assess::assessed(
                    &facts,
                    &inventories.iter().collect::<Vec<_>>(),
                    &database,
                    java.as_deref(),
                    fingerprint,
                )?
                .0
            }
            None => from_packages(&old, &facts, &database)?,
        };
        keep(&old, &mut report);
        Ok(Again { report, whole })
    };
    compute::run(&name, work).await?
}

fn facts(old: &v1::Report) -> v1::ImageFacts {
    v1::ImageFacts {
        image_digest: old.image_digest.clone(),
        config_digest: old.config_digest.clone(),
        platform: old.platform.clone(),
        layers: old.layers.clone(),
        labels: old.labels.clone(),
        run: old.run.clone().map(Box::new),
        ..v1::ImageFacts::default()
    }
}

fn from_packages(
    old: &v1::Report,
    facts: &v1::ImageFacts,
    database: &DatabaseFile,
) -> Result<v1::Report, JobError> {
    let contents = contents(old);
    let view = database.view().map_err(|error| {
        JobError::later("database", format!("failed to read the advisory database: {error}"))
    })?;
    let assessment = verb::assess(&contents, &view);
    Ok(assess::report(facts, contents, assessment, database, old.fingerprint.clone()))
}

/// What a report says that its image contains.
fn contents(old: &v1::Report) -> model::Contents {
    let mut contents = model::Contents {
        distribution: old.distribution.as_ref().map(|found| model::Distribution {
            id: found.id.clone(),
            version: found.version.clone(),
            title: found.title.clone(),
            ..model::Distribution::default()
        }),
        ..model::Contents::default()
    };
    let mut unknown: BTreeMap<&str, u64> = BTreeMap::new();
    for package in &old.packages {
        match ecosystem::by_name(&package.ecosystem) {
            Some(row) => contents.packages.push(installed(package, row.name)),
            None => *unknown.entry(&package.ecosystem).or_default() += 1,
        }
    }
    let place = |digest: &str| old.layers.iter().position(|layer| layer.digest == digest);
    let lasting = old.problems.iter().filter(|problem| !verb::PROBLEMS.contains(&problem.code.as_str()));
    contents.problems.extend(lasting.map(|problem| {
        let found = model::Problem {
            code: problem.code.clone().into(),
            message: problem.message.clone(),
            file: problem.file.clone(),
        };
        (found, place(&problem.layer))
    }));
    contents.problems.extend(unknown.into_iter().map(|(name, count)| {
        let message =
            format!("this strata does not know the ecosystem `{name}`: {count} packages of it are left out");
        (model::Problem { code: "unknown-ecosystem".into(), message, file: String::new() }, None)
    }));
    contents
}

fn installed(package: &v1::Package, ecosystem: &'static str) -> model::Installed {
    let properties = package.properties.iter().map(|property| (property.key.clone(), property.value.clone()));
    model::Installed {
        package: model::Package {
            name: package.name.clone(),
            version: package.version.clone(),
            source_name: package.source_name.clone(),
            source_version: package.source_version.clone(),
            architecture: package.architecture.clone(),
            properties: properties.collect(),
        },
        ecosystem,
        purl: package.purl.clone(),
        file: package.file.clone(),
        layer: usize::try_from(package.layer).unwrap_or(usize::MAX),
    }
}

/// Where a finding is: ecosystem, name, version and file.
type Place<'r> = (&'r str, &'r str, &'r str, &'r str);

fn place<'r>(report: &'r v1::Report, finding: &v1::Finding) -> Option<Place<'r>> {
    let package = report.packages.get(usize::try_from(finding.package).ok()?)?;
    Some((&package.ecosystem, &package.name, &package.version, &package.file))
}

/// What only the earlier report knows: the documents that were attached to the image, and what they suppress.
fn keep(old: &v1::Report, report: &mut v1::Report) {
    report.vex.clone_from(&old.vex);
    report.submitted_by.clone_from(&old.submitted_by);
    let mut suppressed: BTreeMap<Place<'_>, Vec<&v1::Finding>> = BTreeMap::new();
    for finding in old.findings.iter().filter(|finding| !finding.suppressed.is_empty()) {
        if let Some(place) = place(old, finding) {
            suppressed.entry(place).or_default().push(finding);
        }
    }
    let marks: Vec<Option<String>> = report
        .findings
        .iter()
        .map(|now| {
            let before = suppressed.get(&place(report, now)?)?;
            before.iter().find(|then| is_same(then, now)).map(|then| then.suppressed.clone())
        })
        .collect();
    for (finding, mark) in report.findings.iter_mut().zip(marks) {
        if let Some(mark) = mark {
            finding.suppressed = mark;
        }
    }
}

/// Whether two findings on one package are of one flaw: one names the other's identifier.
fn is_same(then: &v1::Finding, now: &v1::Finding) -> bool {
    then.id == now.id || then.aliases.contains(&now.id) || now.aliases.contains(&then.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(package: u32, id: &str, aliases: &[&str], suppressed: &str) -> v1::Finding {
        v1::Finding {
            package,
            id: id.to_owned(),
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            suppressed: suppressed.to_owned(),
            ..v1::Finding::default()
        }
    }

    fn report(findings: Vec<v1::Finding>) -> v1::Report {
        let package = |ecosystem: &str, name: &str| v1::Package {
            ecosystem: ecosystem.to_owned(),
            name: name.to_owned(),
            version: "1".to_owned(),
            layer: 1,
            ..v1::Package::default()
        };
        let problem = |code: &str, layer: &str| v1::Problem {
            code: code.to_owned(),
            layer: layer.to_owned(),
            ..v1::Problem::default()
        };
        let layer = |digest: &str| v1::Layer { digest: digest.to_owned(), ..v1::Layer::default() };
        v1::Report {
            packages: vec![package("npm", "a"), package("future", "b"), package("npm", "c")],
            layers: vec![layer("sha256:1"), layer("sha256:2")],
            problems: vec![problem("malformed", "sha256:2"), problem("no-advisories", "")],
            findings,
            ..v1::Report::default()
        }
    }

    #[test]
    fn a_reports_packages_are_its_contents_and_what_is_unknown_is_said() {
        let contents = contents(&report(Vec::new()));
        let packages: Vec<(&str, usize)> =
            contents.packages.iter().map(|one| (one.package.name.as_str(), one.layer)).collect();
        assert_eq!(packages, [("a", 1), ("c", 1)]);
        let problems: Vec<(&str, Option<usize>)> =
            contents.problems.iter().map(|(problem, layer)| (&*problem.code, *layer)).collect();
        assert_eq!(
            problems,
            [("malformed", Some(1)), ("unknown-ecosystem", None)],
            "what only the old database lacked is not said again"
        );
    }

    #[test]
    fn what_was_suppressed_stays_so_under_any_of_its_names() {
        let old =
            report(vec![finding(0, "GHSA-1", &["CVE-1"], "not affected"), finding(2, "CVE-2", &[], "")]);
        let now = vec![
            finding(0, "CVE-1", &["GHSA-1"], ""),
            finding(0, "CVE-3", &[], ""),
            finding(2, "CVE-2", &[], ""),
            finding(2, "CVE-1", &[], ""),
        ];
        let mut now = report(now);
        keep(&old, &mut now);
        let marks: Vec<&str> = now.findings.iter().map(|finding| finding.suppressed.as_str()).collect();
        assert_eq!(marks, ["not affected", "", "", ""]);
    }
}
