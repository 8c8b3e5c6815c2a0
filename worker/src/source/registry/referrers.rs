//! Documents that are attached to an image: referrers (distribution specification 1.1, with its tag schema for
//! registries that lack the endpoint) and Cosign's older `.att` tags.
//!
//! What lists a referrer is not believed: an index may name a wrong type (Cosign writes the empty configuration's) or a
//! manifest that belongs to another image. Each manifest is opened, and must itself name the image as its subject.

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use strata_proto::digest::Digest;

use super::{Image, lineage, page, send::Answered};
use crate::{
    error::JobError,
    ports::{Attached, Attachment},
    source::{manifest::Descriptor, media, walk},
};

/// Manifests that are opened for one image.
const MAX_MANIFESTS: usize = 32;
/// Pages of referrers that are read.
const MAX_PAGES: usize = 8;
/// Documents of one image, bytes of one, and bytes of all.
const MAX_DOCUMENTS: usize = 64;
const MAX_DOCUMENT: usize = 8 << 20;
const MAX_TOTAL: usize = 32 << 20;

/// What may be a VEX document, or an envelope around one, by its layer's media type.
const WANTED: [&str; 6] = [
    "application/vnd.openvex+json",
    "application/vnd.in-toto+json",
    "application/vnd.dsse.envelope.v1+json",
    "application/vnd.dev.sigstore.bundle",
    "application/vnd.cyclonedx+json",
    "application/vnd.csaf+json",
];
/// Beginnings of the predicate types of VEX statements. What an annotation calls otherwise is not fetched.
const PREDICATES: [&str; 4] = [
    "https://openvex.dev/ns",
    "https://cyclonedx.org/vex",
    "https://cyclonedx.org/bom",
    "https://docs.oasis-open.org/csaf",
];

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Descriptor>,
    subject: Option<Descriptor>,
}

/// All that may be VEX documents of the image with that digest, and of the indexes by which the reference leads to it.
///
/// # Errors
/// When the registry cannot be asked. What it says wrongly of one document becomes a refusal of that document.
pub(super) async fn attachments(image: &Image, subject: &Digest) -> Result<Attached, JobError> {
    let mut attached = Attached::default();
    let mut budget = MAX_TOTAL;
    of_subject(image, subject, &mut budget, &mut attached).await?;
    for index in lineage::indexes(image, subject, &mut attached).await? {
        match of_subject(image, &index, &mut budget, &mut attached).await {
            Err(error) if error.later => return Err(error),
            // The image's own documents count all the same.
            Err(error) => attached.refused.push(error.message),
            Ok(()) => {}
        }
        attached.indexes.push(index.to_string());
    }
    Ok(attached)
}

/// What is attached to one manifest or index.
async fn of_subject(
    image: &Image,
    subject: &Digest,
    budget: &mut usize,
    attached: &mut Attached,
) -> Result<(), JobError> {
    let mut listed = listed(image, subject, attached).await?;
    let count = listed.len();
    if count > MAX_MANIFESTS {
        attached.refused.push(format!("{count} manifests are attached, and {MAX_MANIFESTS} are read"));
        listed.truncate(MAX_MANIFESTS);
    }
    for entry in listed {
        let Ok(digest) = entry.digest.parse::<Digest>() else {
            attached.refused.push("an attached manifest has a malformed digest".to_owned());
            continue;
        };
        let fetched = match image.document(&digest.to_string(), Some(&digest)).await {
            Ok(fetched) => fetched,
            Err(error) if error.later => return Err(error),
            Err(error) => {
                attached.refused.push(error.message);
                continue;
            }
        };
        documents(image, subject, &digest, &fetched.body, true, budget, attached).await?;
    }
    let tag = format!("sha256-{}.att", subject.hex());
    if let Some(body) = tagged(image, &tag).await? {
        let digest = Digest::of(&body);
        documents(image, subject, &digest, &body, false, budget, attached).await?;
    }
    Ok(())
}

