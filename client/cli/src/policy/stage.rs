//! Where an image is judged: policies may be for some of its stages only.

use super::yaml;

/// A stage of an image's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// While it is built: `strata scan`.
    Pipeline,
    /// Where it is kept: sweeps, and reports that are looked at again.
    #[default]
    Registry,
    /// Where it runs. Nothing here judges running images: a policy for this stage alone is for other tools.
    Runtime,
}

impl Stage {
    /// Every stage by its name.
    const NAMES: [(&'static str, Self); 3] =
        [("pipeline", Self::Pipeline), ("registry", Self::Registry), ("runtime", Self::Runtime)];

    /// Reads a stage's name.
    ///
    /// # Errors
    /// When there is no such stage.
    pub fn read(node: &yaml::Node) -> Result<Self, yaml::Error> {
        let text = node.text("a stage")?;
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, stage)| *stage).ok_or_else(|| {
            node.wrong(format!("`{text}` is not a stage; stages: pipeline, registry, runtime"))
        })
    }
}
