//! Requests are checked before they are recorded: what a plan works with is well-formed.

use strata_proto::{
    reference::{Reference, is_host, is_repository},
    v1::{Lane, RegistryTarget, SearchReportsRequest, SourceContext, SubmitRequest},
};

/// Most images, repositories or patterns in one request.
const MOST: usize = 100_000;
const LONGEST_TEXT: usize = 256;
const LONGEST_PATTERN: usize = 1_024;
const LONGEST_PATH: usize = 4_096;
/// What begins the references of archives, and of all else that is no registry's, on the machine of an embedded coordinator.
pub const ARCHIVES: [&str; 7] =
    ["docker-archive:", "oci:", "oci-archive:", "dir:", "sbom:", "docker-daemon:", "containerd:"];

/// Checks a request and writes its references in full.
pub(super) fn request(mut request: SubmitRequest, allow_archives: bool) -> Result<SubmitRequest, String> {
    match (&request.registry, request.images.len()) {
        (None, 0) => return Err("a scan needs images or a registry".to_owned()),
        (Some(_), 1..) => return Err("a scan is of images or of a registry, not of both".to_owned()),
        (_, count) if count > MOST => return Err(format!("{count} images are more than {MOST}")),
        (Some(registry), _) => check_registry(registry)?,
        (None, _) => {}
    }
    for image in &mut request.images {
        *image = reference(image, allow_archives)?;
    }
    if !request.platform.is_empty() && !is_platform(&request.platform) {
        return Err(format!(
            "`{}` is not a platform of the form os/architecture[/variant]",
            request.platform
        ));
    }
    if Lane::try_from(request.lane).is_err() {
        return Err(format!("there is no lane {}", request.lane));
    }
    for (name, text) in [("idempotency key", &request.idempotency_key), ("tenant", &request.tenant)] {
        if text.len() > LONGEST_TEXT || text.contains('\0') {
            return Err(format!("the {name} is longer than {LONGEST_TEXT} bytes or has a zero byte"));
        }
    }
    request.source.as_mut().map_or(Ok(()), source)?;
    Ok(request)
}

/// Commits are kept in lower case, by which they are found; no part of a source may be without bounds.
pub(super) fn source(source: &mut SourceContext) -> Result<(), String> {
    for commit in [&mut source.commit, &mut source.merge_commit] {
        commit.make_ascii_lowercase();
        if commit_prefix(commit).is_err() {
            return Err(format!("`{}` is not a commit", short(commit)));
        }
    }
    let texts = [
        &source.system,
        &source.repository,
        &source.branch,
        &source.tag,
        &source.build_id,
        &source.build_url,
    ];
    match texts.iter().any(|text| !is_sound(text)) {
        true => {
            Err(format!("a part of the source is longer than {LONGEST_PATTERN} bytes or has a zero byte"))
        }
        false => Ok(()),
    }
}

/// Checks what reports are searched by: nothing, or the first seven digits of a commit at least.
pub(super) fn commit_prefix(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    match text.is_empty() || is_hex(&text) && (7..=64).contains(&text.len()) {
        true => Ok(text),
        false => Err(format!("`{}` is neither a commit nor at least seven digits of one", short(&text))),
    }
}

/// Checks what reports are searched by: no text without bounds, none that a database does not take.
pub(super) fn query(query: &mut SearchReportsRequest) -> Result<(), String> {
    query.commit = commit_prefix(&query.commit)?;
    let SearchReportsRequest { image_digest, reference, vulnerability, package, .. } = &*query;
    let SearchReportsRequest { image_id, branch, tag, build_id, repository, report_id, .. } = &*query;
    let texts = [image_digest, reference, vulnerability, package, image_id, branch, tag, build_id];
    match texts.into_iter().chain([repository, report_id]).find(|text| !is_sound(text)) {
        Some(text) => {
            Err(format!("`{}` is longer than {LONGEST_PATTERN} bytes or has a zero byte", short(text)))
        }
        None => Ok(()),
    }
}

