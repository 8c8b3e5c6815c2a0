//! Azure Container Registry's webhooks: one event of Distribution's form, without an envelope.

use serde_json::Value;

use super::{
    super::{auth::Proof, push::Event},
    Variant, distribution,
};

pub(super) const VARIANT: Variant = Variant { name: "acr", proof: Proof::Header, read };

fn read(value: &Value, _: &str) -> Result<Vec<Event>, String> {
    if value.get("action").is_none() {
        return Err("it has no `action`".to_owned());
    }
    Ok(vec![distribution::event(value)])
}
