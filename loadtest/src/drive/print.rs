//! A measurement as a table for people and as a line of JSON for programs.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context as _;

use super::meter::Measured;

/// Prints the table to stdout and appends the JSON to the file, if there is one.
pub(crate) fn print(measured: &Measured, json: Option<&Path>) -> anyhow::Result<()> {
    io::stdout().lock().write_all(table(measured).as_bytes()).context("print the measurement")?;
    let Some(path) = json else { return Ok(()) };
    let mut line = serde_json::to_vec(measured).context("write the measurement as JSON")?;
    line.push(b'\n');
    let file = File::options().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(&line)).with_context(|| format!("write {}", path.display()))
}

fn table(measured: &Measured) -> String {
    let seconds = |seconds: f64| format!("{seconds:.3} s");
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut rows = vec![
        ("scan", measured.scan_id.clone()),
        ("state", measured.state.clone()),
        ("time", seconds(measured.seconds)),
        ("time to first report", optional(measured.seconds_to_first_report.map(seconds))),
        ("references", measured.references.to_string()),
        ("  reported", measured.reported.to_string()),
        ("  unchanged", measured.unchanged.to_string()),
        ("  skipped", measured.skipped.to_string()),
        ("  failed", measured.failed.to_string()),
        ("listings failed", measured.listings_failed.to_string()),
        ("images", measured.images.to_string()),
        ("images/s", format!("{:.1}", measured.images_per_second)),
        ("distinct layers", measured.distinct_layers.to_string()),
        ("layers analysed", measured.layers_analysed.to_string()),
        (
            "analysed / distinct",
            optional(measured.analysed_per_distinct_layer.map(|ratio| format!("{ratio:.3}"))),
        ),
        ("bytes read", measured.bytes_read.to_string()),
        ("packages", measured.packages.to_string()),
        ("findings", measured.findings.to_string()),
        ("reports with problems", measured.reports_with_problems.to_string()),
    ];
    if let Some(counts) = &measured.registry {
        rows.push(("registry: requests", counts.requests.to_string()));
        rows.push(("registry: manifest HEAD", counts.manifest_heads.to_string()));
        rows.push(("registry: manifest GET", counts.manifest_gets.to_string()));
        rows.push(("registry: blob GET", counts.blob_gets.to_string()));
        rows.push(("registry: blob bytes", counts.blob_bytes.to_string()));
        rows.push(("registry: faults", counts.faults.to_string()));
    }
    if let Some(most) = measured.most_downloads {
        rows.push(("most downloads of a layer", most.to_string()));
    }
    if let Some(wrong) = &measured.wrong_reports {
        rows.push(("wrong reports", wrong.len().to_string()));
    }
    let mut text: String = rows.iter().map(|(name, value)| format!("{name:<26}{value}\n")).collect();
    for failure in &measured.failures {
        text.push_str(&format!("failure: {failure}\n"));
    }
    for disagreement in measured.disagreements() {
        text.push_str(&format!("WRONG: {disagreement}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::meter::Check;

    #[test]
    fn the_table_names_what_is_wrong() {
        let check = Check { references: 1, skipped: 0, images: 1, distinct_layers: 0, packages: 0 };
        let measured = Measured {
            images: 1,
            failures: vec!["h/a:1: not-found: gone".to_owned()],
            check: Some(check),
            ..Measured::default()
        };
        let text = table(&measured);
        assert!(text.contains("images                    1\n"), "{text}");
        assert!(text.contains("failure: h/a:1: not-found: gone\n"), "{text}");
        assert!(text.contains("WRONG: 0 references, the plan has 1\n"), "{text}");
    }
}
