//! Reports for commands that compare: looked up by their ids, read from files, or made now.

use std::path::Path;

use futures::StreamExt as _;
use strata_proto::v1::{Lane, SubmitRequest, event::Kind};

use super::{report, scan};
use crate::{
    age,
    args::{ArchiveArgs, TargetArgs},
    backend::Backend,
    diff::Image,
    document,
    exit::Failure,
    gate,
    progress::Display,
    results::Results,
    settings::Settings,
};

/// Bytes of a report in a file.
const LARGEST: u64 = 1 << 30;

/// Where reports come from.
pub(super) struct Gather<'a> {
    target: &'a TargetArgs,
    archive: ArchiveArgs,
    settings: &'a Settings,
    backend: Option<Backend>,
}

/// What an argument names.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Report,
    Document,
    Reference,
}

fn named(text: &str) -> Named {
    let path = Path::new(text);
    let is_json = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        Named::Report
    } else if is_json && path.is_file() {
        Named::Document
    } else {
        Named::Reference
    }
}

impl<'a> Gather<'a> {
    pub(super) fn new(target: &'a TargetArgs, archive: ArchiveArgs, settings: &'a Settings) -> Self {
        Self { target, archive, settings, backend: None }
    }

    /// The reports of images, in the order of their names; all that must be scanned in one scan.
    pub(super) async fn images(&mut self, names: &[String]) -> Result<Vec<Image>, Failure> {
        let mut images: Vec<Option<Image>> = Vec::new();
        let (mut places, mut references) = (Vec::new(), Vec::new());
        for (place, name) in names.iter().enumerate() {
            let image = match named(name) {
                Named::Report => {
                    let report = report::show(name, &self.archive, self.settings).await?;
                    Some(Image { name: name.clone(), report_id: name.clone(), report })
                }
                Named::Document => Some(document(name)?),
                Named::Reference => None,
            };
            if image.is_none() {
                places.push(place);
                references.push(self.reference(name).await?);
            }
            images.push(image);
        }
        if !references.is_empty() {
            let results = self.scan(&references).await?;
            for (place, reference) in places.into_iter().zip(&references) {
                if let (Some(slot), Some(name)) = (images.get_mut(place), names.get(place)) {
                    *slot = Some(found(&results, reference, name)?);
                }
            }
        }
        images.into_iter().collect::<Option<_>>().ok_or_else(|| Failure::incomplete("an image has no report"))
    }

    /// The reports of images that are all scanned here and now.
    pub(super) async fn scanned(&mut self, names: &[String]) -> Result<Vec<Image>, Failure> {
        if let Some(name) = names.iter().find(|name| named(name) != Named::Reference) {
            return Err(Failure::usage(format!("failed to scan {name}: it is a report and no image")));
        }
        self.images(names).await
    }

    /// The one explicit reference of an argument.
    async fn reference(&mut self, name: &str) -> Result<String, Failure> {
        let backend = self.backend().await?;
        let mut all = scan::references(&[name.to_owned()], backend).await?;
        match (all.pop(), all.len()) {
            (Some(one), 0) => Ok(one),
            (Some(last), _) => Err(Failure::usage(format!("{name} holds several images, {last} among them"))
                .hint("choose one of them with its name or number behind the path")),
            (None, _) => Err(Failure::usage(format!("{name} holds no image"))),
        }
    }

    /// Where images are scanned.
    pub(super) async fn backend(&mut self) -> Result<&Backend, Failure> {
        if self.backend.is_none() {
            self.backend = Some(scan::backend(self.target, self.settings).await?);
        }
        self.backend.as_ref().ok_or_else(|| Failure::incomplete("there is nothing to scan with"))
    }

    /// Scans to the end, with progress on stderr. Ctrl-C cancels.
    async fn scan(&mut self, references: &[String]) -> Result<Results, Failure> {
        let request = SubmitRequest {
            images: references.to_vec(),
            platform: self.target.platform.clone(),
            lane: Lane::Interactive.into(),
            insecure: self.target.insecure,
            ..SubmitRequest::default()
        };
        let mut display = Display::new(self.settings);
        let backend = self.backend().await?;
        let scan = backend.submit(request).await?;
        let mut events = backend.watch(&scan, 0, true).await?;
        let mut results = Results::new(None);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = tokio::signal::ctrl_c() => {
                    backend.cancel(&scan).await?;
                    return Err(Failure::incomplete("stopped before the images were scanned"));
                }
            };
            let Some(event) = event else { break };
            let event = event?;
            if let Some(Kind::Progress(progress)) = &event.kind {
                display.update(progress);
            }
            results.take(event);
        }
        display.finish();
        Ok(results)
    }

    /// Ends what runs in this process.
    pub(super) async fn close(self) {
        if let Some(backend) = self.backend {
            backend.close().await;
        }
    }
}

/// The image that a reference came to in a scan, or why it has no report.
fn found(results: &Results, reference: &str, name: &str) -> Result<Image, Failure> {
    let images = results.images();
    if let Some(image) = images.into_iter().find(|image| image.references.iter().any(|one| one == reference))
    {
        return Ok(Image { name: name.to_owned(), report_id: image.report_id, report: image.report });
    }
    let has = |references: &[String]| references.iter().any(|one| one == reference);
    if let Some(failed) = results.failed.iter().find(|failed| has(&failed.references)) {
        return Err(Failure::incomplete(failed.message.clone()));
    }
    let skipped = results.skipped.iter().find(|skipped| has(&skipped.references));
    Err(match skipped {
        Some(skipped) => Failure::incomplete(format!("{name} is no image but {}", skipped.code)),
        None => Failure::incomplete(format!("the scan ended without a report of {name}")),
    })
}

/// A report as `-f json` writes it.
fn document(name: &str) -> Result<Image, Failure> {
    let failed = |reason: String| Failure::usage(format!("failed to read the report {name}: {reason}"));
    let text = gate::read_text(Path::new(name), LARGEST).map_err(failed)?;
    let (mut report, references) = document::read(&text).map_err(|error| failed(error.to_string()))?;
    if document::hides(&text) {
        return Err(failed("findings are left out of it".to_owned())
            .hint("write it without --severity and --ignore-unfixed"));
    }
    // The age belongs to the moment at which the document was written, and other reports have none.
    report.problems.retain(|problem| problem.code != age::OLD);
    let image = references.first().map_or_else(String::new, |first| format!(" ({first})"));
    Ok(Image { name: format!("{name}{image}"), report_id: String::new(), report })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_a_report_a_document_or_a_reference() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("a.JSON");
        std::fs::write(&file, "{}").expect("a file");
        let id = "0123456789abcdef".repeat(4);
        for (text, expected) in [
            (id.as_str(), Named::Report),
            (&id.to_uppercase(), Named::Reference),
            (&file.display().to_string(), Named::Document),
            ("missing.json", Named::Reference),
            ("alpine:3.20", Named::Reference),
            ("docker-archive:a.tar", Named::Reference),
        ] {
            assert_eq!(named(text), expected, "{text}");
        }
    }
}
