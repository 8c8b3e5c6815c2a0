//! CSAF 2.0, profile VEX: products stand in a tree and in relationships (a component of a platform), and each
//! vulnerability lists by status which of them it speaks of.
//!
//! A product that only a CPE or a name tells is not compared: no statement on it matches.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::{Budget, Identity, Product, Statement, Status, VexError, digest_identity, purl_identity, reason};
use crate::json;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    product_tree: Tree,
    #[serde(default, deserialize_with = "json::list")]
    vulnerabilities: Vec<Vulnerability>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tree {
    branches: Vec<Branch>,
    full_product_names: Vec<Name>,
    relationships: Vec<Relationship>,
    product_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(default)]
    branches: Vec<Self>,
    product: Option<Name>,
}

#[derive(Deserialize)]
struct Name {
    product_id: String,
    #[serde(default)]
    product_identification_helper: Helper,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Helper {
    purl: String,
    hashes: Vec<Hashes>,
}

#[derive(Deserialize)]
struct Hashes {
    #[serde(default)]
    file_hashes: Vec<Hash>,
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
struct Relationship {
    full_product_name: Name,
    product_reference: String,
    relates_to_product_reference: String,
}

#[derive(Deserialize)]
struct Group {
    group_id: String,
    #[serde(default)]
    product_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(default)]
    cve: String,
    #[serde(default)]
    ids: Vec<Id>,
    #[serde(default)]
    product_status: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    flags: Vec<Remark>,
    #[serde(default)]
    threats: Vec<Remark>,
}

#[derive(Deserialize)]
struct Id {
    #[serde(default)]
    text: String,
}

/// A flag (a justification) or a threat (an impact in words).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Remark {
    label: String,
    category: String,
    details: String,
    product_ids: Vec<String>,
    group_ids: Vec<String>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Statement>, VexError> {
    let document: Document =
        serde_json::from_slice(bytes).map_err(|error| VexError::Malformed("CSAF", error))?;
    let catalogue = Catalogue::new(&document.product_tree);
    let mut budget = Budget::new();
    let mut statements = Vec::new();
    for flaw in &document.vulnerabilities {
        let reasons = catalogue.reasons(flaw, &mut budget)?;
        let mut grouped: BTreeMap<(Status, &str), Vec<Product>> = BTreeMap::new();
        for (status, product_ids) in &flaw.product_status {
            let Some(status) = status_of(status) else { continue };
            for id in product_ids {
                let product = catalogue.product(id);
                let parts = product.components.as_ref().map_or(0, Vec::len);
                budget.take(1 + product.identities.len() + parts)?;
                let reason = reasons.get(id.as_str()).map_or("", String::as_str);
                grouped.entry((status, reason)).or_default().push(product);
            }
        }
        let aliases = flaw.ids.iter().map(|id| &id.text);
        let ids: Vec<String> =
            std::iter::once(&flaw.cve).chain(aliases).filter(|id| !id.is_empty()).cloned().collect();
        for ((status, reason), products) in grouped {
            statements.push(Statement { ids: ids.clone(), products, status, reason: reason.to_owned() });
        }
    }
    Ok(statements)
}

fn status_of(name: &str) -> Option<Status> {
    match name {
        "known_not_affected" => Some(Status::NotAffected),
        "fixed" | "first_fixed" => Some(Status::Fixed),
        "known_affected" | "first_affected" | "last_affected" => Some(Status::Affected),
        "under_investigation" => Some(Status::UnderInvestigation),
        // `recommended` says nothing about the flaw.
        _ => None,
    }
}

/// The products by their identifiers.
struct Catalogue<'a> {
    names: HashMap<&'a str, &'a Name>,
    relationships: HashMap<&'a str, &'a Relationship>,
    groups: HashMap<&'a str, &'a Group>,
}

impl<'a> Catalogue<'a> {
    fn new(tree: &'a Tree) -> Self {
        let mut names: HashMap<&str, &Name> =
            tree.full_product_names.iter().map(|name| (name.product_id.as_str(), name)).collect();
        tree.branches.iter().for_each(|branch| gather(branch, &mut names));
        Self {
            names,
            relationships: tree
                .relationships
                .iter()
                .map(|related| (related.full_product_name.product_id.as_str(), related))
                .collect(),
            groups: tree.product_groups.iter().map(|group| (group.group_id.as_str(), group)).collect(),
        }
    }

    /// A product by itself, or a component of a product. Relationships of relationships are not followed: such a product
    /// has no identity, so that no statement on it matches.
    fn product(&self, id: &str) -> Product {
        let identities = |id: &str| self.names.get(id).map(|name| identities(name)).unwrap_or_default();
        match self.relationships.get(id) {
            None => Product { identities: identities(id), components: None },
            Some(related) => {
                let own = self::identities(&related.full_product_name);
                if own.is_empty() {
                    Product {
                        identities: identities(&related.relates_to_product_reference),
                        components: Some(identities(&related.product_reference)),
                    }
                } else {
                    Product { identities: own, components: None }
                }
            }
        }
    }

    /// For each product what flags and threats say.
    fn reasons(
        &self,
        flaw: &'a Vulnerability,
        budget: &mut Budget,
    ) -> Result<HashMap<&'a str, String>, VexError> {
        let mut said: HashMap<&str, (&str, &str)> = HashMap::new();
        let impacts = flaw.threats.iter().filter(|threat| threat.category == "impact");
        for remark in flaw.flags.iter().chain(impacts) {
            let groups = remark.group_ids.iter().filter_map(|id| self.groups.get(id.as_str()));
            for ids in std::iter::once(&remark.product_ids).chain(groups.map(|group| &group.product_ids)) {
                budget.take(1 + ids.len())?;
                for id in ids {
                    let (label, details) = said.entry(id).or_default();
                    if remark.label.is_empty() {
                        *details = &remark.details;
                    } else {
                        *label = &remark.label;
                    }
                }
            }
        }
        let mut reasons = HashMap::new();
        for (id, (label, details)) in said {
            // Long words that are said of many products would fill the memory.
            budget.take(details.len() / 64)?;
            reasons.insert(id, reason(label, details));
        }
        Ok(reasons)
    }
}

/// The document's depth is bounded by its reader.
fn gather<'a>(branch: &'a Branch, names: &mut HashMap<&'a str, &'a Name>) {
    if let Some(name) = &branch.product {
        names.insert(&name.product_id, name);
    }
    branch.branches.iter().for_each(|inner| gather(inner, names));
}

fn identities(name: &Name) -> Vec<Identity> {
    let helper = &name.product_identification_helper;
    let hashes = helper.hashes.iter().flat_map(|hashes| &hashes.file_hashes);
    let hashes = hashes.filter_map(|hash| digest_identity(&hash.algorithm, &hash.value));
    purl_identity(&helper.purl).into_iter().chain(hashes).collect()
}
