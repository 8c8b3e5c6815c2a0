//! OpenVEX, 0.0.1 to 0.2.0 (openvex/spec): products with sub-components, or, in the first version, plain strings.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Budget, Identity, Product, Statement, Status, VexError, digest_identity, purl_identity, reason};
use crate::json;

#[derive(Deserialize)]
struct Document {
    #[serde(default, deserialize_with = "json::list")]
    statements: Vec<RawStatement>,
}

#[derive(Deserialize)]
struct RawStatement {
    vulnerability: Vulnerability,
    #[serde(default)]
    timestamp: String,
    #[serde(default)]
    products: Vec<RawProduct>,
    /// Of the first version: of all products alike.
    #[serde(default)]
    subcomponents: Option<Vec<RawProduct>>,
    status: String,
    #[serde(default)]
    justification: String,
    #[serde(default)]
    impact_statement: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vulnerability {
    Name(String),
    Whole {
        #[serde(default)]
        name: String,
        #[serde(default)]
        aliases: Vec<String>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawProduct {
    Name(String),
    Whole(Component),
}

#[derive(Default, Deserialize)]
struct Component {
    #[serde(rename = "@id", default)]
    id: String,
    #[serde(default)]
    identifiers: BTreeMap<String, String>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    #[serde(default)]
    subcomponents: Option<Vec<RawProduct>>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Statement>, VexError> {
    let mut document: Document =
        serde_json::from_slice(bytes).map_err(|error| VexError::Malformed("OpenVEX", error))?;
    // Statements are in order of time; where all say so in the same zone, the order can be kept.
    if document.statements.iter().all(|statement| statement.timestamp.ends_with('Z')) {
        document.statements.sort_by(|left, right| left.timestamp.cmp(&right.timestamp));
    }
    let mut budget = Budget::new();
    let mut statements = Vec::new();
    for raw in document.statements {
        // A status that is none of the four says nothing.
        let Some(status) = status(&raw.status) else { continue };
        let ids = match raw.vulnerability {
            Vulnerability::Name(name) => vec![name],
            Vulnerability::Whole { name, mut aliases } => {
                aliases.insert(0, name);
                aliases
            }
        };
        let shared = raw.subcomponents.as_deref().filter(|list| !list.is_empty());
        let mut products = Vec::new();
        for product in &raw.products {
            products.push(resolve(product, shared, &mut budget)?);
        }
        let ids = ids.into_iter().filter(|id| !id.is_empty()).collect();
        let reason = reason(&raw.justification, &raw.impact_statement);
        statements.push(Statement { ids, products, status, reason });
    }
    Ok(statements)
}

fn status(text: &str) -> Option<Status> {
    match text {
        "not_affected" => Some(Status::NotAffected),
        "affected" => Some(Status::Affected),
        "fixed" => Some(Status::Fixed),
        "under_investigation" => Some(Status::UnderInvestigation),
        _ => None,
    }
}

fn resolve(
    product: &RawProduct,
    shared: Option<&[RawProduct]>,
    budget: &mut Budget,
) -> Result<Product, VexError> {
    let own = match product {
        RawProduct::Name(_) => None,
        RawProduct::Whole(whole) => whole.subcomponents.as_deref().filter(|list| !list.is_empty()),
    };
    let parts = own.or(shared);
    budget.take(1 + parts.map_or(0, <[RawProduct]>::len))?;
    Ok(Product {
        identities: identities(product),
        components: parts.map(|parts| parts.iter().flat_map(identities).collect()),
    })
}

fn identities(product: &RawProduct) -> Vec<Identity> {
    match product {
        RawProduct::Name(name) => purl_identity(name).into_iter().collect(),
        RawProduct::Whole(whole) => {
            let named = [Some(&whole.id), whole.identifiers.get("purl")];
            let purls = named.into_iter().flatten().filter_map(|text| purl_identity(text));
            let hashes =
                whole.hashes.iter().filter_map(|(algorithm, value)| digest_identity(algorithm, value));
            purls.chain(hashes).collect()
        }
    }
}
