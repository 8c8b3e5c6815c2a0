//! The package URLs of a bill of materials. The two formats share no field, so one type reads both.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{
    ecosystem::{Facts, File},
    json,
};

/// CycloneDX has `components`, SPDX 2 has `packages` with references.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "bomFormat")]
    cyclonedx: Option<String>,
    #[serde(rename = "spdxVersion")]
    spdx: Option<String>,
    #[serde(default, deserialize_with = "json::list")]
    components: Vec<Component>,
    #[serde(default, deserialize_with = "json::list")]
    packages: Vec<SpdxPackage>,
}

#[derive(Deserialize)]
struct Component {
    purl: Option<String>,
    #[serde(default, deserialize_with = "json::list")]
    components: Vec<Component>,
}

#[derive(Deserialize)]
struct SpdxPackage {
    #[serde(default, rename = "externalRefs", deserialize_with = "json::list")]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    #[serde(default)]
    reference_type: String,
    #[serde(default)]
    reference_locator: String,
}

/// All package URLs, each once, in order.
pub(super) fn package_urls(file: File<'_>, facts: &mut Facts) -> Option<BTreeSet<String>> {
    let document: Document = json::read(file, "malformed", facts)?;
    if document.cyclonedx.is_none() && document.spdx.is_none() {
        facts.problem("malformed", file, "it is neither CycloneDX nor SPDX 2");
        return None;
    }
    let mut urls = BTreeSet::new();
    let mut open = document.components;
    while let Some(component) = open.pop() {
        urls.extend(component.purl);
        open.extend(component.components);
    }
    let references = document.packages.into_iter().flat_map(|package| package.references);
    urls.extend(
        references
            .filter(|reference| reference.reference_type == "purl")
            .map(|reference| reference.reference_locator),
    );
    Some(urls)
}

/// A package URL, taken apart and decoded.
pub(crate) struct Parts {
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) qualifiers: BTreeMap<String, String>,
}

/// `pkg:type/namespace/name@version?qualifiers#subpath`. `None` when it is no package URL.
pub(crate) fn parts(url: &str) -> Option<Parts> {
    let rest = url.strip_prefix("pkg:")?.trim_start_matches('/');
    let rest = rest.split('#').next()?;
    let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
    let qualifiers = qualifiers.split('&').filter_map(|pair| pair.split_once('='));
    let qualifiers = qualifiers.map(|(key, value)| (key.to_lowercase(), decode(value))).collect();
    let (kind, rest) = rest.split_once('/')?;
    // The name cannot hold a slash, so an unencoded `@` of a scope before the last slash is not the version's.
    let (path, version) = match rest.rsplit_once('@') {
        Some((path, version)) if !version.contains('/') && !path.is_empty() => (path, version),
        _ => (rest, ""),
    };
    let (namespace, name) = path.rsplit_once('/').unwrap_or(("", path));
    let whole = !name.is_empty();
    whole.then(|| Parts {
        kind: kind.to_lowercase(),
        namespace: decode(namespace),
        name: decode(name),
        version: decode(version),
        qualifiers,
    })
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.split_at_checked(2).filter(|_| first == b'%');
        let code = digits.and_then(|(digits, after)| {
            let digits = str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = code.unwrap_or((first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn read(bytes: &[u8]) -> (Option<BTreeSet<String>>, usize) {
        let limits = Limits::default();
        let mut facts = Facts::default();
        let urls = package_urls(File { path: "a.cdx.json", bytes, limits: &limits }, &mut facts);
        (urls, facts.problems.len())
    }

    #[test]
    fn urls_are_taken_apart() {
        for (url, expected) in [
            ("pkg:npm/%40angular/core@1.0.0-rc%2B1?x=y", Some("npm|@angular|core|1.0.0-rc+1")),
            ("pkg:npm/@angular/core@1.0.0", Some("npm|@angular|core|1.0.0")),
            ("pkg:golang/github.com/a/b/v2@v2.1.0#sub", Some("golang|github.com/a/b|v2|v2.1.0")),
            ("pkg:bitnami/nginx", Some("bitnami||nginx|")),
            ("pkg:deb", None),
            ("http://x", None),
        ] {
            let parts =
                parts(url).map(|parts| [parts.kind, parts.namespace, parts.name, parts.version].join("|"));
            assert_eq!(parts.as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn nested_components_count_and_depth_is_bounded() {
        let nested = br#"{"bomFormat":"CycloneDX","components":[{"purl":"pkg:npm/a@1","components":[{"purl":"pkg:npm/b@2"}]}]}"#;
        assert_eq!(read(nested).0.unwrap().len(), 2);
        let deep =
            format!("{{\"bomFormat\":\"CycloneDX\",\"components\":{}", "[{\"components\":".repeat(10_000));
        assert_eq!(read(deep.as_bytes()), (None, 1));
        assert_eq!(read(b"{\"components\":[]}"), (None, 1));
    }
}
