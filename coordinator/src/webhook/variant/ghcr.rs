//! GitHub's container registry: webhooks `registry_package` and `package`, signed with the secret.

use serde_json::Value;
use strata_proto::reference::Reference;

use super::{
    super::{
        auth::Proof,
        push::{Event, Push},
    },
    Variant, text,
};

pub(super) const VARIANT: Variant = Variant { name: "ghcr", proof: Proof::Signature, read };

fn read(value: &Value, delivery: &str) -> Result<Vec<Event>, String> {
    let Some(package) = value.get("registry_package").or_else(|| value.get("package")) else {
        // GitHub's first call to a new webhook.
        let ping = value.get("zen").is_some();
        return if ping { Ok(vec![Event::Ignored("action")]) } else { Err("it names no package".to_owned()) };
    };
    let kind = text(package, &["package_type"]);
    let action = text(value, &["action"]);
    if !kind.eq_ignore_ascii_case("container") || !matches!(action.as_str(), "published" | "updated") {
        return Ok(vec![Event::Ignored("action")]);
    }
    let version = package.get("package_version").ok_or("it has no `package_version`")?;
    // `host/owner/name:tag`, with an empty tag or none where there is no tag.
    let url = text(version, &["package_url"]);
    let place: Reference = url.trim_end_matches(':').parse().map_err(|error| format!("{error}"))?;
    let metadata = ["container_metadata", "tag"];
    let digest = text(version, &[metadata[0], metadata[1], "digest"]);
    let version_name = text(version, &["version"]);
    let digest = if digest.is_empty() && version_name.starts_with("sha256:") { version_name } else { digest };
    let push = Push {
        id: delivery.to_owned(),
        host: place.host,
        repository: place.repository,
        tag: text(version, &[metadata[0], metadata[1], "name"]),
        digest,
    };
    Ok(vec![push.event()])
}
