//! Amazon ECR's events through an EventBridge API destination (`ECR Image Action`).

use serde_json::Value;

use super::{
    super::{
        auth::Proof,
        push::{Event, Push, no_image},
    },
    Variant, text,
};

pub(super) const VARIANT: Variant = Variant { name: "ecr", proof: Proof::Header, read };

fn read(value: &Value, _: &str) -> Result<Vec<Event>, String> {
    let detail = value.get("detail").ok_or("it has no `detail`")?;
    if text(value, &["detail-type"]) != "ECR Image Action" || text(detail, &["action-type"]) != "PUSH" {
        return Ok(vec![Event::Ignored("action")]);
    }
    if text(detail, &["result"]) != "SUCCESS" {
        return Ok(vec![Event::Ignored("failed")]);
    }
    let kind = no_image(&text(detail, &["manifest-media-type"]), &text(detail, &["artifact-media-type"]));
    if let Some(reason) = kind {
        return Ok(vec![Event::Ignored(reason)]);
    }
    let (account, region) = (text(value, &["account"]), text(value, &["region"]));
    if account.is_empty() || region.is_empty() {
        return Err("it has no `account` or no `region`".to_owned());
    }
    // China's regions have a domain of their own.
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    let push = Push {
        id: text(value, &["id"]),
        host: format!("{account}.dkr.ecr.{region}.amazonaws.com{suffix}"),
        repository: text(detail, &["repository-name"]),
        tag: text(detail, &["image-tag"]),
        digest: text(detail, &["image-digest"]),
    };
    Ok(vec![push.event()])
}
