//! VEX: what a vendor, or the image's own maker, says about flaws of a product. Three kinds of documents become
//! statements; [`apply`] says for each finding whether a statement answers it. No finding is ever dropped.
//!
//! In doubt a statement does not match: a flaw that is shown too often costs less than one that is hidden wrongly.

mod csaf;
mod cyclonedx;
mod openvex;
mod purl;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::{Deserialize, de::IgnoredAny};

/// Bytes of one document.
const DOCUMENT_BYTES: usize = 64 << 20;
/// Products that the statements of one document may name, and steps that lead to them.
const PRODUCTS: usize = 2_000_000;

/// Why a document gives no statement.
#[derive(Debug, thiserror::Error)]
pub enum VexError {
    /// It is none of the three kinds.
    #[error("the document is no OpenVEX, CSAF or CycloneDX")]
    Unknown,
    /// It is not as its format asks.
    #[error("the {0} document is malformed")]
    Malformed(&'static str, #[source] serde_json::Error),
    /// It exceeds a limit.
    #[error("the document exceeds a limit: {0}")]
    Limit(&'static str),
}

/// What a statement says of its products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// The flaw does not concern the product.
    NotAffected,
    /// The product is flawed.
    Affected,
    /// This version of the product has a fix.
    Fixed,
    /// Nobody knows yet.
    UnderInvestigation,
}

/// What names a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A package URL; without a version it names all versions, without a qualifier all values of it.
    Purl(String),
    /// A SHA-256 digest, lower-case hexadecimal digits.
    Sha256(String),
}

/// A product of a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Product {
    /// Names of the product: any of them.
    pub identities: Vec<Identity>,
    /// The components of the product that the statement speaks of: any of them. `None` is the product itself.
    pub components: Option<Vec<Identity>>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Identifiers of the flaw: its name and its aliases.
    pub ids: Vec<String>,
    /// Of which products it speaks.
    pub products: Vec<Product>,
    /// What it says.
    pub status: Status,
    /// Justification, and the impact in words; may be empty.
    pub reason: String,
}

/// Reads a document of any of the three kinds.
///
/// # Errors
/// When it is none of them, malformed, or too large.
pub fn parse(bytes: &[u8]) -> Result<Vec<Statement>, VexError> {
    /// The field that only one kind has.
    #[derive(Deserialize)]
    struct Probe {
        #[serde(rename = "@context")]
        context: Option<IgnoredAny>,
        document: Option<IgnoredAny>,
        #[serde(rename = "bomFormat")]
        bom_format: Option<IgnoredAny>,
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.len() > DOCUMENT_BYTES {
        return Err(VexError::Limit("it has more than 64 MiB"));
    }
    let probe: Probe = serde_json::from_slice(bytes).map_err(|error| VexError::Malformed("JSON", error))?;
    match probe {
        Probe { bom_format: Some(_), .. } => cyclonedx::parse(bytes),
        Probe { document: Some(_), .. } => csaf::parse(bytes),
        Probe { context: Some(_), .. } => openvex::parse(bytes),
        _ => Err(VexError::Unknown),
    }
}

/// The image in which findings were made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Image<'a> {
    /// Its digests, `sha256:` and hexadecimal digits: of its manifest, its index, its configuration.
    pub digests: &'a [&'a str],
    /// Package URLs under which it is known: `pkg:oci/app?repository_url=registry.example/app`.
    pub purls: &'a [&'a str],
}

/// A finding as far as statements can speak of it.
#[derive(Debug, Clone)]
pub struct Flaw<'a> {
    /// Package URL of the package.
    pub purl: &'a str,
    /// Identifier and aliases.
    pub ids: Vec<&'a str>,
}

/// Why a finding is suppressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// [`Status::NotAffected`] or [`Status::Fixed`].
    pub status: Status,
    /// Index of the statement.
    pub statement: usize,
    /// For people: `not_affected: vulnerable_code_not_present`.
    pub text: String,
}

