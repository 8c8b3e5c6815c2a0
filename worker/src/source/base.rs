//! Which layers an image's labels say are its base image's.
//!
//! `org.opencontainers.image.base.name` and `.digest` name the base image, but not its layers: those `job::base` looks up.
//! Cloud Native Buildpacks tell: `io.buildpacks.lifecycle.metadata` carries the run
//! image's uppermost layer (platform specification, "`io.buildpacks.lifecycle.metadata` (JSON)"), and what is built on
//! top of such an image keeps those layers below its own, so an inherited label still holds.

use serde::Deserialize;

/// The label that the exporter of Cloud Native Buildpacks writes.
pub(super) const LABEL: &str = "io.buildpacks.lifecycle.metadata";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lifecycle {
    run_image: RunImage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunImage {
    top_layer: String,
}

/// How many of the lowest layers are the base image's, by the value of [`LABEL`]. 0 where it does not tell: a label that is
/// no such document, or a layer that is not there, or there twice.
pub(super) fn layers(label: &str, diff_ids: &[String]) -> usize {
    let Ok(lifecycle) = serde_json::from_str::<Lifecycle>(label) else { return 0 };
    let mut tops =
        diff_ids.iter().enumerate().filter(|(_, diff_id)| **diff_id == lifecycle.run_image.top_layer);
    match (tops.next(), tops.next()) {
        (Some((index, _)), None) => index + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::layers;

    #[test]
    fn only_what_the_label_says() {
        let ids: Vec<String> = ["sha256:a", "sha256:b", "sha256:c"].map(str::to_owned).into();
        for (label, expected) in [
            (r#"{"app":[{"sha":"x"}],"runImage":{"topLayer":"sha256:b","reference":"r"}}"#, 2),
            (r#"{"runImage":{"topLayer":"sha256:c"}}"#, 3),
            (r#"{"runImage":{"topLayer":"sha256:d"}}"#, 0),
            (r#"{"runImage":{"topLayer":""}}"#, 0),
            (r#"{"runImage":{"reference":"r"}}"#, 0),
            (r#"{"stack":{}}"#, 0),
            ("nonsense", 0),
            ("", 0),
        ] {
            assert_eq!(layers(label, &ids), expected, "{label}");
        }
        let twice: Vec<String> = ["sha256:b", "sha256:b"].map(str::to_owned).into();
        assert_eq!(layers(r#"{"runImage":{"topLayer":"sha256:b"}}"#, &twice), 0);
    }
}
