//! Submitting reports that were made here: of archives, or before an image is pushed.

use std::{io::Write as _, time::Duration};

use strata_client::{Client, RetryPolicy};
use strata_proto::v1::{Report, SourceContext, SubmitReportRequest, SubmittedVerdict};
use strata_worker::source::archive::name::{self, ArchiveName};

use crate::{
    exit::{self, Failure},
    policy::Status,
    results::Results,
    text::plain,
};

/// How long a server that is away is waited for: some five seconds.
pub(crate) const RETRY: RetryPolicy =
    RetryPolicy { attempts: 5, shortest: Duration::from_millis(200), longest: Duration::from_secs(2) };
/// Most names that a server takes, and most lines of a verdict.
const MOST: usize = 100;

/// One report to submit.
pub struct Item {
    /// The report as it was made: nothing left out.
    pub report: Report,
    /// What the image is called here: references, or archives with their schemes.
    pub names: Vec<String>,
}

/// What all reports of a run share.
#[derive(Default)]
pub struct Terms {
    /// References that the image is to be pushed to.
    pub push_refs: Vec<String>,
    /// Where it was built from.
    pub source: Option<SourceContext>,
    /// How it was judged.
    pub verdict: Option<SubmittedVerdict>,
}

/// Submits reports, each with a line on stderr.
///
/// # Errors
/// With exit code 4: the first that is refused, or for which no server could be reached for some seconds.
pub async fn submit(client: Client, items: Vec<Item>, terms: &Terms) -> Result<(), Failure> {
    let mut client = client.with_call_retry(RETRY);
    for item in items {
        let (names, references) = names(&item.names);
        let request = SubmitReportRequest {
            report: Some(item.report),
            references: terms.push_refs.iter().cloned().chain(references).take(MOST).collect(),
            names,
            source: terms.source.clone(),
            verdict: terms.verdict.clone(),
        };
        let answer = client.submit_report(request).await.map_err(|error| {
            let failure = Failure::from(error);
            Failure { code: exit::NOT_SUBMITTED, ..failure }
        })?;
        let known = match (answer.repeated, answer.known) {
            (true, _) => " (the same submission was there before)",
            (false, true) => " (the same report was there before)",
            (false, false) => "",
        };
        say(&format!("submitted report {}{known}", plain(&answer.report_id)));
        for digest in &answer.bound_digests {
            say(&format!("  pushed as {}", plain(digest)));
        }
    }
    Ok(())
}

/// How a run ended, for whoever looks at the report later.
#[must_use]
pub fn verdict(code: u8, results: &Results) -> SubmittedVerdict {
    let status = match (results.is_complete(), code) {
        (false, _) => "incomplete",
        (true, exit::PASSED) => "passed",
        (true, _) => "failed",
    };
    let mut reasons = Vec::new();
    for verdict in results.seen.judged.iter().flat_map(|judged| &judged.verdicts) {
        for rule in verdict.rules.iter().filter(|rule| rule.status == Status::Fail) {
            let mut failures = rule.failures.iter().filter(|hit| hit.action == Some(Status::Fail));
            let what = failures.next().map(|hit| hit.message.as_str()).unwrap_or_default();
            let more = match failures.count() {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            let line = format!("policy {}, rule {}: {what}{more}", verdict.policy, rule.id);
            reasons.push(line.chars().filter(|c| *c != '\0').take(250).collect());
        }
    }
    reasons.truncate(MOST);
    SubmittedVerdict { status: status.to_owned(), exit_code: u32::from(code), reasons }
}

/// Names of archives without the directories of this machine, and references.
fn names(all: &[String]) -> (Vec<String>, Vec<String>) {
    let (archives, references): (Vec<&String>, Vec<&String>) =
        all.iter().partition(|name| name::scheme(name).is_some());
    (
        archives.into_iter().map(|name| without_directories(name)).take(MOST).collect(),
        references.into_iter().cloned().collect(),
    )
}

/// `docker-archive:/builds/x/image.tar:app` is `docker-archive:image.tar:app`.
fn without_directories(text: &str) -> String {
    let Some((kind, rest)) = name::scheme(text).filter(|(kind, _)| !kind.is_named()) else {
        return text.to_owned();
    };
    let path =
        ArchiveName::parse(text).map_or_else(|_| rest.to_owned(), |name| name.path.display().to_string());
    let tail = rest.strip_prefix(&path).unwrap_or_default();
    let file = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let shown: String = format!("{file}{tail}").chars().filter(|c| !c.is_control()).take(250).collect();
    format!("{}{shown}", kind.scheme())
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The coordinator and the workers import nothing of each other: what these read, that one must take.
    #[test]
    fn a_scan_takes_every_kind_of_archive_that_is_read() {
        let mut read = name::Kind::ALL.map(name::Kind::scheme);
        let mut taken = strata_coordinator::handle::ARCHIVES;
        read.sort_unstable();
        taken.sort_unstable();
        assert_eq!(read, taken);
    }

    #[test]
    fn no_directory_of_this_machine_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("a:b.tar");
        std::fs::write(&file, "").expect("a file");
        let file = file.display();
        for (given, told) in [
            (format!("docker-archive:{file}"), "docker-archive:a:b.tar"),
            (format!("docker-archive:{file}:r.example/app:1"), "docker-archive:a:b.tar:r.example/app:1"),
            (format!("oci:{file}@1"), "oci:a:b.tar@1"),
            ("oci:/builds/gone/layout".to_owned(), "oci:layout"),
            ("containerd:docker.io/library/app:1".to_owned(), "containerd:docker.io/library/app:1"),
        ] {
            assert_eq!(without_directories(&given), told);
        }
        let all = ["oci:/a/b".to_owned(), "r.example/app:1".to_owned()];
        assert_eq!(names(&all), (vec!["oci:b".to_owned()], vec!["r.example/app:1".to_owned()]));
    }
}