/// The manifests that the registry lists, by the endpoint or by the tag that stands in for it.
async fn listed(
    image: &Image,
    subject: &Digest,
    attached: &mut Attached,
) -> Result<Vec<Descriptor>, JobError> {
    let [index, _] = media::INDEXES;
    let what = format!("the referrers of {}", image.what);
    let mut path = format!("referrers/{subject}");
    let mut all = Vec::new();
    for number in 0..MAX_PAGES {
        let Answered { response, login, permit } = image.ask(Method::GET, &path, index, &what).await?;
        let asked = image.asked(&what, login);
        match response.status() {
            StatusCode::OK => {}
            // Registries before version 1.1 of the specification have no such endpoint.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
                if number == 0 =>
            {
                // Its turn is over: the next request waits for one of its own.
                drop(permit);
                return fallback(image, subject).await;
            }
            _ => return Err(asked.refusal(response).await),
        }
        let full = format!("/v2/{}/{path}", image.reference.repository);
        let next = page::next(&image.registry, &image.host, &response, &full, &what).await?;
        let config = &image.registry.config;
        let body = asked.body(response, config.manifest_bytes, config.request_timeout).await?;
        drop(permit);
        all.extend(parse::<Index>(&body, &what)?.manifests);
        let Some(next) = next else { return Ok(all) };
        let prefix = format!("/v2/{}/", image.reference.repository);
        let Some(rest) = next.strip_prefix(&prefix) else {
            let message = format!("failed to read {what}: its next page is of another repository");
            return Err(JobError::never("malformed", message));
        };
        path = rest.to_owned();
    }
    attached.refused.push(format!("its referrers have more than {MAX_PAGES} pages"));
    Ok(all)
}

async fn fallback(image: &Image, subject: &Digest) -> Result<Vec<Descriptor>, JobError> {
    let tag = format!("sha256-{}", subject.hex());
    match tagged(image, &tag).await? {
        Some(body) => Ok(parse::<Index>(&body, &format!("the tag {tag} of {}", image.what))?.manifests),
        None => Ok(Vec::new()),
    }
}

/// The manifest of a tag beside the image; `None` where there is none.
async fn tagged(image: &Image, tag: &str) -> Result<Option<Bytes>, JobError> {
    match image.document(tag, None).await {
        Ok(fetched) => Ok(Some(fetched.body)),
        Err(error) if error.code == "not-found" => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], what: &str) -> Result<T, JobError> {
    serde_json::from_slice(body)
        .map_err(|error| JobError::never("malformed", format!("failed to read {what}: {error}")))
}

async fn documents(
    image: &Image,
    subject: &Digest,
    manifest: &Digest,
    body: &[u8],
    by_subject: bool,
    budget: &mut usize,
    attached: &mut Attached,
) -> Result<(), JobError> {
    let what = format!("the attached manifest {manifest} of {}", image.what);
    let parsed: Manifest = match parse(body, &what) {
        Ok(parsed) => parsed,
        Err(error) => {
            attached.refused.push(error.message);
            return Ok(());
        }
    };
    if by_subject && parsed.subject.is_none_or(|named| named.digest != subject.to_string()) {
        attached.refused.push(format!("{what} names another image as its subject"));
        return Ok(());
    }
    for layer in parsed.layers.iter().filter(|layer| is_wanted(layer)) {
        if attached.documents.len() >= MAX_DOCUMENTS {
            attached.refused.push(format!("more than {MAX_DOCUMENTS} documents are attached"));
            return Ok(());
        }
        match document(image, layer, *budget).await {
            Ok(content) => {
                *budget = budget.saturating_sub(content.len());
                attached.documents.push(Attachment {
                    manifest: manifest.to_string(),
                    digest: layer.digest.clone(),
                    content,
                });
            }
            Err(error) if error.later => return Err(error),
            Err(error) => attached.refused.push(error.message),
        }
    }
    Ok(())
}

fn is_wanted(layer: &Descriptor) -> bool {
    let predicate =
        layer.annotation("predicateType").or_else(|| layer.annotation("in-toto.io/predicate-type"));
    let predicate = predicate.filter(|predicate| !predicate.is_empty());
    WANTED.iter().any(|wanted| layer.media_type.starts_with(wanted))
        && predicate.is_none_or(|predicate| PREDICATES.iter().any(|wanted| predicate.starts_with(wanted)))
}

async fn document(image: &Image, layer: &Descriptor, budget: usize) -> Result<Bytes, JobError> {
    let what = format!("an attached document of {}", image.what);
    let digest: Digest = layer
        .digest
        .parse()
        .map_err(|error| JobError::never("malformed", format!("failed to read {what}: {error}")))?;
    let path = format!("blobs/{digest}");
    let Answered { response, login, permit: _held } = image.ask(Method::GET, &path, "", &what).await?;
    let asked = image.asked(&what, login);
    if response.status() != StatusCode::OK {
        return Err(asked.refusal(response).await);
    }
    let time = image.registry.config.request_timeout;
    let body = asked.body(response, MAX_DOCUMENT.min(budget), time).await?;
    walk::verify(&body, &digest, &image.what, "attached document")?;
    Ok(body)
}
