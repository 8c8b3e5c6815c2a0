//! `openvex`: OpenVEX 0.2.0, what is known of each finding: suppressed ones as `not_affected` or `fixed` with the reason, those
//! that the distributor still looks into as `under_investigation`, all others as `affected` with what to do. A document to
//! edit and give back by `--vex`. An image without a report has no statement.

use std::io::{self, Write};

use serde_json::{Value, json};
use strata_proto::v1::FixState;

use super::Format;
use crate::{
    results::{Image, Results},
    row::{self, Row},
    text, uuid,
};

/// The row.
pub(super) const FORMAT: Format =
    Format { name: "openvex", about: "OpenVEX 0.2.0: a statement for each finding", streams: false, write };

fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let images = results.images();
    let statements: Vec<Value> = images
        .iter()
        .flat_map(|image| {
            let product = product(image);
            row::rows(&image.report).into_iter().map(move |row| statement(&product, &row))
        })
        .collect();
    let mut unique: Vec<Value> = Vec::with_capacity(statements.len());
    let mut seen = std::collections::HashSet::new();
    for statement in statements {
        if seen.insert(statement.to_string()) {
            unique.push(statement);
        }
    }
    let mut identity = vec![results.now.text()];
    identity.extend(images.iter().map(|image| format!("{}{}", image.report_id, image.report.image_digest)));
    let identity: Vec<&str> = identity.iter().map(String::as_str).collect();
    let document = json!({
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": format!("urn:uuid:{}", uuid::of(&identity)),
        "author": "Strata",
        "tooling": format!("strata {}", env!("CARGO_PKG_VERSION")),
        "timestamp": results.now.text(),
        "version": 1,
        "statements": unique,
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// The image as a package URL of the type `oci`: by digest, never by tag.
fn product(image: &Image) -> String {
    let repository = row::repository(image).to_lowercase();
    let name = repository.rsplit('/').next().unwrap_or(&repository);
    let at = if repository.contains('/') {
        format!("?repository_url={}", text::uri_part(&repository))
    } else {
        String::new()
    };
    format!("pkg:oci/{}@{}{at}", text::uri_part(name), text::uri_part(&image.report.image_digest))
}

fn statement(product: &str, row: &Row<'_>) -> Value {
    let Row { finding, package, .. } = row;
    let mut product = json!({"@id": product});
    if let (false, Some(fields)) = (package.purl.is_empty(), product.as_object_mut()) {
        fields.insert("subcomponents".to_owned(), json!([{"@id": package.purl}]));
    }
    let (status, field, text) = match (finding.suppressed.as_str(), finding.fix_state()) {
        ("", FixState::UnderInvestigation) => ("under_investigation", "status_notes", row.advice()),
        ("", _) => ("affected", "action_statement", row.advice()),
        (why, _) if why.starts_with("fixed") => ("fixed", "status_notes", why.to_owned()),
        (why, _) => ("not_affected", "impact_statement", why.to_owned()),
    };
    let mut shown = json!({
        "vulnerability": {"name": finding.id, "aliases": row.other_ids()},
        "products": [product],
        "status": status,
    });
    if let Some(fields) = shown.as_object_mut() {
        fields.insert(field.to_owned(), json!(text::plain(&text)));
    }
    shown
}
