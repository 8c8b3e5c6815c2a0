//! Image facts: a manifest and its configuration → what *index* and *assess* need to know.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use strata_proto::{
    digest::Digest,
    v1::{ImageFacts, Layer, LayerTable, Property, RunSettings},
};

use super::{base, manifest::RawPlatform};
use crate::error::JobError;

/// Characters of a build step or a label's value that are kept.
const MAX_TEXT: usize = 4_096;
/// Labels that are kept; more are refused.
const MAX_LABELS: usize = 2_000;
/// Variables of the environment whose names are kept: more than a process can be started with is of no use.
const MAX_VARIABLES: usize = 10_000;

/// A layer as a manifest or an archive lists it.
#[derive(Debug, Clone)]
pub struct LayerEntry {
    /// Digest of the stored bytes; `None` where only the configuration names the layer (docker-archive).
    pub digest: Option<Digest>,
    /// Stored size.
    pub size: u64,
    /// Media type.
    pub media_type: String,
    /// Its table of contents, where the manifest names one.
    pub table: Option<LayerTable>,
}

#[derive(Deserialize)]
struct RawConfig {
    #[serde(flatten)]
    platform: RawPlatform,
    #[serde(default)]
    rootfs: Option<RootFs>,
    #[serde(default)]
    history: Option<Vec<History>>,
    #[serde(default)]
    config: Option<Settings>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct History {
    #[serde(default)]
    created_by: Option<String>,
    #[serde(default)]
    empty_layer: Option<bool>,
}

#[derive(Default, Deserialize)]
struct Settings {
    #[serde(rename = "Labels", default)]
    labels: Option<BTreeMap<String, Option<String>>>,
    #[serde(rename = "User", default)]
    user: Option<String>,
    #[serde(rename = "Env", default)]
    env: Option<Vec<String>>,
}

/// Puts an image's facts together. `image_digest` is the manifest's digest; `None` stands for the configuration's.
///
/// # Errors
/// When the configuration is malformed or does not agree with the list of layers.
pub fn facts(
    what: &str,
    image_digest: Option<Digest>,
    config: &[u8],
    layers: &[LayerEntry],
) -> Result<ImageFacts, JobError> {
    let malformed = |reason: String| {
        JobError::never("malformed", format!("failed to read the configuration of {what}: {reason}"))
    };
    let raw: RawConfig = serde_json::from_slice(config)
        .map_err(|error| malformed(format!("it is not an image's JSON: {error}")))?;
    let diff_ids = raw.rootfs.and_then(|rootfs| rootfs.diff_ids).unwrap_or_default();
    if diff_ids.len() != layers.len() {
        return Err(malformed(format!(
            "it names {} layers, but the manifest {}",
            diff_ids.len(),
            layers.len()
        )));
    }
    let steps = steps(raw.history.unwrap_or_default(), layers.len());
    let config_digest = Digest::of(config).to_string();
    let mut facts = ImageFacts {
        image_digest: image_digest.map_or_else(|| config_digest.clone(), |digest| digest.to_string()),
        config_digest,
        platform: Some(raw.platform.normal()),
        ..ImageFacts::default()
    };
    let settings = raw.config.unwrap_or_default();
    facts.run = Some(Box::new(run_settings(settings.user, settings.env)));
    let labels = settings.labels.unwrap_or_default();
    // Before labels are cut: this one is long.
    let base = labels.get(base::LABEL).and_then(Option::as_deref).unwrap_or_default();
    let base = base::layers(base, &diff_ids);
    for (index, ((entry, diff_id), created_by)) in layers.iter().zip(&diff_ids).zip(steps).enumerate() {
        let diff_id: Digest = diff_id.parse().map_err(|error| malformed(format!("{error}")))?;
        facts.layers.push(Layer {
            digest: entry.digest.unwrap_or(diff_id).to_string(),
            diff_id: diff_id.to_string(),
            created_by,
            size: entry.size,
            base: index < base,
            uncompressed_size: 0,
        });
        facts.media_types.push(entry.media_type.clone());
        facts.tables.push(entry.table.clone().unwrap_or_default());
    }
    if labels.len() > MAX_LABELS {
        return Err(JobError::never(
            "limit",
            format!("failed to read the configuration of {what}: it has {} labels", labels.len()),
        ));
    }
    facts.labels = labels
        .into_iter()
        .map(|(key, value)| Property { key: cut(&key), value: cut(&value.unwrap_or_default()) })
        .collect();
    Ok(facts)
}

/// What is kept of how the image is run: of its variables the names only, since values may be secrets.
fn run_settings(user: Option<String>, env: Option<Vec<String>>) -> RunSettings {
    let names = env.unwrap_or_default().into_iter().take(MAX_VARIABLES);
    let names = names.map(|variable| cut(variable.split_once('=').map_or(&*variable, |(name, _)| name)));
    let names: BTreeSet<String> = names.collect();
    RunSettings { user: cut(&user.unwrap_or_default()), environment: names.into_iter().collect() }
}

/// Annotations that say of the image what labels of the same keys would say.
const ANNOTATIONS: [&str; 2] = ["org.opencontainers.image.base.digest", "org.opencontainers.image.base.name"];

/// Puts what the manifest says of the base among the labels. It is about this very image, and so counts before a label,
/// which may be inherited.
pub fn annotate(facts: &mut ImageFacts, annotations: &BTreeMap<String, String>) {
    for key in ANNOTATIONS {
        let Some(value) = annotations.get(key) else { continue };
        facts.labels.retain(|label| label.key != key);
        let place = facts.labels.partition_point(|label| label.key.as_str() < key);
        facts.labels.insert(place, Property { key: key.to_owned(), value: cut(value) });
    }
}

/// The build steps that made layers, one for each layer. A history that does not fit the layers says nothing about any of them.
fn steps(history: Vec<History>, layers: usize) -> Vec<String> {
    let steps: Vec<String> = history
        .into_iter()
        .filter(|step| step.empty_layer != Some(true))
        .map(|step| cut(&step.created_by.unwrap_or_default()))
        .collect();
    if steps.len() == layers { steps } else { vec![String::new(); layers] }
}

/// The text, or its beginning and an ellipsis.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        None => text.to_owned(),
        Some((at, _)) => {
            let mut short = text.get(..at).unwrap_or_default().to_owned();
            short.push('…');
            short
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> LayerEntry {
        LayerEntry { digest: Some(Digest::of(b"blob")), size: 7, media_type: "m".to_owned(), table: None }
    }

    #[test]
    fn history_labels_and_layers_come_together() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let config = format!(
            r#"{{"os":"linux","architecture":"arm64","variant":"v8",
                "config":{{"Labels":{{"z":"1","a":null}}}},
                "rootfs":{{"type":"layers","diff_ids":["{a}","{b}"]}},
                "history":[{{"created_by":"ADD a"}},{{"created_by":"ENV","empty_layer":true}},{{"created_by":"RUN b"}}]}}"#
        );
        let got = facts("r/a:1", None, config.as_bytes(), &[entry(), LayerEntry { digest: None, ..entry() }])
            .unwrap();
        assert_eq!(got.image_digest, got.config_digest);
        assert_eq!(got.platform.as_ref().map(super::super::platform::show), Some("linux/arm64".to_owned()));
        let steps: Vec<&str> = got.layers.iter().map(|layer| layer.created_by.as_str()).collect();
        assert_eq!(steps, ["ADD a", "RUN b"]);
        assert_eq!(got.layers[0].digest, Digest::of(b"blob").to_string());
        assert_eq!(got.layers[1].digest, b.to_string());
        assert_eq!(got.layers[0].diff_id, a.to_string());
        let labels: Vec<(&str, &str)> =
            got.labels.iter().map(|p| (p.key.as_str(), p.value.as_str())).collect();
        assert_eq!(labels, [("a", ""), ("z", "1")]);
    }

    #[test]
    fn base_layers_are_those_that_a_label_names() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let padding = "x".repeat(2 * MAX_TEXT);
        let lifecycle = format!(r#"{{\"app\":\"{padding}\",\"runImage\":{{\"topLayer\":\"{a}\"}}}}"#);
        for (key, expected) in [
            ("io.buildpacks.lifecycle.metadata", [true, false]),
            ("org.opencontainers.image.base.digest", [false, false]),
        ] {
            let config = format!(
                r#"{{"config":{{"Labels":{{"{key}":"{lifecycle}"}}}},"rootfs":{{"diff_ids":["{a}","{b}"]}}}}"#
            );
            let got = facts("r/a:1", None, config.as_bytes(), &[entry(), entry()]).unwrap();
            assert_eq!(got.layers.iter().map(|layer| layer.base).collect::<Vec<_>>(), expected, "{key}");
        }
    }

    #[test]
    fn annotations_of_the_base_count_before_labels() {
        let label = |key: &str, value: &str| Property { key: key.to_owned(), value: value.to_owned() };
        let labels = vec![label("a", "1"), label(ANNOTATIONS[0], "old"), label("z", "2")];
        let mut facts = ImageFacts { labels, ..ImageFacts::default() };
        let annotations = [(ANNOTATIONS[0], "new"), (ANNOTATIONS[1], "r/x:1"), ("other", "x")];
        let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        annotate(&mut facts, &annotations);
        let wanted =
            [label("a", "1"), label(ANNOTATIONS[0], "new"), label(ANNOTATIONS[1], "r/x:1"), label("z", "2")];
        assert_eq!(facts.labels, wanted);
    }

    #[test]
    fn what_does_not_agree_is_malformed() {
        let a = Digest::of(b"a");
        for (config, layers) in [
            (format!(r#"{{"rootfs":{{"diff_ids":["{a}"]}}}}"#), 2),
            (format!(r#"{{"rootfs":{{"diff_ids":["{a}","{a}"]}}}}"#), 1),
            ("{}".to_owned(), 1),
            (r#"{"rootfs":{"diff_ids":["md5:1"]}}"#.to_owned(), 1),
            ("nonsense".to_owned(), 0),
        ] {
            let layers = vec![entry(); layers];
            let error = facts("r/a:1", None, config.as_bytes(), &layers).unwrap_err();
            assert_eq!((error.code, error.later), ("malformed", false), "{config}");
            assert!(error.message.contains("r/a:1"), "{}", error.message);
        }
    }

    #[test]
    fn a_history_that_does_not_fit_is_not_guessed_at() {
        let a = Digest::of(b"a");
        let config = format!(
            r#"{{"rootfs":{{"diff_ids":["{a}"]}},"history":[{{"created_by":"x"}},{{"created_by":"y"}}]}}"#
        );
        assert_eq!(facts("r", None, config.as_bytes(), &[entry()]).unwrap().layers[0].created_by, "");
        assert_eq!(cut(&"é".repeat(MAX_TEXT + 1)).chars().count(), MAX_TEXT + 1);
        assert_eq!(cut("short"), "short");
    }
}