/// Whether a text is within bounds and one that every database takes.
pub(super) fn is_sound(text: &str) -> bool {
    text.len() <= LONGEST_PATTERN && !text.contains('\0')
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn reference(text: &str, allow_archives: bool) -> Result<String, String> {
    if ARCHIVES.iter().any(|scheme| text.starts_with(scheme)) {
        if !allow_archives {
            return Err(format!(
                "`{}` is an archive, which only a scan without a server can read",
                short(text)
            ));
        }
        if text.len() > LONGEST_PATH || text.contains('\0') {
            return Err(format!("the path of `{}` is too long or has a zero byte", short(text)));
        }
        return Ok(text.to_owned());
    }
    text.parse::<Reference>().map(|reference| reference.to_string()).map_err(|error| error.to_string())
}

fn check_registry(registry: &RegistryTarget) -> Result<(), String> {
    if !is_host(&registry.host) {
        return Err(format!("`{}` is not a registry's host", short(&registry.host)));
    }
    if registry.prefix.len() > LONGEST_PATTERN {
        return Err(format!("the prefix is longer than {LONGEST_PATTERN} bytes"));
    }
    let count = registry.repositories.len().max(registry.include.len()).max(registry.exclude.len());
    if count > MOST {
        return Err(format!("{count} repositories or patterns are more than {MOST}"));
    }
    if let Some(name) = registry.repositories.iter().find(|name| !is_repository(name)) {
        return Err(format!("`{}` is not a repository's name", short(name)));
    }
    let patterns = registry.include.iter().chain(&registry.exclude);
    match patterns.clone().find(|pattern| pattern.is_empty() || pattern.len() > LONGEST_PATTERN) {
        Some(pattern) => {
            Err(format!("the pattern `{}` is empty or longer than {LONGEST_PATTERN} bytes", short(pattern)))
        }
        None => Ok(()),
    }
}

fn is_platform(text: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    text.len() <= 100 && (2..=3).contains(&text.split('/').count()) && text.split('/').all(word)
}

pub(super) fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(images: &[&str]) -> SubmitRequest {
        SubmitRequest { images: images.iter().map(|&image| image.to_owned()).collect(), ..Default::default() }
    }

    fn registry(edit: impl FnOnce(&mut RegistryTarget)) -> SubmitRequest {
        let mut target = RegistryTarget { host: "r.example:5000".to_owned(), ..Default::default() };
        edit(&mut target);
        SubmitRequest { registry: Some(target), ..Default::default() }
    }

    #[test]
    fn references_are_written_in_full() {
        let checked = request(images(&["alpine", "oci:/a dir"]), true).expect("valid");
        assert_eq!(checked.images, ["docker.io/library/alpine:latest", "oci:/a dir"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_named() {
        let platform = SubmitRequest { platform: "linux".to_owned(), ..images(&["a"]) };
        let lane = SubmitRequest { lane: 9, ..images(&["a"]) };
        let both = SubmitRequest { images: vec!["a".to_owned()], ..registry(|_| {}) };
        for (wrong, names) in [
            (SubmitRequest::default(), "needs images or a registry"),
            (both, "not of both"),
            (images(&["UPPER"]), "UPPER"),
            (images(&["docker-archive:a/x.tar"]), "docker-archive:a/x.tar"),
            (platform, "`linux`"),
            (lane, "lane 9"),
            (registry(|target| target.host = "a host".to_owned()), "`a host`"),
            (registry(|target| target.repositories.push("Bad".to_owned())), "`Bad`"),
            (registry(|target| target.include.push(String::new())), "pattern"),
            (SubmitRequest { tenant: "t".repeat(300), ..images(&["a"]) }, "tenant"),
        ] {
            let error = request(wrong, false).expect_err(names);
            assert!(error.contains(names), "{error}");
        }
    }
}
