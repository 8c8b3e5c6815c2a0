//! Docker Distribution's notifications (`application/vnd.docker.distribution.events.v1+json`): an envelope of events.

use serde_json::Value;

use super::{
    super::{
        auth::Proof,
        push::{Event, Push, no_image},
    },
    Variant, text,
};

pub(super) const VARIANT: Variant = Variant { name: "distribution", proof: Proof::Header, read };

fn read(value: &Value, _: &str) -> Result<Vec<Event>, String> {
    let events = value.get("events").and_then(Value::as_array).ok_or("it has no list `events`")?;
    Ok(events.iter().map(event).collect())
}

/// One event; Azure's registry sends the same form.
pub(super) fn event(event: &Value) -> Event {
    if text(event, &["action"]) != "push" {
        return Event::Ignored("action");
    }
    // With `includereferences` the configuration is told: `target.references`, the first one.
    let config = event.pointer("/target/references/0/mediaType").and_then(Value::as_str).unwrap_or_default();
    let config = if is_manifest(config) { "" } else { config };
    if text(event, &["target", "mediaType"]).is_empty() {
        return Event::Ignored("blob");
    }
    if let Some(reason) = no_image(&text(event, &["target", "mediaType"]), config) {
        return Event::Ignored(reason);
    }
    Push {
        id: text(event, &["id"]),
        host: text(event, &["request", "host"]),
        repository: text(event, &["target", "repository"]),
        tag: text(event, &["target", "tag"]),
        digest: text(event, &["target", "digest"]),
    }
    .event()
}

/// An index refers to manifests and has no configuration.
fn is_manifest(media_type: &str) -> bool {
    media_type.contains(".manifest.") || media_type.contains(".index.")
}
