//! Where images come from, told after the fact: checked, and recorded as a scan that has ended.

use prost::Message as _;
use strata_proto::{
    digest::Digest,
    reference::Reference,
    subject::key_of,
    v1::{
        Event, Ledger, Scan, ScanFinished, ScanStarted, ScanState, SourceContext, SubmitRequest, Summary,
        TagImageRequest, TagImageResponse, event::Kind,
    },
};

use super::{CallError, Handle, id, validate};
use crate::{access::sight::Sight, drive::now_ms, ports::NewTag};

impl Handle {
    /// Tells where an image comes from: every report of it has that from then on, also those that come later.
    ///
    /// # Errors
    /// [`CallError::Invalid`] names what is wrong with it; [`CallError::Denied`] a reference beyond the caller's repositories.
    pub async fn tag_image(&self, request: TagImageRequest) -> Result<TagImageResponse, CallError> {
        let tag = tag(request, &self.sight)?;
        let tagged = self.archive.tag_image(&tag).await?;
        if tagged.scan.owner != self.sight.owner {
            return Err(CallError::Invalid("another's scan has this tag's idempotency key".to_owned()));
        }
        let repeated = tagged.scan.id != tag.scan.id;
        tracing::info!(scan = tagged.scan.id, reports = tagged.reports, repeated, "an image was tagged");
        Ok(TagImageResponse { scan_id: tagged.scan.id, reports: tagged.reports, repeated })
    }
}

/// A checked tag of somebody's, as an archive takes it.
///
/// # Errors
/// As [`Handle::tag_image`].
pub fn tag(request: TagImageRequest, sight: &Sight) -> Result<NewTag, CallError> {
    let request = check(request).map_err(CallError::Invalid)?;
    if request.reference.is_empty() && !sight.prefixes.is_empty() {
        let text = "this token is for some repositories only: the image needs a reference in one of them";
        return Err(CallError::Denied(text.to_owned()));
    }
    if !request.reference.is_empty() && !sight.admits(&request.reference) {
        let text = format!("{} is beyond this token's repositories", request.reference);
        return Err(CallError::Denied(text));
    }
    let now = now_ms();
    let key = key_of(&[&sight.owner, &Digest::of(&request.encode_to_vec()).to_string()]);
    let TagImageRequest { reference, image_digest, image_id, source } = request.clone();
    let names = [&reference, &image_digest, &image_id].into_iter().find(|name| !name.is_empty());
    let mut scan = Scan {
        id: id::scan_id(now),
        request: Some(SubmitRequest {
            images: names.cloned().into_iter().collect(),
            idempotency_key: format!("tag:{key}"),
            tenant: sight.tenant.clone(),
            source,
            ..SubmitRequest::default()
        }),
        summary: Some(Summary { ledger: Some(Ledger::default()), ..Summary::default() }),
        created_unix_ms: now,
        finished_unix_ms: now,
        last_sequence: 2,
        owner: sight.owner.clone(),
        tagged: Some(request),
        ..Scan::default()
    };
    scan.set_state(ScanState::Completed);
    let finished = ScanFinished { state: scan.state, summary: scan.summary.clone() };
    let event =
        |(sequence, kind)| Event { sequence, scan_id: scan.id.clone(), time_unix_ms: now, kind: Some(kind) };
    let events = (1..).zip([Kind::Started(ScanStarted {}), Kind::Finished(finished)]).map(event).collect();
    let prefixes = sight.prefixes.clone();
    Ok(NewTag { scan, events, reference, image_digest, image_id, prefixes, at_unix_ms: now })
}

/// A reference loses its digest to the field that has it: images are found under their tags.
fn check(mut request: TagImageRequest) -> Result<TagImageRequest, String> {
    if !request.reference.is_empty() {
        let mut reference: Reference = request
            .reference
            .parse()
            .map_err(|error: strata_proto::reference::BadReference| error.to_string())?;
        if let Some(digest) = &reference.digest {
            let digest = digest.to_string();
            if !request.image_digest.is_empty() && request.image_digest != digest {
                return Err(format!(
                    "{} and the digest {} are two images",
                    request.reference, request.image_digest
                ));
            }
            request.image_digest = digest;
            if reference.tag.is_some() {
                reference.digest = None;
            }
        }
        request.reference = reference.to_string();
    }
    for (name, text) in [("digest", &request.image_digest), ("image id", &request.image_id)] {
        if !text.is_empty() {
            text.parse::<Digest>().map_err(|error| format!("the image's {name}: {error}"))?;
        }
    }
    if request.reference.is_empty() && request.image_digest.is_empty() && request.image_id.is_empty() {
        return Err("a tag names an image: by reference, digest or image id".to_owned());
    }
    let source = request.source.as_mut().ok_or("a tag says where the image comes from")?;
    validate::source(source)?;
    let told = SourceContext { system: String::new(), ..source.clone() };
    if told == SourceContext::default() {
        return Err("a tag says where the image comes from".to_owned());
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(reference: &str, digest: &str, id: &str) -> TagImageRequest {
        let source = SourceContext { commit: "ABCDEF1".to_owned(), ..SourceContext::default() };
        TagImageRequest {
            reference: reference.to_owned(),
            image_digest: digest.to_owned(),
            image_id: id.to_owned(),
            source: Some(source),
        }
    }

    #[test]
    fn an_image_has_its_names_in_full_and_its_digest_apart() {
        let (one, other) = (Digest::of(b"1").to_string(), Digest::of(b"2").to_string());
        let pinned = format!("r.example/a@{one}");
        for (given, want) in [
            (request("app", "", ""), ("docker.io/library/app:latest", "", "")),
            (request("r.example/a:1", &one, &other), ("r.example/a:1", one.as_str(), other.as_str())),
            (request(&format!("r.example/a:1@{one}"), "", ""), ("r.example/a:1", one.as_str(), "")),
            (request(&pinned, &one, ""), (pinned.as_str(), one.as_str(), "")),
            (request("", "", &other), ("", "", other.as_str())),
        ] {
            let tag = tag(given, &Sight::default()).expect("sound");
            assert_eq!((tag.reference.as_str(), tag.image_digest.as_str(), tag.image_id.as_str()), want);
            let source = tag.scan.request.and_then(|request| request.source).expect("a source");
            assert_eq!(source.commit, "abcdef1", "as it is searched for");
        }
    }

    #[test]
    fn what_names_nothing_tells_nothing_or_is_anothers_is_refused() {
        let (one, other) = (Digest::of(b"1").to_string(), Digest::of(b"2").to_string());
        let silent = TagImageRequest {
            source: Some(SourceContext { system: "generic".to_owned(), ..SourceContext::default() }),
            ..request("a", "", "")
        };
        let team = Sight { prefixes: vec!["r.example/team".parse().expect("a prefix")], ..Sight::default() };
        let all = Sight::default();
        for (given, sight, says) in [
            (request("", "", ""), &all, "names an image"),
            (request("UPPER", "", ""), &all, "UPPER"),
            (request("a", "sha256:1", ""), &all, "the image's digest"),
            (request("a", "", "x"), &all, "the image's image id"),
            (request(&format!("a@{one}"), &other, ""), &all, "two images"),
            (silent, &all, "where the image comes from"),
            (TagImageRequest { source: None, ..request("a", "", "") }, &all, "where the image comes from"),
            (request("r.example/b:1", "", ""), &team, "beyond this token's repositories"),
            (request("", &one, ""), &team, "needs a reference"),
        ] {
            let error = tag(given, sight).expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
