//! CycloneDX, 1.4 and later: `vulnerabilities[].analysis` of what `affects[].ref` names, a component of the document, of
//! another one (a BOM-Link), or a package URL.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Budget, Identity, Product, Statement, Status, VexError, digest_identity, purl_identity, reason};
use crate::json;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default, deserialize_with = "json::list")]
    components: Vec<Component>,
    #[serde(default, deserialize_with = "json::list")]
    vulnerabilities: Vec<Vulnerability>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    component: Option<Component>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(rename = "bom-ref", default)]
    reference: String,
    #[serde(default)]
    purl: String,
    #[serde(default)]
    hashes: Vec<Hash>,
    #[serde(default)]
    components: Vec<Self>,
}

#[derive(Deserialize)]
struct Hash {
    alg: String,
    content: String,
}

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(default)]
    id: String,
    #[serde(default)]
    references: Vec<Reference>,
    #[serde(default)]
    analysis: Analysis,
    #[serde(default)]
    affects: Vec<Affects>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    id: String,
}

#[derive(Default, Deserialize)]
struct Analysis {
    #[serde(default)]
    state: String,
    #[serde(default)]
    justification: String,
    #[serde(default)]
    detail: String,
}

#[derive(Deserialize)]
struct Affects {
    #[serde(rename = "ref", default)]
    reference: String,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Statement>, VexError> {
    let document: Document =
        serde_json::from_slice(bytes).map_err(|error| VexError::Malformed("CycloneDX", error))?;
    let mut known = HashMap::new();
    document.metadata.component.iter().chain(&document.components).for_each(|root| gather(root, &mut known));
    let mut budget = Budget::new();
    let mut statements = Vec::new();
    for flaw in document.vulnerabilities {
        let Some(status) = status(&flaw.analysis.state) else { continue };
        let mut products = Vec::new();
        for affects in &flaw.affects {
            let identities = resolve(&affects.reference, &known);
            budget.take(1 + identities.len())?;
            products.push(Product { identities, components: None });
        }
        let aliases = flaw.references.into_iter().map(|reference| reference.id);
        statements.push(Statement {
            ids: std::iter::once(flaw.id).chain(aliases).filter(|id| !id.is_empty()).collect(),
            products,
            status,
            reason: reason(&flaw.analysis.justification, &flaw.analysis.detail),
        });
    }
    Ok(statements)
}

fn status(state: &str) -> Option<Status> {
    match state {
        "not_affected" | "false_positive" => Some(Status::NotAffected),
        "resolved" | "resolved_with_pedigree" => Some(Status::Fixed),
        "exploitable" => Some(Status::Affected),
        "in_triage" => Some(Status::UnderInvestigation),
        _ => None,
    }
}

/// The document's depth is bounded by its reader.
fn gather<'a>(component: &'a Component, known: &mut HashMap<&'a str, Vec<Identity>>) {
    let hashes = component.hashes.iter().filter_map(|hash| digest_identity(&hash.alg, &hash.content));
    let identities: Vec<Identity> = purl_identity(&component.purl).into_iter().chain(hashes).collect();
    if !component.reference.is_empty() && !identities.is_empty() {
        known.insert(&component.reference, identities);
    }
    component.components.iter().for_each(|part| gather(part, known));
}

/// What a reference names: `urn:cdx:serial/version#ref` is one into another document.
fn resolve(reference: &str, known: &HashMap<&str, Vec<Identity>>) -> Vec<Identity> {
    if let Some(identities) = known.get(reference) {
        return identities.clone();
    }
    let inner =
        reference.strip_prefix("urn:cdx:").and_then(|link| link.split_once('#')).map(|(_, inner)| inner);
    purl_identity(inner.unwrap_or(reference)).into_iter().collect()
}
