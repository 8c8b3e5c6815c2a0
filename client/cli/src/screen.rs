//! What stdout is: how wide, and whether colours mean anything there. Files and pipes are neither.

use comfy_table::{Color, ContentArrangement, Table, presets};

/// The terminal that results are shown on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Screen {
    /// In columns; `None` for what is no terminal, where lines are as long as they need be.
    pub width: Option<usize>,
    /// Whether words have colours too.
    pub colour: bool,
}

/// What a colour says. The word that has it says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// What comes first: critical findings, failures.
    Alarm,
    /// High findings.
    Serious,
    /// Medium findings, problems.
    Warning,
    /// Low findings.
    Mild,
    /// What counts little, or not: suppressed, negligible.
    Faint,
}

impl Screen {
    /// Of this process's stdout; `colours` is whether the user wants them at all.
    #[must_use]
    pub fn of_stdout(colours: bool) -> Self {
        let table = Table::new();
        let width = table.width().map(usize::from).filter(|width| *width > 0);
        Self { width, colour: colours && table.is_tty() }
    }

    /// The word in its colour, where there are colours.
    #[must_use]
    pub fn paint(self, tone: Tone, word: &str) -> String {
        if !self.colour {
            return word.to_owned();
        }
        let code = match tone {
            Tone::Alarm => "1;31",
            Tone::Serious => "31",
            Tone::Warning => "33",
            Tone::Mild => "36",
            Tone::Faint => "90",
        };
        format!("\u{1b}[{code}m{word}\u{1b}[0m")
    }

    /// A line broken at spaces so that it fits, what follows the first line indented. A word that is wider stays whole.
    #[must_use]
    pub fn fold(self, line: &str, indent: usize) -> String {
        let Some(width) = self.width else { return line.to_owned() };
        if line.chars().count() <= width {
            return line.to_owned();
        }
        let start = line.len() - line.trim_start().len();
        let mut folded = " ".repeat(start);
        let (mut used, mut first) = (start, true);
        for word in line.split_whitespace() {
            let length = word.chars().count();
            if !first && used + 1 + length > width {
                folded.push('\n');
                folded.push_str(&" ".repeat(indent));
                used = indent;
            } else if !first {
                folded.push(' ');
                used += 1;
            }
            folded.push_str(word);
            (used, first) = (used + length, false);
        }
        folded
    }

    /// Rows as a table where it fits, else one below the other: the first cell, and each other one behind its title.
    #[must_use]
    pub fn rows(self, titles: &[&str], rows: &[Vec<String>]) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.force_no_tty().set_header(titles).add_rows(rows);
        let needed: usize =
            table.column_max_content_widths().into_iter().map(|width| usize::from(width) + 2).sum();
        if self.width.is_none_or(|width| needed <= width) {
            return table.to_string();
        }
        let label = titles.iter().map(|title| title.chars().count()).max().unwrap_or_default();
        let mut lines = Vec::new();
        for row in rows {
            let mut cells = titles.iter().zip(row);
            lines.extend(cells.next().map(|(_, first)| first.clone()));
            for (title, cell) in cells.filter(|(_, cell)| !cell.trim().is_empty()) {
                for (number, line) in cell.lines().enumerate() {
                    let title = if number == 0 { *title } else { "" };
                    lines.push(self.fold(&format!("  {title:label$}  {line}"), label + 4));
                }
            }
        }
        lines.join("\n")
    }
}

impl Tone {
    /// As tables know it.
    #[must_use]
    pub fn color(self) -> Color {
        match self {
            Self::Alarm | Self::Serious => Color::Red,
            Self::Warning => Color::Yellow,
            Self::Mild => Color::Cyan,
            Self::Faint => Color::DarkGrey,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_broken_at_spaces_and_nothing_of_it_is_lost() {
        let line = "  PROBLEM end-of-life: Debian 12 reached its end of life on 2026-07-11";
        for width in [10, 20, 40, 80] {
            let folded = Screen { width: Some(width), colour: false }.fold(line, 4);
            let longest = folded.lines().map(|line| line.trim_start().len()).max().unwrap_or_default();
            assert!(longest <= width.max("end-of-life:".len()), "{width}: {folded}");
            assert!(folded.lines().all(|line| line.split_whitespace().count() < 2 || line.len() <= width));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&folded), words(line), "{width}");
        }
        assert_eq!(Screen::default().fold(line, 4), line, "a file has no width");
    }

    #[test]
    fn rows_stand_below_each_other_where_they_do_not_fit() {
        let rows =
            [vec!["9f80".to_owned(), "a/b:1\nc/d:2".to_owned(), String::new(), "13 findings".to_owned()]];
        let titles = ["Report", "References", "Commit", "Findings"];
        let wide = Screen { width: Some(60), colour: false }.rows(&titles, &rows);
        assert!(wide.starts_with(" Report  References  Commit  Findings"), "{wide}");
        assert_eq!(wide, Screen::default().rows(&titles, &rows));
        let narrow = Screen { width: Some(30), colour: false }.rows(&titles, &rows);
        assert_eq!(narrow, "9f80\n  References  a/b:1\n              c/d:2\n  Findings    13 findings");
    }

    #[test]
    fn a_colour_is_beside_the_word_and_only_where_it_is_wanted() {
        let coloured = Screen { width: None, colour: true };
        assert_eq!(Screen::default().paint(Tone::Alarm, "CRITICAL"), "CRITICAL");
        assert_eq!(coloured.paint(Tone::Alarm, "CRITICAL"), "\u{1b}[1;31mCRITICAL\u{1b}[0m");
    }
}
