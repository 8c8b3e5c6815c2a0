//! CycloneDX and SPDX 2 documents as far as they matter: what stands in them, by package URL, and the operating system.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::json;

/// A document of either format.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) spdx: bool,
    pub(super) items: Vec<Item>,
    /// Packages without a package URL.
    pub(super) nameless: Vec<String>,
    /// Operating systems: name, version and CPE.
    pub(super) systems: Vec<[String; 3]>,
}

/// A package.
#[derive(Debug, Default)]
pub(super) struct Item {
    pub(super) purl: String,
    /// As the ecosystem spells it, where the package URL may not.
    pub(super) name: String,
    /// The file of the image that says so; empty where the document does not tell.
    pub(super) file: String,
    /// Properties of CycloneDX.
    pub(super) properties: BTreeMap<String, String>,
    /// Name and version of the source package, in one line as Trivy's SPDX has them.
    pub(super) built_from: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    bom_format: Option<String>,
    spec_version: Option<String>,
    spdx_version: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default, deserialize_with = "json::list")]
    components: Vec<Component>,
    #[serde(default, deserialize_with = "json::list")]
    packages: Vec<SpdxPackage>,
    #[serde(default, deserialize_with = "json::list")]
    document_describes: Vec<String>,
    #[serde(default, deserialize_with = "json::list")]
    relationships: Vec<Relationship>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    component: Option<Component>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    purl: Option<String>,
    #[serde(default)]
    cpe: Option<String>,
    #[serde(default, deserialize_with = "json::list")]
    components: Vec<Component>,
    #[serde(default, deserialize_with = "json::list")]
    properties: Vec<Property>,
    #[serde(default)]
    evidence: Option<Evidence>,
}

/// An object here; in CycloneDX 1.2 there is none.
#[derive(Deserialize)]
struct Evidence {
    #[serde(default, deserialize_with = "json::list")]
    occurrences: Vec<Occurrence>,
}

#[derive(Deserialize)]
struct Occurrence {
    #[serde(default)]
    location: String,
}

#[derive(Deserialize)]
struct Property {
    #[serde(default)]
    name: String,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpdxPackage {
    #[serde(default, rename = "SPDXID")]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version_info: Option<String>,
    #[serde(default)]
    primary_package_purpose: Option<String>,
    #[serde(default)]
    source_info: Option<String>,
    #[serde(default, deserialize_with = "json::list")]
    external_refs: Vec<Reference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    #[serde(default)]
    reference_type: String,
    #[serde(default)]
    reference_locator: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    #[serde(default)]
    spdx_element_id: String,
    #[serde(default)]
    related_spdx_element: String,
    #[serde(default)]
    relationship_type: String,
}

/// Reads a document; the error says why it is none.
pub(super) fn read(bytes: &[u8]) -> Result<Document, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let raw: Raw = serde_json::from_slice(bytes)
        .map_err(|error| format!("it is no bill of materials in JSON: {}", json::flaw(&error)))?;
    match (&raw.bom_format, &raw.spdx_version) {
        (Some(format), _) if format == "CycloneDX" => {
            let version = raw.spec_version.clone().unwrap_or_default();
            if !["1.2", "1.3", "1.4", "1.5", "1.6", "1.7"].contains(&version.as_str()) {
                return Err(format!("it is CycloneDX {version}, which is not known"));
            }
            Ok(cyclonedx(raw))
        }
        (_, Some(version)) if version == "SPDX-2.2" || version == "SPDX-2.3" => Ok(spdx(raw)),
        (_, Some(version)) => Err(format!("it is {version}, which is not known; SPDX-2.2 and SPDX-2.3 are")),
        _ => Err("it is neither CycloneDX nor SPDX 2 in JSON".to_owned()),
    }
}

fn cyclonedx(raw: Raw) -> Document {
    let mut document = Document::default();
    // What the document is about is no package of it, but may hold some.
    let mut open: Vec<Component> =
        raw.metadata.and_then(|metadata| metadata.component).map(|root| root.components).unwrap_or_default();
    open.extend(raw.components);
    while let Some(component) = open.pop() {
        open.extend(component.components);
        let text = |text: Option<String>| text.unwrap_or_default();
        if component.kind == "operating-system" {
            document.systems.push([component.name, text(component.version), text(component.cpe)]);
            continue;
        }
        let properties = component.properties.into_iter();
        let properties = properties.filter_map(|property| Some((property.name, property.value?))).collect();
        match component.purl {
            Some(purl) if !purl.is_empty() => {
                let places = component.evidence.into_iter().flat_map(|evidence| evidence.occurrences);
                let file = places.map(|place| place.location).next().unwrap_or_default();
                let name = component.name;
                document.items.push(Item { purl, name, file, properties, built_from: String::new() });
            }
            // Files and the like are no packages.
            _ if ["library", "application", "framework"].contains(&component.kind.as_str()) => {
                document.nameless.push(component.name);
            }
            _ => {}
        }
    }
    document
}

fn spdx(raw: Raw) -> Document {
    let mut document = Document { spdx: true, ..Document::default() };
    let described = raw.relationships.iter().filter(|relationship| {
        relationship.relationship_type == "DESCRIBES" && relationship.spdx_element_id == "SPDXRef-DOCUMENT"
    });
    let described: Vec<&String> = described
        .map(|relationship| &relationship.related_spdx_element)
        .chain(&raw.document_describes)
        .collect();
    for package in raw.packages {
        let find = |kind: &str| {
            let mut found = package.external_refs.iter();
            found
                .find(|reference| reference.reference_type == kind)
                .map(|found| found.reference_locator.clone())
        };
        let purpose = package.primary_package_purpose.as_deref().unwrap_or_default();
        if purpose == "OPERATING-SYSTEM" {
            let cpe = find("cpe23Type").unwrap_or_default();
            document.systems.push([package.name, package.version_info.unwrap_or_default(), cpe]);
            continue;
        }
        match find("purl") {
            Some(purl) if !purl.is_empty() => {
                let info = package.source_info.unwrap_or_default();
                let after = |start: &str| info.strip_prefix(start).map(str::to_owned).unwrap_or_default();
                document.items.push(Item {
                    purl,
                    name: package.name,
                    file: after("found in "),
                    built_from: after("built package from: "),
                    properties: BTreeMap::new(),
                });
            }
            _ if described.iter().any(|id| **id == package.id) => {}
            _ if ["CONTAINER", "FILE", "ARCHIVE", "SOURCE", "DEVICE"].contains(&purpose) => {}
            _ => document.nameless.push(package.name),
        }
    }
    document
}
