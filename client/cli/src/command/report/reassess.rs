//! `strata report show --reassess`: what was known then, and what is known now.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use strata_proto::v1::{ImageReported, Report, Severity};

use super::{accepted, names, show};
use crate::{
    age::Moment,
    args::{ArchiveArgs, OutputArgs},
    chosen,
    command::diff::print,
    diff::{self, Diff, Form, Image},
    embedded::{Config, Embedded},
    exit::Failure,
    follow,
    gate::Seen,
    output,
    settings::Settings,
};

pub(super) async fn run(
    id: &str,
    db: Option<&PathBuf>,
    archive: &ArchiveArgs,
    args: &OutputArgs,
    settings: &Settings,
) -> Result<ExitCode, Failure> {
    let (form, files) = forms(args)?;
    for (_, path) in &files {
        output::check_file(path)?;
    }
    crate::vex::no_attached(&args.vex)?;
    // Its formats are those of scans, and nothing is written in them here.
    let plain = OutputArgs { format: "table".to_owned(), output: Vec::new(), ..args.clone() };
    let mut output = follow::Output::new(&plain, false)?;
    let then = show(id, archive, settings).await?;
    accepted(archive, &mut output, settings).await?;
    let references = names(id, archive, settings).await?;
    let chosen = chosen::choose(db, archive, settings).await?;
    let config = Config::local(settings, chosen.path.as_ref(), archive.cache_dir.as_ref());
    let here = Embedded::start(config).await?;
    let again = here.again(&then).await;
    here.close().await;
    let again = again?;
    let judged = |report: Report, seen: &mut Seen| {
        let mut reported = ImageReported {
            references: references.clone(),
            database_modified: report.database_modified.clone(),
            report: Some(report),
            ..ImageReported::default()
        };
        output.judge(&mut reported, seen);
        reported.report.unwrap_or_default()
    };
    let mut notes = notes(&then, &again.report, again.whole);
    notes.push(by(&again.report, chosen.whose));
    let name = references.first().unwrap_or(&then.image_digest).clone();
    let name = if name.is_empty() { id.to_owned() } else { name };
    let image = |word: &str, report: Report, report_id: &str| Image {
        name: format!("{name} {word}, by the advisories of {}", report.database_modified),
        report_id: report_id.to_owned(),
        report,
    };
    let mut seen = Seen::default();
    // The moment is today's: what is too old now need not have been so then.
    let mut then = judged(then, &mut Seen::default());
    then.problems.retain(|problem| problem.code != crate::age::OLD);
    let before = image("then", then, id);
    let after = image("now", judged(again.report, &mut seen), "");
    let mut diff = Diff::new(&before, &after);
    notes.append(&mut diff.notes);
    diff.notes = notes;
    for (form, path) in &files {
        output::write_file(path, &mut |out| diff::write(&diff, *form, out))?;
    }
    if let Some(form) = form {
        print(&mut |out| diff::write(&diff, form, out))?;
    }
    output.gate.explain(&seen);
    let problems = u64::try_from(after.report.problems.len()).unwrap_or(u64::MAX);
    Ok(ExitCode::from(output.gate.code(worst(&after.report), problems, &seen, None)))
}

fn worst(report: &Report) -> Option<Severity> {
    let open = report.findings.iter().filter(|finding| finding.suppressed.is_empty());
    open.map(strata_proto::v1::Finding::severity).max_by_key(|severity| *severity as i32)
}

/// By which database it is known now.
fn by(now: &Report, whose: &str) -> String {
    format!("now: by the advisory database {} of {}, {whose}", now.database_digest, now.database_modified)
}

/// What somebody must know who reads the comparison.
fn notes(then: &Report, now: &Report, whole: bool) -> Vec<String> {
    let mut notes = vec![
        "both are the same image: what is introduced has become known since, what is fixed is said no longer"
            .to_owned(),
    ];
    if then.database_digest == now.database_digest {
        notes.push("the database is that of the report: nothing newer was asked".to_owned());
    } else if is_older(&now.database_modified, &then.database_modified) {
        notes.push("the database is older than that of the report".to_owned());
    }
    if !whole {
        notes.push(
            "the packages that the report lists were assessed: the analyses of the image's layers are not at hand, and with them \
             the repositories and content sets that some advisories depend on"
                .to_owned(),
        );
    }
    if !then.vex.is_empty() {
        notes.push("what documents attached to the image suppressed then is suppressed now; they were not read again".to_owned());
    }
    notes
}

/// Dates that cannot be read are not older.
fn is_older(date: &str, other: &str) -> bool {
    let moments = Moment::parse(date).zip(Moment::parse(other));
    moments.is_some_and(|(date, other)| date.unix_ms() < other.unix_ms())
}

/// What goes to stdout, and what to files.
type Forms = (Option<Form>, Vec<(Form, PathBuf)>);

/// The formats of a comparison, as the options of a scan name them.
fn forms(args: &OutputArgs) -> Result<Forms, Failure> {
    let form = |name: &str| {
        <Form as clap::ValueEnum>::from_str(name, false).map_err(|_| {
            Failure::usage(format!("`{name}` is no format of --reassess"))
                .hint("formats: table, json, markdown")
        })
    };
    let chosen = form(&args.format)?;
    let (mut stdout, mut files) = (Some(chosen), Vec::new());
    for output in &args.output {
        let text = output.to_string_lossy();
        match text.split_once('=') {
            Some((name, path)) => files.push((form(name)?, Path::new(path).to_owned())),
            None => {
                stdout = None;
                files.push((chosen, output.clone()));
            }
        }
    }
    Ok((stdout, files))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(digest: &str, modified: &str) -> Report {
        Report {
            database_digest: digest.to_owned(),
            database_modified: modified.to_owned(),
            ..Report::default()
        }
    }

    #[test]
    fn notes_say_what_limits_the_comparison() {
        let then = report("sha256:1", "2026-11-02T00:00:00Z");
        for (now, whole, says, count) in [
            (report("sha256:2", "2026-11-03T00:00:00Z"), true, "become known since", 1),
            (report("sha256:1", "2026-11-02T00:00:00Z"), true, "nothing newer", 2),
            (report("sha256:2", "2026-11-01T00:00:00Z"), true, "older than", 2),
            (report("sha256:2", "2026-11-03T00:00:00Z"), false, "the packages that the report lists", 2),
        ] {
            let notes = notes(&then, &now, whole);
            assert_eq!(notes.len(), count, "{notes:?}");
            assert!(notes.last().is_some_and(|note| note.contains(says)), "{notes:?}");
        }
    }
}
