//! Google's Artifact Registry and Container Registry: messages of the Pub/Sub topic `gcr`, pushed to an address.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use strata_proto::reference::Reference;

use super::{
    super::{
        auth::Proof,
        push::{Event, Push},
    },
    Variant, text,
};

pub(super) const VARIANT: Variant = Variant { name: "gar", proof: Proof::Push, read };

fn read(value: &Value, _: &str) -> Result<Vec<Event>, String> {
    let message = value.get("message").ok_or("it has no `message`")?;
    let data = STANDARD.decode(text(message, &["data"])).map_err(|error| format!("`data`: {error}"))?;
    let data: Value = serde_json::from_slice(&data).map_err(|error| format!("`data`: {error}"))?;
    if text(&data, &["action"]) != "INSERT" {
        return Ok(vec![Event::Ignored("action")]);
    }
    let parse = |name: &str| -> Result<Option<Reference>, String> {
        let text = text(&data, &[name]);
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|error| format!("`{name}`: {error}"))
    };
    let (digest, tag) = (parse("digest")?, parse("tag")?);
    let place = digest.as_ref().or(tag.as_ref()).ok_or("it has neither `digest` nor `tag`")?;
    let push = Push {
        id: text(message, &["messageId"]),
        host: place.host.clone(),
        repository: place.repository.clone(),
        tag: tag.as_ref().and_then(|tag| tag.tag.clone()).unwrap_or_default(),
        digest: digest.as_ref().and_then(|one| one.digest).map(|one| one.to_string()).unwrap_or_default(),
    };
    Ok(vec![push.event()])
}
