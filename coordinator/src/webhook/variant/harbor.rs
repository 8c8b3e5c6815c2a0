//! Harbor's webhooks, in its own form (`PUSH_ARTIFACT`) and as CloudEvents (`harbor.artifact.pushed`).

use serde_json::Value;

use super::{
    super::{
        auth::Proof,
        push::{Event, Push},
    },
    Variant, text,
};

pub(super) const VARIANT: Variant = Variant { name: "harbor", proof: Proof::Header, read };

fn read(value: &Value, _: &str) -> Result<Vec<Event>, String> {
    let kind = text(value, &["type"]);
    if kind.is_empty() {
        return Err("it has no `type`".to_owned());
    }
    if kind != "PUSH_ARTIFACT" && kind != "harbor.artifact.pushed" {
        return Ok(vec![Event::Ignored("action")]);
    }
    let data = value.get("event_data").or_else(|| value.get("data"));
    let data = data.ok_or("it has neither `event_data` nor `data`")?;
    let resources = data.get("resources").and_then(Value::as_array).ok_or("it has no list `resources`")?;
    // Its own form has no id: a repeated delivery says the same moment.
    let moment = value.get("occur_at").map(Value::to_string).unwrap_or_default();
    let id = if text(value, &["id"]).is_empty() { moment } else { text(value, &["id"]) };
    let repository = text(data, &["repository", "repo_full_name"]);
    let event = |resource: &Value| {
        let url = text(resource, &["resource_url"]);
        let digest = text(resource, &["digest"]);
        let tag = text(resource, &["tag"]);
        Push {
            id: id.clone(),
            host: url.split('/').next().unwrap_or_default().to_owned(),
            repository: repository.clone(),
            // What was pushed without a tag has the digest in its place.
            tag: if tag == digest { String::new() } else { tag },
            digest,
        }
        .event()
    };
    Ok(resources.iter().map(event).collect())
}
