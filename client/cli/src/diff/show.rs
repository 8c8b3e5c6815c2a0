//! A comparison for people, for programs and for merge requests.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, Table, presets};
use strata_proto::v1::Severity;

use super::{
    Diff, Found, Side,
    layers::{Change, Part},
    packages::{Changed, Version},
};
use crate::{
    format::{code, escaped},
    progress::bytes,
    text::{cut, plain},
};

/// How a comparison is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For people.
    Table,
    /// For programs: `client/cli/schema/diff-1.schema.json`.
    Json,
    /// For merge requests and job summaries.
    Markdown,
}

/// Entries of each list in Markdown: such pages are bounded.
const MOST: usize = 100;
/// Characters of a build step.
const STEP: usize = 80;

/// Writes a comparison.
///
/// # Errors
/// When the output cannot be written.
pub fn write(diff: &Diff, form: Form, out: &mut dyn Write) -> io::Result<()> {
    match form {
        Form::Table => table(diff, out),
        Form::Markdown => markdown(diff, out),
        Form::Json => {
            serde_json::to_writer_pretty(&mut *out, diff)?;
            writeln!(out)
        }
    }
}

/// The numbers: what, before, after, change.
fn numbers(diff: &Diff) -> Vec<[String; 4]> {
    let mut lines = vec![
        change("size", diff.sizes.compressed),
        change("unpacked", diff.sizes.uncompressed),
        count("layers", wide(diff.before.layers), wide(diff.after.layers)),
        count("packages", wide(diff.before.packages), wide(diff.after.packages)),
        count("findings", diff.before.total(), diff.after.total()),
    ];
    for severity in Severity::WORST_FIRST {
        let of = |side: &Side| side.findings.get(severity.name()).copied().unwrap_or_default();
        let (before, after) = (of(&diff.before), of(&diff.after));
        if before + after > 0 {
            lines.push(count(severity.name(), before, after));
        }
    }
    lines
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn count(name: &str, before: u64, after: u64) -> [String; 4] {
    let change = match after.checked_sub(before) {
        Some(0) => "0".to_owned(),
        Some(more) => format!("+{more}"),
        None => format!("-{}", before - after),
    };
    [name.to_owned(), before.to_string(), after.to_string(), change]
}

/// Bytes: what, before, after, change.
pub(crate) fn change(name: &str, Change { before, after }: Change) -> [String; 4] {
    let shown = |size: Option<u64>| size.map_or_else(|| "unknown".to_owned(), bytes);
    let change = match before.zip(after) {
        None => "unknown".to_owned(),
        Some((before, after)) if after >= before => format!("+{}", bytes(after - before)),
        Some((before, after)) => format!("-{}", bytes(before - after)),
    };
    [name.to_owned(), shown(before), shown(after), change]
}

/// `debian 12, linux/amd64`.
pub(crate) fn system(side: &Side) -> String {
    let distribution = side.distribution.as_deref().unwrap_or("unknown distribution");
    format!("{distribution}, {}", side.platform)
}

fn table(diff: &Diff, out: &mut dyn Write) -> io::Result<()> {
    for (word, side) in [("BEFORE", &diff.before), ("AFTER", &diff.after)] {
        writeln!(out, "{word:6}  {} ({})", plain(&side.name), plain(&system(side)))?;
    }
    for note in &diff.notes {
        writeln!(out, "NOTE    {}", plain(note))?;
    }
    let mut numbers_table = Table::new();
    numbers_table.load_style(presets::NOTHING).set_header(["", "before", "after", "change"]);
    for [name, cells @ ..] in numbers(diff) {
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        numbers_table.add_row(std::iter::once(Cell::new(name)).chain(cells.map(right)));
    }
    writeln!(out, "\n{numbers_table}")?;
    let layers = &diff.layers;
    writeln!(
        out,
        "\nLAYERS    {} shared, {} removed, {} added",
        layers.shared.len(),
        layers.removed.len(),
        layers.added.len()
    )?;
    for (mark, parts) in [('-', &layers.removed), ('+', &layers.added)] {
        for part in parts {
            writeln!(out, "  {mark} {}", layer(part))?;
        }
    }
    packages(diff, out)?;
    let found = &diff.findings;
    writeln!(
        out,
        "\nFINDINGS  {} introduced, {} fixed, {} unchanged",
        found.introduced.len(),
        found.fixed.len(),
        found.unchanged.len()
    )?;
    for (word, list) in [("NEW", &found.introduced), ("FIXED", &found.fixed)] {
        for one in list {
            writeln!(out, "  {word:5} {}", finding(one))?;
        }
    }
    Ok(())
}

/// `sha256:0123456789ab 3.1 MB (8.0 MB unpacked) RUN …`.
fn layer(part: &Part) -> String {
    let size = part.size.map_or_else(|| "unknown size".to_owned(), bytes);
    let unpacked =
        part.uncompressed_size.map_or_else(String::new, |size| format!(" ({} unpacked)", bytes(size)));
    let digest: String = part.digest().chars().take("sha256:".len() + 12).collect();
    format!("{digest} {size}{unpacked} {}", cut(&plain(&part.created_by), STEP))
}

fn packages(diff: &Diff, out: &mut dyn Write) -> io::Result<()> {
    let packages = &diff.packages;
    writeln!(
        out,
        "\nPACKAGES  {} added, {} removed, {} upgraded, {} downgraded, {} changed otherwise",
        packages.added.len(),
        packages.removed.len(),
        packages.upgraded.len(),
        packages.downgraded.len(),
        packages.changed.len()
    )?;
    for (mark, list) in [("+", &packages.added), ("-", &packages.removed)] {
        for Version { ecosystem, name, version } in list {
            writeln!(out, "  {mark} {} {} ({ecosystem})", plain(name), plain(version))?;
        }
    }
    for (word, list) in
        [("up", &packages.upgraded), ("down", &packages.downgraded), ("other", &packages.changed)]
    {
        for Changed { ecosystem, name, before, after } in list {
            writeln!(out, "  {word} {} {} -> {} ({ecosystem})", plain(name), plain(before), plain(after))?;
        }
    }
    Ok(())
}

/// `HIGH CVE-2021-1 openssl 1.1.1k (dpkg), fixed in 1.1.1n`.
pub(crate) fn finding(found: &Found) -> String {
    let Found { id, package, ecosystem, version, fixed_version, severity } = found;
    let fix = if fixed_version.is_empty() { String::new() } else { format!(", fixed in {fixed_version}") };
    plain(&format!("{:10} {id} {package} {version} ({ecosystem}){fix}", severity.name()))
}

/// A finding as a row of Markdown.
pub(crate) fn row(found: &Found) -> String {
    let Found { id, package, version, fixed_version, severity, .. } = found;
    let fix = if fixed_version.is_empty() { String::new() } else { code(fixed_version) };
    let (id, package, version) = (code(id), code(package), code(version));
    format!("| {} | {id} | {package} | {version} | {fix} |", severity.name())
}

fn markdown(diff: &Diff, out: &mut dyn Write) -> io::Result<()> {
    let (before, after) = (code(&diff.before.name), code(&diff.after.name));
    writeln!(out, "## Strata: {before} → {after}\n")?;
    writeln!(out, "{} → {}\n", escaped(&system(&diff.before)), escaped(&system(&diff.after)))?;
    writeln!(out, "| | Before | After | Change |\n|---|---:|---:|---:|")?;
    for [name, before, after, change] in numbers(diff) {
        writeln!(out, "| {name} | {before} | {after} | {change} |")?;
    }
    writeln!(out)?;
    for note in &diff.notes {
        writeln!(out, "> **Note** {}\n", escaped(note))?;
    }
    let found = &diff.findings;
    for (word, list) in [("introduced", &found.introduced), ("fixed", &found.fixed)] {
        let lines = list.iter().map(row);
        let heading = "| Severity | Vulnerability | Package | Version | Fixed in |\n|---|---|---|---|---|";
        section(&format!("{} findings {word}", list.len()), heading, lines, list.len(), out)?;
    }
    let unchanged = found.unchanged.len();
    writeln!(out, "{unchanged} findings are in both.\n")?;
    let packages = &diff.packages;
    let plus = packages.added.iter().map(|one| ("added", one, "", one.version.as_str()));
    let minus = packages.removed.iter().map(|one| ("removed", one, one.version.as_str(), ""));
    let single = plus.chain(minus).map(|(word, one, before, after)| (word, &one.name, before, after));
    let changed = [
        ("upgraded", &packages.upgraded),
        ("downgraded", &packages.downgraded),
        ("changed", &packages.changed),
    ];
    let changed = changed.into_iter().flat_map(|(word, list)| {
        list.iter().map(move |one| (word, &one.name, one.before.as_str(), one.after.as_str()))
    });
    let all: Vec<_> = changed.chain(single).collect();
    let version = |text: &str| if text.is_empty() { String::new() } else { code(text) };
    let lines = all.iter().map(|(word, name, before, after)| {
        format!("| {word} | {} | {} | {} |", code(name), version(before), version(after))
    });
    let heading = "| | Package | Before | After |\n|---|---|---|---|";
    section(&format!("{} packages changed", all.len()), heading, lines, all.len(), out)
}

/// A bounded table that is folded up.
pub(crate) fn section(
    title: &str,
    heading: &str,
    lines: impl Iterator<Item = String>,
    count: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    if count == 0 {
        return Ok(());
    }
    writeln!(out, "<details><summary>{title}</summary>\n\n{heading}")?;
    for line in lines.take(MOST) {
        writeln!(out, "{line}")?;
    }
    if count > MOST {
        writeln!(out, "\n… and {} more that are not listed here.", count - MOST)?;
    }
    writeln!(out, "\n</details>\n")
}
