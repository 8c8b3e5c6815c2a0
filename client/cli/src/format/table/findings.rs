//! The findings of an image in the columns that the screen has room for. An identifier is never broken: people copy it. What is
//! left out for want of room is named.

use std::io::{self, Write};

use comfy_table::{
    Attribute, Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets,
};
use strata_proto::v1::{Finding, FixState, Report, Severity};

use crate::{
    screen::{Screen, Tone},
    text::plain,
};

/// Columns, from the left.
const COLUMNS: [&str; 9] =
    ["Severity", "Risk", "Package", "Installed", "Fixed in", "Advisory", "Aliases", "File", "Layer"];
/// What may be broken: package, installed, fixed in.
const BREAKABLE: std::ops::Range<usize> = 2..5;
/// What may be left out.
const ADVISORY: usize = 5;
const ALIASES: usize = 6;
const FILE: usize = 7;
const LAYER: usize = 8;
/// Between columns.
const GAP: usize = 2;
/// A path that has less room says nothing.
const LEAST_FILE: usize = 24;
/// A name or a version is broken to this at least, while a file is shown beside it.
const EASY: usize = 18;
/// A name or a version that has less room is not readable.
const LEAST: usize = 10;

/// One finding's text, by column.
type Row = [String; COLUMNS.len()];

/// How the columns share the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    aliases: bool,
    /// The most that a path has.
    file: Option<usize>,
    layer: Layer,
    /// The most that a name or a version has before it is broken.
    breakable: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Digest,
    Number,
    Hidden,
}

pub(super) fn write(report: &Report, screen: Screen, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<Row> = report.findings.iter().map(|finding| row(report, finding)).collect();
    match layout(&rows, screen.width) {
        Some(layout) => {
            writeln!(out, "{}", table(report, &rows, layout, screen))?;
            if let Some(line) = missing(layout, &rows) {
                writeln!(out, "{}", screen.fold(&line, 2))?;
            }
        }
        None => list(report, &rows, screen, out)?,
    }
    suppressed(report, &rows, screen, out)
}

/// Why findings do not count: below the table, whose columns have no room for sentences.
fn suppressed(report: &Report, rows: &[Row], screen: Screen, out: &mut dyn Write) -> io::Result<()> {
    for (finding, [_, _, name, installed, _, id, ..]) in report.findings.iter().zip(rows) {
        if !finding.suppressed.is_empty() {
            let reason = plain(&finding.suppressed);
            let line = format!(" suppressed: {id} in {name} {installed}: {reason}");
            writeln!(out, "{}", screen.fold(&line, 3))?;
        }
    }
    Ok(())
}

fn row(report: &Report, finding: &Finding) -> Row {
    let index = usize::try_from(finding.package).unwrap_or(usize::MAX);
    let package = report.packages.get(index).cloned().unwrap_or_default();
    let layer = usize::try_from(package.layer).unwrap_or(usize::MAX);
    let digest = report.layers.get(layer).map(|layer| super::short(&layer.digest)).unwrap_or_default();
    [
        severity(finding),
        risk(finding),
        plain(&package.name),
        plain(&package.version),
        plain(&fix(finding)),
        plain(&finding.id),
        plain(&finding.aliases.join(" ")),
        plain(&package.file),
        format!("{} {digest}", package.layer),
    ]
}

fn natural(rows: &[Row], column: usize) -> usize {
    let title = COLUMNS.get(column).map_or(0, |title| title.len());
    let cells = rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count());
    cells.max().unwrap_or_default().max(title)
}

/// `None` where no table fits.
fn layout(rows: &[Row], width: Option<usize>) -> Option<Layout> {
    let all = Layout { aliases: true, file: Some(usize::MAX), layer: Layer::Digest, breakable: None };
    let Some(width) = width else { return Some(all) };
    let file = natural(rows, FILE);
    for (aliases, layer) in
        [(true, Layer::Digest), (false, Layer::Digest), (false, Layer::Number), (false, Layer::Hidden)]
    {
        let layout = Layout { aliases, layer, ..all };
        if needs(rows, layout, usize::MAX) + GAP + file <= width {
            return Some(layout);
        }
    }
    for layer in [Layer::Number, Layer::Hidden] {
        let layout = Layout { aliases: false, layer, ..all };
        let room = width.saturating_sub(needs(rows, layout, EASY) + GAP).min(file);
        if room >= LEAST_FILE {
            return fill(rows, Layout { file: Some(room), ..layout }, width);
        }
    }
    for layer in [Layer::Number, Layer::Hidden] {
        let layout = Layout { aliases: false, layer, file: None, breakable: None };
        if needs(rows, layout, EASY) <= width {
            return fill(rows, layout, width);
        }
    }
    fill(rows, Layout { aliases: false, layer: Layer::Hidden, file: None, breakable: None }, width)
}

/// The columns that a table takes, without that of files.
fn needs(rows: &[Row], layout: Layout, breakable: usize) -> usize {
    let mut sum = [0, 1, ADVISORY].into_iter().map(|column| natural(rows, column) + GAP).sum::<usize>();
    sum += BREAKABLE.map(|column| natural(rows, column).min(breakable) + GAP).sum::<usize>();
    if layout.aliases {
        sum += natural(rows, ALIASES) + GAP;
    }
    sum + match layout.layer {
        Layer::Digest => natural(rows, LAYER) + GAP,
        Layer::Number => "Layer".len() + GAP,
        Layer::Hidden => 0,
    }
}

