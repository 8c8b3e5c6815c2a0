//! Reports against the ground truth: every package, its file, its layer; the distribution.

use std::collections::{BTreeMap, BTreeSet};

use strata_client::v1::Report;
use strata_loadtest::content::{Expected, ExpectedImage};

/// Where reports are not what the plan says, one sentence for each image.
pub(crate) fn differences(expected: &Expected, reports: &[Report]) -> Vec<String> {
    let by_digest: BTreeMap<&str, &Report> =
        reports.iter().map(|report| (report.image_digest.as_str(), report)).collect();
    let mut wrong = Vec::new();
    for image in &expected.images {
        let name = format!("{}@{}", image.repository, image.digest);
        match by_digest.get(image.digest.to_string().as_str()) {
            None => wrong.push(format!("{name} has no report")),
            Some(report) => {
                wrong.extend(difference(image, report).map(|difference| format!("{name}: {difference}")))
            }
        }
    }
    let planned: BTreeSet<_> = expected.images.iter().map(|image| image.digest.to_string()).collect();
    let extra = by_digest.keys().filter(|digest| !planned.contains(**digest));
    wrong.extend(extra.map(|digest| format!("{digest} has a report and is not in the plan")));
    wrong
}

/// The most downloads of one layer; `None` when the plan has no layer.
pub(crate) fn most_downloads(expected: &Expected, downloads: &BTreeMap<String, u64>) -> Option<u64> {
    let layers = expected.images.iter().flat_map(|image| &image.layers);
    layers.map(|layer| downloads.get(&layer.to_string()).copied().unwrap_or_default()).max()
}

fn difference(image: &ExpectedImage, report: &Report) -> Option<String> {
    let layers: Vec<_> = image.layers.iter().map(ToString::to_string).collect();
    if !report.layers.iter().map(|layer| &layer.digest).eq(&layers) {
        return Some("its layers are others".to_owned());
    }
    let distribution = report.distribution.clone().unwrap_or_default();
    if (distribution.id.as_str(), distribution.version.as_str())
        != (image.distribution, image.distribution_version)
    {
        return Some(format!("its distribution is {} {}", distribution.id, distribution.version));
    }
    if let Some(problem) = report.problems.first() {
        return Some(format!("it has a problem: {}", problem.message));
    }
    let planned: BTreeSet<_> = image
        .packages
        .iter()
        .map(|package| {
            let layer = u32::try_from(package.layer).unwrap_or(u32::MAX);
            (package.file.as_str(), package.ecosystem, package.name.as_str(), package.version.as_str(), layer)
        })
        .collect();
    let found: BTreeSet<_> = report
        .packages
        .iter()
        .map(|p| (p.file.as_str(), p.ecosystem.as_str(), p.name.as_str(), p.version.as_str(), p.layer))
        .collect();
    let missing = planned.difference(&found).next().map(|package| format!("it lacks {package:?}"));
    missing
        .or_else(|| found.difference(&planned).next().map(|package| format!("it has {package:?} too much")))
        .or_else(|| (report.packages.len() != planned.len()).then(|| "it names a package twice".to_owned()))
}

#[cfg(test)]
mod tests {
    use strata_client::v1::{Distribution, Layer, Package};
    use strata_loadtest::content::{Arch, Plan, Synthetic};

    use super::*;

    fn expected() -> Expected {
        let plan = Plan { repositories: 1, tags_per_repository: 2, layer_bytes: 0, ..Plan::demo() };
        Synthetic::new(plan).expected(Arch::Amd64).unwrap()
    }

    /// The report that the plan calls for.
    fn report(image: &ExpectedImage) -> Report {
        let package = |package: &strata_loadtest::content::ExpectedPackage| Package {
            name: package.name.clone(),
            version: package.version.clone(),
            ecosystem: package.ecosystem.to_owned(),
            file: package.file.clone(),
            layer: u32::try_from(package.layer).unwrap(),
            ..Package::default()
        };
        let layer =
            |digest: &strata_proto::digest::Digest| Layer { digest: digest.to_string(), ..Layer::default() };
        Report {
            image_digest: image.digest.to_string(),
            distribution: Some(Distribution {
                id: image.distribution.to_owned(),
                version: image.distribution_version.to_owned(),
                ..Distribution::default()
            }),
            layers: image.layers.iter().map(layer).collect(),
            packages: image.packages.iter().map(package).collect(),
            ..Report::default()
        }
    }

    #[test]
    fn every_difference_is_found() {
        let expected = expected();
        let right = report(&expected.images[0]);
        assert_eq!(differences(&expected, std::slice::from_ref(&right)), Vec::<String>::new());
        type Change = fn(&mut Report);
        let changes: [(&str, Change); 7] = [
            ("it lacks", |report| drop(report.packages.pop())),
            ("it lacks", |report| report.packages[0].layer += 1),
            ("too much", |report| {
                let extra = Package { name: "extra".to_owned(), ..Package::default() };
                report.packages.push(extra);
            }),
            ("twice", |report| report.packages.push(report.packages[0].clone())),
            ("distribution", |report| report.distribution = None),
            ("layers", |report| report.layers.reverse()),
            ("has no report", |report| report.image_digest = "sha256:0".to_owned()),
        ];
        for (what, change) in changes {
            let mut wrong = right.clone();
            change(&mut wrong);
            let found = differences(&expected, &[wrong]);
            assert!(found.iter().any(|sentence| sentence.contains(what)), "{what}: {found:?}");
        }
    }

    #[test]
    fn only_layers_count_as_downloads() {
        let expected = expected();
        let layer = expected.images[0].layers[0].to_string();
        let downloads = BTreeMap::from([(layer, 2), ("sha256:other".to_owned(), 9)]);
        assert_eq!(most_downloads(&expected, &downloads), Some(2));
    }
}
