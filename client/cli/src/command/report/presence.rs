//! Whether the images of reports are still in their registries. Only a registry that says that it does not have an image makes
//! it gone: whoever does not answer, or lets nobody in, says nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use serde::Serialize;
use strata_proto::v1::{ReportSummary, SourceOptions};
use strata_worker::{ports::Images as _, source::Sources};

use crate::{age::Moment, exit::Failure, row, settings::Settings, text::plain, wiring};

/// Images asked for at a time.
const AT_ONCE: usize = 8;
/// What a registry that does not have an image is told by.
const NOT_FOUND: &str = "not-found";

/// What registries say of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Presence {
    /// `there`, `gone` or `unknown`.
    pub(crate) state: &'static str,
    /// When they were asked, RFC 3339.
    checked: String,
    /// Why it is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
}

impl Presence {
    /// For a table.
    pub(crate) fn told(&self) -> String {
        match self.state {
            "gone" => format!("image gone, asked {}", self.checked),
            "there" => "there".to_owned(),
            other => format!("{other}: {}", plain(&self.reason)),
        }
    }
}

/// What the registries say of the images of reports, by the reports' ids.
///
/// # Errors
/// When the registries' settings do not make sense.
pub(crate) async fn of(
    reports: &[ReportSummary],
    insecure: bool,
    settings: &Settings,
) -> Result<BTreeMap<String, Presence>, Failure> {
    let sources = wiring::sources(settings, false)?;
    let options = SourceOptions { insecure };
    let checked = Moment::now().text();
    let asked = futures::stream::iter(reports).map(|report| {
        let (sources, checked) = (&sources, &checked);
        async move {
            let mut answers = Vec::new();
            for place in places(report) {
                answers.push(ask(sources, &place, &options).await);
                if matches!(answers.last(), Some(Ok(true))) {
                    break;
                }
            }
            (report.report_id.clone(), judge(&answers, checked.clone()))
        }
    });
    Ok(asked.buffer_unordered(AT_ONCE).collect().await)
}

/// Where an image may be: in each repository that it was found in, under its digest.
fn places(report: &ReportSummary) -> BTreeSet<String> {
    let digests: Vec<&String> = std::iter::once(&report.image_digest)
        .chain(&report.bound_digests)
        .filter(|digest| !digest.is_empty())
        .collect();
    let of_registry =
        |name: &&String| row::file(name).is_none() && row::registry_name(name) == Some(name.as_str());
    let repositories: BTreeSet<String> =
        report.references.iter().filter(of_registry).map(|name| row::repository_of(name)).collect();
    repositories
        .iter()
        .flat_map(|name| digests.iter().map(move |digest| format!("{name}@{digest}")))
        .collect()
}

/// Whether the registry has it; or why that is not known.
async fn ask(sources: &Sources, place: &str, options: &SourceOptions) -> Result<bool, String> {
    match sources.digest(place, options).await {
        Ok(Some(_)) => Ok(true),
        Ok(None) => Err(format!("the registry of {place} answers no HEAD requests")),
        Err(error) if error.code == NOT_FOUND => Ok(false),
        Err(error) => Err(error.message),
    }
}

fn judge(answers: &[Result<bool, String>], checked: String) -> Presence {
    let unknown = answers.iter().find_map(|answer| answer.as_ref().err());
    let (state, reason) = match unknown {
        _ if answers.contains(&Ok(true)) => ("there", String::new()),
        Some(reason) => ("unknown", reason.clone()),
        None if answers.is_empty() => ("unknown", "no registry is known to have had it".to_owned()),
        None => ("gone", String::new()),
    };
    Presence { state, checked, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_every_registry_denies_is_gone() {
        let failed = || Err("no answer".to_owned());
        for (answers, state) in [
            (vec![Ok(false)], "gone"),
            (vec![Ok(false), Ok(false)], "gone"),
            (vec![Ok(false), Ok(true)], "there"),
            (vec![failed(), Ok(true)], "there"),
            (vec![Ok(false), failed()], "unknown"),
            (vec![failed()], "unknown"),
            (vec![], "unknown"),
        ] {
            assert_eq!(judge(&answers, String::new()).state, state, "{answers:?}");
        }
    }

    #[test]
    fn an_image_may_be_in_each_of_its_repositories() {
        let text = |text: &str| text.to_owned();
        let report = ReportSummary {
            image_digest: text("sha256:1"),
            bound_digests: vec![text("sha256:2")],
            references: vec![
                text("r.example/a:1"),
                text("r.example/a:2"),
                text("docker-archive:/x.tar:r.example/b:1"),
                text("docker-daemon:c:1"),
            ],
            ..ReportSummary::default()
        };
        let places: Vec<String> = places(&report).into_iter().collect();
        assert_eq!(places, ["r.example/a@sha256:1", "r.example/a@sha256:2"]);
        assert!(super::places(&ReportSummary { references: Vec::new(), ..report }).is_empty());
    }
}