/// Gives names and versions as much as there is.
fn fill(rows: &[Row], layout: Layout, width: usize) -> Option<Layout> {
    let file = layout.file.map_or(0, |file| file + GAP);
    let fits = |breakable: &usize| needs(rows, layout, *breakable) + file <= width;
    let most = BREAKABLE.map(|column| natural(rows, column)).max().unwrap_or_default();
    if fits(&most) {
        return Some(layout);
    }
    let breakable = (LEAST..most).rev().find(fits)?;
    Some(Layout { breakable: Some(breakable), ..layout })
}

fn table(report: &Report, rows: &[Row], layout: Layout, screen: Screen) -> Table {
    let shown: Vec<usize> = (0..COLUMNS.len())
        .filter(|column| match *column {
            ALIASES => layout.aliases,
            FILE => layout.file.is_some(),
            LAYER => layout.layer != Layer::Hidden,
            _ => true,
        })
        .collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if screen.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(shown.iter().filter_map(|column| COLUMNS.get(*column)));
    for (finding, row) in report.findings.iter().zip(rows) {
        let cells = shown.iter().filter_map(|column| Some((*column, row.get(*column)?)));
        table.add_row(cells.map(|(column, text)| cell(finding, column, text, layout)));
    }
    for (place, column) in shown.iter().enumerate() {
        let most =
            layout.breakable.filter(|most| BREAKABLE.contains(column) && natural(rows, *column) > *most);
        if let (Some(most), Some(found)) = (most, table.column_mut(place)) {
            let with_padding = u16::try_from(most + GAP).unwrap_or(u16::MAX);
            found.set_constraint(ColumnConstraint::Absolute(Width::Fixed(with_padding)));
        }
    }
    table
}

fn cell(finding: &Finding, column: usize, text: &str, layout: Layout) -> Cell {
    match column {
        0 => match tone(finding) {
            Some(Tone::Alarm) => Cell::new(text).fg(Tone::Alarm.color()).add_attribute(Attribute::Bold),
            Some(tone) => Cell::new(text).fg(tone.color()),
            None => Cell::new(text),
        },
        1 => Cell::new(text).set_alignment(CellAlignment::Right),
        FILE => Cell::new(tail(text, layout.file.unwrap_or(usize::MAX))),
        LAYER if layout.layer == Layer::Number => Cell::new(text.split(' ').next().unwrap_or_default()),
        _ => Cell::new(text),
    }
}

/// The end of a path, which tells more than its beginning.
fn tail(path: &str, most: usize) -> String {
    let length = path.chars().count();
    if length <= most {
        return path.to_owned();
    }
    let kept: String = path.chars().skip(length - most.saturating_sub(1)).collect();
    format!("…{kept}")
}

/// What the table does not show though the report has it.
fn missing(layout: Layout, rows: &[Row]) -> Option<String> {
    let has = |column: usize| rows.iter().any(|row| row.get(column).is_some_and(|text| !text.is_empty()));
    let left: Vec<&str> = [
        (!layout.aliases && has(ALIASES), "aliases"),
        (layout.file.is_none() && has(FILE), "files"),
        (layout.layer == Layer::Hidden, "layers"),
    ]
    .into_iter()
    .filter_map(|(left, name)| left.then_some(name))
    .collect();
    (!left.is_empty()).then(|| format!(" (no room for {}: -f json has all)", left.join(", ")))
}

/// Two lines for each finding, for what is hardly a screen.
fn list(report: &Report, rows: &[Row], screen: Screen, out: &mut dyn Write) -> io::Result<()> {
    for (finding, [severity, risk, name, installed, fixed, id, ..]) in report.findings.iter().zip(rows) {
        let severity = tone(finding).map_or_else(|| severity.clone(), |tone| screen.paint(tone, severity));
        writeln!(out, " {severity} {risk} {id}")?;
        writeln!(out, "{}", screen.fold(&format!("   {name} {installed} -> {fixed}"), 5))?;
    }
    writeln!(out, "{}", screen.fold(" (no room for aliases, files, layers: -f json has all)", 2))
}

fn tone(finding: &Finding) -> Option<Tone> {
    if !finding.suppressed.is_empty() {
        return Some(Tone::Faint);
    }
    if finding.known_exploited {
        return Some(Tone::Alarm);
    }
    match finding.severity() {
        Severity::Critical => Some(Tone::Alarm),
        Severity::High => Some(Tone::Serious),
        Severity::Medium => Some(Tone::Warning),
        Severity::Low => Some(Tone::Mild),
        Severity::Negligible => Some(Tone::Faint),
        // Not known is not little.
        _ => None,
    }
}

fn severity(finding: &Finding) -> String {
    let name = finding.severity().name();
    let mark = if finding.known_exploited { format!("{name} (exploited)") } else { name.to_owned() };
    if finding.suppressed.is_empty() { mark } else { format!("{mark} (suppressed)") }
}

/// In points of 100.
fn risk(finding: &Finding) -> String {
    match finding.risk_millionths {
        0 => "?".to_owned(),
        1..1_000 => "< 0.1".to_owned(),
        risk => format!("{}.{}", risk / 10_000, risk % 10_000 / 1_000),
    }
}

fn fix(finding: &Finding) -> String {
    match finding.fix_state() {
        FixState::Fixed => finding.fixed_version.clone(),
        FixState::NotFixed => "not fixed".to_owned(),
        FixState::WillNotFix => "will not fix".to_owned(),
        FixState::Deferred => "deferred".to_owned(),
        FixState::UnderInvestigation => "under investigation".to_owned(),
        FixState::EndOfLife => "end of life".to_owned(),
        FixState::Unspecified => "unknown".to_owned(),
    }
}
