//! What the environment of a build tells of where an image comes from. Only the variables that are named here are read;
//! logins in addresses are cut off, so that no secret gets into the record.

use std::path::Path;

use serde_json::Value;
use strata_proto::v1::SourceContext;
use url::Url;

/// A build system: how it is known, and how it is read.
struct System {
    known_by: &'static str,
    read: fn(&Lookup<'_>) -> SourceContext,
}

/// Every system, the first one that is known counts.
const SYSTEMS: &[System] = &[
    System { known_by: "GITHUB_REPOSITORY", read: github },
    System { known_by: "GITLAB_CI", read: gitlab },
    System { known_by: "CODEBUILD_BUILD_ID", read: codebuild },
];

/// A variable's value; `None` where it is not set or empty.
type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// An event file of more than this is none.
const LARGEST_EVENT: u64 = 32 << 20;
const LONGEST: usize = 1_000;

/// What the environment tells; `None` where it tells nothing. Generic variables come before those of a system, and Wiz's
/// names after both.
pub(super) fn read(variable: &Lookup<'_>) -> Option<SourceContext> {
    let system = SYSTEMS.iter().find(|system| variable(system.known_by).is_some());
    let mut context = system.map(|system| (system.read)(variable)).unwrap_or_default();
    for (field, generic, fallback) in [
        (&mut context.repository, "STRATA_SOURCE_REPO", "WIZ_CI_REPO"),
        (&mut context.commit, "STRATA_SOURCE_COMMIT", "WIZ_CI_COMMIT_HASH"),
        (&mut context.branch, "STRATA_SOURCE_BRANCH", "WIZ_CI_BRANCH_NAME"),
        (&mut context.build_id, "STRATA_SOURCE_BUILD_ID", ""),
        (&mut context.build_url, "STRATA_SOURCE_BUILD_URL", ""),
    ] {
        if let Some(told) = variable(generic) {
            *field = told;
        } else if field.is_empty() && !fallback.is_empty() {
            *field = variable(fallback).unwrap_or_default();
        }
    }
    clean(&mut context);
    if context == SourceContext::default() {
        return None;
    }
    if context.system.is_empty() {
        "generic".clone_into(&mut context.system);
    }
    Some(context)
}

fn github(variable: &Lookup<'_>) -> SourceContext {
    let get = |name: &str| variable(name).unwrap_or_default();
    let (server, name, run) = (get("GITHUB_SERVER_URL"), get("GITHUB_REPOSITORY"), get("GITHUB_RUN_ID"));
    let server = if server.is_empty() { "https://github.com".to_owned() } else { server };
    let repository = format!("{server}/{name}");
    let attempt = variable("GITHUB_RUN_ATTEMPT").unwrap_or_else(|| "1".to_owned());
    let (is_tag, reference) = (get("GITHUB_REF_TYPE") == "tag", get("GITHUB_REF_NAME"));
    let mut context = SourceContext {
        system: "github".to_owned(),
        commit: get("GITHUB_SHA"),
        branch: if is_tag { String::new() } else { reference.clone() },
        tag: if is_tag { reference } else { String::new() },
        build_id: if run.is_empty() { String::new() } else { format!("{run}/{attempt}") },
        build_url: if run.is_empty() {
            String::new()
        } else {
            format!("{repository}/actions/runs/{run}/attempts/{attempt}")
        },
        repository,
        ..SourceContext::default()
    };
    // The commit that a pull request's build checks out is a merge that no branch has.
    if let Some(head) = variable("GITHUB_EVENT_PATH").and_then(|path| pull_request_head(Path::new(&path))) {
        context.merge_commit = std::mem::replace(&mut context.commit, head);
        context.branch = variable("GITHUB_HEAD_REF").unwrap_or(context.branch);
    }
    context
}

fn pull_request_head(event: &Path) -> Option<String> {
    let text = crate::gate::read_text(event, LARGEST_EVENT).ok()?;
    let event: Value = serde_json::from_str(&text).ok()?;
    event.pointer("/pull_request/head/sha")?.as_str().map(str::to_owned)
}

fn gitlab(variable: &Lookup<'_>) -> SourceContext {
    let get = |name: &str| variable(name).unwrap_or_default();
    let tag = get("CI_COMMIT_TAG");
    let merge = variable("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA");
    SourceContext {
        system: "gitlab".to_owned(),
        repository: get("CI_PROJECT_URL"),
        // In a pipeline of merged results the commit is a merge that no branch has.
        merge_commit: if merge.is_some() { get("CI_COMMIT_SHA") } else { String::new() },
        commit: merge.unwrap_or_else(|| get("CI_COMMIT_SHA")),
        branch: match (tag.is_empty(), variable("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")) {
            (false, _) => String::new(),
            (true, Some(branch)) => branch,
            (true, None) => get("CI_COMMIT_REF_NAME"),
        },
        tag,
        build_id: format!("{}/{}", get("CI_PIPELINE_ID"), get("CI_JOB_ID")),
        build_url: variable("CI_JOB_URL").unwrap_or_else(|| get("CI_PIPELINE_URL")),
    }
}

fn codebuild(variable: &Lookup<'_>) -> SourceContext {
    let get = |name: &str| variable(name).unwrap_or_default();
    let trigger = get("CODEBUILD_WEBHOOK_HEAD_REF");
    SourceContext {
        system: "codebuild".to_owned(),
        repository: get("CODEBUILD_SOURCE_REPO_URL"),
        // Before the source is resolved this may name a branch.
        commit: get("CODEBUILD_RESOLVED_SOURCE_VERSION"),
        branch: trigger.strip_prefix("refs/heads/").unwrap_or_default().to_owned(),
        tag: trigger.strip_prefix("refs/tags/").unwrap_or_default().to_owned(),
        build_id: get("CODEBUILD_BUILD_ID"),
        build_url: get("CODEBUILD_BUILD_URL"),
        ..SourceContext::default()
    }
}

/// Cuts logins and queries off addresses, drops commits that are none, and bounds everything.
fn clean(context: &mut SourceContext) {
    for commit in [&mut context.commit, &mut context.merge_commit] {
        commit.make_ascii_lowercase();
        let hexadecimal = commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hexadecimal || !(7..=64).contains(&commit.len()) {
            commit.clear();
        }
    }
    for address in [&mut context.repository, &mut context.build_url] {
        *address = without_login(address);
    }
    context.repository = context.repository.trim_end_matches('/').trim_end_matches(".git").to_owned();
    let texts = [&mut context.branch, &mut context.tag, &mut context.build_id];
    for text in texts.into_iter().chain([&mut context.repository, &mut context.build_url]) {
        *text = text.chars().filter(|character| !character.is_control()).take(LONGEST / 4).collect();
    }
}

/// An address as a web address without a login: `git@host:team/app` is `https://host/team/app`. What is no address is
/// dropped: nobody knows what it holds.
fn without_login(address: &str) -> String {
    if address.is_empty() {
        return String::new();
    }
    let scp = address.split_once(':').filter(|(host, path)| !host.contains('/') && !path.starts_with("//"));
    let text = match scp {
        Some((host, path)) => format!("https://{}/{path}", host.rsplit('@').next().unwrap_or_default()),
        None if address.contains("://") => address.to_owned(),
        None => format!("https://{address}"),
    };
    let Ok(mut url) = Url::parse(&text) else { return String::new() };
    if url.scheme() != "http" {
        // `ssh:` and `git:` name the same repository.
        let rest = url.as_str().split_once("://").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        match Url::parse(&format!("https://{rest}")) {
            Ok(other) => url = other,
            Err(_) => return String::new(),
        }
    }
    let cut = url.set_username("").and_then(|()| url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    cut.map(|()| url.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_logins() {
        for (address, expected) in [
            ("https://user:token@github.com/acme/app.git", "https://github.com/acme/app.git"),
            ("https://github.com/acme/app?token=1#x", "https://github.com/acme/app"),
            ("git@github.com:acme/app.git", "https://github.com/acme/app.git"),
            ("ssh://git@github.com/acme/app", "https://github.com/acme/app"),
            ("github.com/acme/app", "https://github.com/acme/app"),
            ("http://gitlab.local:8080/acme/app", "http://gitlab.local:8080/acme/app"),
            ("", ""),
            ("https://[", ""),
        ] {
            assert_eq!(without_login(address), expected, "{address}");
        }
    }

    #[test]
    fn what_is_no_commit_is_dropped_and_nothing_told_is_nothing() {
        assert_eq!(read(&|_| None), None);
        let of = |name: &str, value: &str| {
            let (name, value) = (name.to_owned(), value.to_owned());
            read(&move |asked| (asked == name).then(|| value.clone()))
        };
        assert_eq!(of("STRATA_SOURCE_COMMIT", "main"), None);
        let context = of("WIZ_CI_COMMIT_HASH", "6909610FAB").expect("a commit");
        assert_eq!((context.system.as_str(), context.commit.as_str()), ("generic", "6909610fab"));
    }
}