/// For each finding, in order: whether a statement suppresses it.
///
/// Of several statements that match, the last one counts, so that a later "affected" takes an earlier "not affected"
/// back: give older documents first.
#[must_use]
pub fn apply(image: Image<'_>, flaws: &[Flaw<'_>], statements: &[Statement]) -> Vec<Option<Suppression>> {
    let mut by_id: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, statement) in statements.iter().enumerate() {
        for id in &statement.ids {
            by_id.entry(id.to_ascii_uppercase()).or_default().push(index);
        }
    }
    let answer = |flaw: &Flaw<'_>| {
        let mut asked: Vec<usize> =
            flaw.ids.iter().filter_map(|id| by_id.get(&id.to_ascii_uppercase())).flatten().copied().collect();
        asked.sort_unstable();
        asked.dedup();
        asked.into_iter().rev().find_map(|index| {
            let statement = statements.get(index)?;
            let mut products = statement.products.iter();
            products
                .any(|product| speaks_of(product, statement.status, image, flaw))
                .then_some((index, statement))
        })
    };
    flaws
        .iter()
        .map(|flaw| answer(flaw).and_then(|(index, statement)| suppression(index, statement)))
        .collect()
}

fn suppression(index: usize, statement: &Statement) -> Option<Suppression> {
    let word = match statement.status {
        Status::NotAffected => "not_affected",
        Status::Fixed => "fixed",
        Status::Affected | Status::UnderInvestigation => return None,
    };
    let text =
        if statement.reason.is_empty() { word.to_owned() } else { format!("{word}: {}", statement.reason) };
    Some(Suppression { status: statement.status, statement: index, text })
}

fn speaks_of(product: &Product, status: Status, image: Image<'_>, flaw: &Flaw<'_>) -> bool {
    // "Fixed" without a version would be said of every version.
    let is_package = |identity: &Identity| match identity {
        Identity::Purl(said) => purl::matches(said, flaw.purl, status == Status::Fixed),
        Identity::Sha256(_) => false,
    };
    match &product.components {
        Some(components) => {
            product.identities.iter().any(|identity| is_image(identity, image, false))
                && components.iter().any(is_package)
        }
        None => product
            .identities
            .iter()
            .any(|identity| is_package(identity) || is_image(identity, image, status == Status::Fixed)),
    }
}

fn is_image(identity: &Identity, image: Image<'_>, versioned: bool) -> bool {
    let has = |hex: &str| {
        image.digests.iter().filter_map(|digest| digest.strip_prefix("sha256:")).any(|digest| digest == hex)
    };
    match identity {
        Identity::Sha256(hex) => has(hex),
        Identity::Purl(said) => {
            purl::digest(said).is_some_and(|hex| has(&hex))
                || image.purls.iter().any(|purl| purl::matches(said, purl, versioned))
        }
    }
}

/// The identities that a text may be: only package URLs say which.
fn purl_identity(text: &str) -> Option<Identity> {
    text.starts_with("pkg:").then(|| Identity::Purl(text.to_owned()))
}

/// A digest, where its algorithm is SHA-256 by any of its spellings.
fn digest_identity(algorithm: &str, value: &str) -> Option<Identity> {
    let sha256 = algorithm.eq_ignore_ascii_case("sha-256") || algorithm.eq_ignore_ascii_case("sha256");
    let hex = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    (sha256 && hex).then(|| Identity::Sha256(value.to_ascii_lowercase()))
}

/// Justification and words, as one reason.
fn reason(justification: &str, words: &str) -> String {
    let parts: Vec<&str> =
        [justification.trim(), words.trim()].into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(": ")
}

/// What is left of [`PRODUCTS`].
struct Budget(usize);

impl Budget {
    const fn new() -> Self {
        Self(PRODUCTS)
    }

    fn take(&mut self, count: usize) -> Result<(), VexError> {
        self.0 = self.0.checked_sub(count).ok_or(VexError::Limit("its statements name too many products"))?;
        Ok(())
    }
}
