//! Advice for people.

use std::io::{self, Write};

use super::{Advice, Candidate, Database};
use crate::{
    diff::{
        Side,
        show::{change, finding, section, system},
    },
    format::{code, escaped},
    text::plain,
};

pub(super) fn table(advice: &Advice, out: &mut dyn Write) -> io::Result<()> {
    let Advice { image, base, database, candidates, .. } = advice;
    writeln!(out, "IMAGE  {} ({}): {}", plain(&image.name), plain(&system(image)), counts(image))?;
    writeln!(out, "BASE   its lowest {} of {} layers: {}", base.layers, image.layers, plain(&base.known_by))?;
    writeln!(out, "BY     {}", plain(&by(database)))?;
    for (place, candidate) in candidates.iter().enumerate() {
        let Candidate { name, predicted, fixed, remains, introduced, notes, .. } = candidate;
        writeln!(out, "\n{}. {} ({})", place + 1, plain(name), plain(&system(predicted)))?;
        writeln!(
            out,
            "   {}: {} fixed, {} introduced, {} remain ({} of the image's own layers); {}",
            counts(predicted),
            fixed.len(),
            introduced.len(),
            remains.len(),
            own(candidate),
            size(candidate)
        )?;
        for note in notes {
            writeln!(out, "   NOTE     {}", plain(note))?;
        }
        for one in introduced {
            writeln!(out, "   NEW      {}", finding(one))?;
        }
        // The lists of the best one only: a page for each candidate helps nobody to choose.
        if place == 0 {
            for one in fixed {
                writeln!(out, "   FIXED    {}", finding(one))?;
            }
            for one in remains {
                writeln!(out, "   REMAINS  {}, {}", finding(&one.found), one.origin)?;
            }
        }
    }
    Ok(())
}

/// `3 findings (CRITICAL 1, LOW 2)`.
fn counts(side: &Side) -> String {
    let mut counts = strata_proto::v1::SeverityCounts::default();
    for severity in strata_proto::v1::Severity::WORST_FIRST {
        for _ in 0..side.findings.get(severity.name()).copied().unwrap_or_default() {
            counts.add(severity);
        }
    }
    crate::format::counts(&counts)
}

fn by(database: &Database) -> String {
    let Database { digest, modified, whose } = database;
    format!("the advisory database {digest} of {modified}, {whose}")
}

fn own(candidate: &Candidate) -> usize {
    candidate.remains.iter().filter(|one| one.origin == "application").count()
}

fn size(candidate: &Candidate) -> String {
    let [_, _, after, change] = change("size", candidate.sizes.compressed);
    if after == "unknown" { "size unknown".to_owned() } else { format!("{after} ({change})") }
}

pub(super) fn markdown(advice: &Advice, out: &mut dyn Write) -> io::Result<()> {
    let Advice { image, base, database, candidates, .. } = advice;
    writeln!(out, "## Strata: bases for {}\n", code(&image.name))?;
    writeln!(out, "{} · {}\n", escaped(&system(image)), counts(image))?;
    writeln!(
        out,
        "Its lowest {} of {} layers are its base: {}.\n",
        base.layers,
        image.layers,
        escaped(&base.known_by)
    )?;
    writeln!(out, "Assessed by {}.\n", escaped(&by(database)))?;
    writeln!(out, "| Base | Findings then | Fixed | Introduced | Remain | Of the image's own | Size |")?;
    writeln!(out, "|---|---|---:|---:|---:|---:|---:|")?;
    for candidate in candidates {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            code(&candidate.name),
            counts(&candidate.predicted),
            candidate.fixed.len(),
            candidate.introduced.len(),
            candidate.remains.len(),
            own(candidate),
            size(candidate)
        )?;
    }
    writeln!(out)?;
    for candidate in candidates {
        for note in &candidate.notes {
            writeln!(out, "> **Note** {}: {}\n", code(&candidate.name), escaped(note))?;
        }
    }
    let Some(best) = candidates.first() else { return Ok(()) };
    let heading = "| Severity | Vulnerability | Package | Version | Fixed in |\n|---|---|---|---|---|";
    for (word, list) in [("fixes", &best.fixed), ("introduces", &best.introduced)] {
        let title = format!("{} {word} {} findings", plain(&best.name), list.len());
        section(&escaped(&title), heading, list.iter().map(crate::diff::show::row), list.len(), out)?;
    }
    let remains = best.remains.iter().map(|one| crate::diff::show::row(&one.found));
    section(&format!("{} findings remain", best.remains.len()), heading, remains, best.remains.len(), out)
}
