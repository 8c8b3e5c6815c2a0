//! npm: a `package.json` that has a name and a version, anywhere: in `node_modules`, or an application's own.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    json,
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// npm's row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "npm",
    revision: 1,
    reads: "`package.json` with a name and a version",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::NPM,
    system: false,
};

fn wants(candidate: Candidate<'_>) -> Want {
    if candidate.name == "package.json" { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let bytes = file.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file.bytes);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let manifest = json.deserialize_any(ManifestVisitor).and_then(|manifest| json.end().map(|()| manifest));
    match manifest {
        Ok(Manifest { name: Some(name), version: Some(version) })
            if !name.is_empty() && !version.is_empty() =>
        {
            facts.package(file, Package { name, version, ..Package::default() });
        }
        // Many a file of this name only switches the module type of its directory, or marks a private workspace.
        Ok(_) => {}
        Err(error) if is_package_root(file.path) => {
            facts.problem("malformed", file, format!("is not valid JSON: {}", json::flaw(&error)));
        }
        // Deep inside a package: test data of its authors, which Node itself never reads.
        Err(_) => {}
    }
}

/// Whether Node would read this file as that of a package: right below `node_modules` or a scope, or outside of any.
fn is_package_root(path: &str) -> bool {
    let Some((_, inside)) = path.rsplit_once("node_modules/") else { return true };
    let depth = inside.split('/').count();
    depth == if inside.starts_with('@') { 3 } else { 2 }
}

fn package_url(package: &Package, _: Option<&Distribution>) -> String {
    match package.name.split_once('/') {
        Some((scope, name)) if scope.starts_with('@') => purl("npm", &[scope], name, &package.version, &[]),
        _ => purl("npm", &[], &package.name, &package.version, &[]),
    }
}

fn advisory_keys(package: &Package, _: Option<&Distribution>) -> Vec<AdvisoryKey> {
    let (name, version) = (package.name.clone(), package.version.clone());
    vec![AdvisoryKey { ecosystem: "npm".to_owned(), name, version }]
}

/// The two fields that matter. Nothing else of the document is kept in memory.
#[derive(Default)]
struct Manifest {
    name: Option<String>,
    version: Option<String>,
}

struct ManifestVisitor;

impl<'de> Visitor<'de> for ManifestVisitor {
    type Value = Manifest;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Manifest, A::Error> {
        let mut manifest = Manifest::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => manifest.name = map.next_value::<Text>()?.0,
                "version" => manifest.version = map.next_value::<Text>()?.0,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(manifest)
    }
}

/// A string, or nothing for any other value.
struct Text(Option<String>);

impl<'de> serde::Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(Some(text.trim().to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Text, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

#[cfg(test)]
mod tests {
    use super::is_package_root;

    #[test]
    fn roots() {
        for (path, expected) in [
            ("app/package.json", true),
            ("app/node_modules/a/package.json", true),
            ("app/node_modules/@s/a/package.json", true),
            ("app/node_modules/a/node_modules/b/package.json", true),
            ("app/node_modules/a/test/x/package.json", false),
            ("app/node_modules/@s/a/test/package.json", false),
        ] {
            assert_eq!(is_package_root(path), expected, "{path}");
        }
    }
}
