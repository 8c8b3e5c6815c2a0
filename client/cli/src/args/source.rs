//! Where an image was built from, as flags: they come before what the environment of the build tells.

use clap::Args as Group;

/// Where an image was built from.
#[derive(Debug, Clone, Default, Group)]
pub struct SourceArgs {
    /// Repository of the source: a web address.
    #[arg(long, value_name = "URL")]
    pub source_repo: Option<String>,
    /// Commit of the source.
    #[arg(long, value_name = "COMMIT", value_parser = commit)]
    pub source_commit: Option<String>,
    /// Branch of the source.
    #[arg(long, value_name = "NAME")]
    pub source_branch: Option<String>,
    /// The build's number or id.
    #[arg(long, value_name = "ID")]
    pub ci_build_id: Option<String>,
    /// Where the build is shown.
    #[arg(long, value_name = "URL")]
    pub ci_build_url: Option<String>,
}

impl SourceArgs {
    /// What stands in place of a generic variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        match name {
            "STRATA_SOURCE_REPO" => self.source_repo.clone(),
            "STRATA_SOURCE_COMMIT" => self.source_commit.clone(),
            "STRATA_SOURCE_BRANCH" => self.source_branch.clone(),
            "STRATA_SOURCE_BUILD_ID" => self.ci_build_id.clone(),
            "STRATA_SOURCE_BUILD_URL" => self.ci_build_url.clone(),
            _ => None,
        }
    }
}

fn commit(text: &str) -> Result<String, String> {
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) && (7..=64).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err("it is no commit of 7 to 64 hexadecimal digits".to_owned())
}
