//! `strata db diff OLD NEW --archive`: which archived images the difference between two databases concerns. They are written as
//! they come: an archive may have a million.

use std::io::{BufWriter, Write};

use serde::Serialize;
use strata_coordinator::{access::sight::Sight, touched};
use strata_proto::v1::{FindTouchedRequest, FindTouchedResponse, TouchedImage};
use strata_worker::advisories::DatabaseFile;

use super::report::Source;
use crate::{args::DbDiffArgs, exit::Failure, output::goes_on, settings::Settings, text::plain};

/// Digits of a report's id.
const ID: usize = 64;

/// Walks over the archive and tells what it finds.
///
/// # Errors
/// When a database is damaged, the archive cannot be read, or the results cannot be written.
pub(super) async fn run(
    (old, new): (&DatabaseFile, &DatabaseFile),
    args: &DbDiffArgs,
    settings: &Settings,
) -> Result<(), Failure> {
    let mut request = difference(old, new)?;
    touched::check(&request).map_err(|reason| {
        Failure::usage(format!("failed to compare the databases with the archive: {reason}"))
    })?;
    let mut source = Source::open(&args.place, settings).await?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut told = Told::default();
    let keys = request.changed.len();
    let form = match args.format.as_str() {
        "json" => Form::Json,
        _ => Form::Table,
    };
    if !goes_on(form.begin((old, new), keys, &mut out))? {
        return Ok(());
    }
    loop {
        let answer: FindTouchedResponse = match &mut source {
            Source::Server(server) => server.find_touched(request.clone()).await?,
            Source::Machine(local) => touched::step(&*local, &request, &Sight::default())
                .await
                .map_err(|error| Failure::incomplete(error.to_string()))?,
        };
        for image in &answer.images {
            if !goes_on(form.image(image, told.named() == 0, &mut out))? {
                return Ok(());
            }
            told.count(image);
        }
        told.untouched += answer.untouched;
        if !goes_on(out.flush())? {
            return Ok(());
        }
        match answer.next {
            0 => break,
            next if request.before == 0 || next < request.before => request.before = next,
            next => {
                return Err(Failure::incomplete(format!(
                    "failed to go through the archive: after report {} it names {next} as the next",
                    request.before
                )));
            }
        }
    }
    goes_on(form.end(&told, &mut out).and_then(|()| out.flush())).map(drop)
}

/// The keys under which the two say something else.
fn difference(old: &DatabaseFile, new: &DatabaseFile) -> Result<FindTouchedRequest, Failure> {
    let outline = |file| super::outline(file).map_err(Failure::incomplete);
    let (old, new) = (outline(old)?, outline(new)?);
    let changed = old
        .changes(&new)
        .ok_or_else(|| Failure::incomplete("the databases were outlined in different ways"))?;
    Ok(FindTouchedRequest { scheme: new.scheme, changed, before: 0 })
}

/// How many of which kind.
#[derive(Debug, Default, Serialize)]
struct Told {
    touched: u64,
    unknown: u64,
    untouched: u64,
}

impl Told {
    const fn named(&self) -> u64 {
        self.touched + self.unknown
    }

    const fn count(&mut self, image: &TouchedImage) {
        match image.unknown.is_empty() {
            true => self.touched += 1,
            false => self.unknown += 1,
        }
    }
}

#[derive(Clone, Copy)]
enum Form {
    Table,
    Json,
}

#[derive(Serialize)]
struct Image<'a> {
    state: &'static str,
    report: &'a str,
    digest: &'a str,
    references: &'a [String],
    database: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
}

impl Form {
    fn begin(
        self,
        (old, new): (&DatabaseFile, &DatabaseFile),
        keys: usize,
        out: &mut impl Write,
    ) -> std::io::Result<()> {
        match self {
            Self::Table => writeln!(out, "{:7}  {:ID$}  Image", "State", "Report"),
            Self::Json => {
                let (old, new) = (of(old), of(new));
                write!(out, r#"{{"old":{old},"new":{new},"changed_keys":{keys},"images":["#)
            }
        }
    }

    fn image(self, image: &TouchedImage, first: bool, out: &mut impl Write) -> std::io::Result<()> {
        let state = if image.unknown.is_empty() { "touched" } else { "unknown" };
        match self {
            Self::Table => {
                writeln!(out, "{state}  {:ID$}  {}", plain(&image.report_id), names(image))
            }
            Self::Json => {
                let image = Image {
                    state,
                    report: &image.report_id,
                    digest: &image.image_digest,
                    references: &image.references,
                    database: &image.database_digest,
                    reason: &image.unknown,
                };
                let comma = if first { "" } else { "," };
                write!(out, "{comma}\n  {}", serde_json::to_string(&image)?)
            }
        }
    }

    fn end(self, told: &Told, out: &mut impl Write) -> std::io::Result<()> {
        let Told { touched, unknown, untouched } = told;
        match self {
            Self::Table => writeln!(out, "{touched} touched, {unknown} unknown, {untouched} untouched"),
            Self::Json => {
                writeln!(out, "\n],\"touched\":{touched},\"unknown\":{unknown},\"untouched\":{untouched}}}")
            }
        }
    }
}

/// A database for programs.
fn of(file: &DatabaseFile) -> serde_json::Value {
    serde_json::json!({"digest": file.digest(), "modified": file.modified()})
}

/// What an image is called, on one line, and why it is unknown.
fn names(image: &TouchedImage) -> String {
    let name = image.references.first().unwrap_or(&image.image_digest);
    let more = match image.references.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let reason = match image.unknown.as_str() {
        "" => String::new(),
        reason => format!(" ({})", plain(reason)),
    };
    format!("{}{more}{reason}", plain(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_whole_however_many_images_come() {
        let image = |unknown: &str| TouchedImage {
            report_id: "r".to_owned(),
            references: vec!["r.example/a:1".to_owned(), "r.example/a:2".to_owned()],
            unknown: unknown.to_owned(),
            ..TouchedImage::default()
        };
        for images in [vec![], vec![image("")], vec![image(""), image("not kept")]] {
            let (mut out, mut told) = (br#"{"images":["#.to_vec(), Told { untouched: 4, ..Told::default() });
            for image in &images {
                Form::Json.image(image, told.named() == 0, &mut out).expect("written");
                told.count(image);
            }
            Form::Json.end(&told, &mut out).expect("written");
            let read: serde_json::Value = serde_json::from_slice(&out).expect("a document");
            let list = read["images"].as_array().expect("a list");
            assert_eq!((list.len(), read["untouched"].as_u64()), (images.len(), Some(4)));
            let states: Vec<&str> = list.iter().filter_map(|one| one["state"].as_str()).collect();
            assert_eq!(states, ["touched", "unknown"][..images.len()]);
        }
        assert_eq!(names(&image("not kept")), "r.example/a:1 and 1 more (not kept)");
    }
}
