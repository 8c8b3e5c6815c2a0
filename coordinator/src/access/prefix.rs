//! The repositories that a principal is limited to.

use std::{fmt, str::FromStr};

use strata_proto::{
    reference::{Reference, is_host, is_repository},
    v1::RegistryTarget,
};

/// A registry, or a repository of it and all below: `host[:port][/repository]`. It ends at a slash, not inside a name:
/// `r.example/team` is not about `r.example/teamwork`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    host: String,
    repository: String,
}

impl Prefix {
    /// Whether a reference, written in full, is inside.
    #[must_use]
    pub fn admits(&self, reference: &str) -> bool {
        reference
            .parse::<Reference>()
            .is_ok_and(|found| found.host == self.host && self.admits_repository(&found.repository))
    }

    /// The texts with which a reference inside starts, each up to the end of a name.
    pub(crate) fn starts(&self) -> Vec<String> {
        let all = self.to_string();
        if self.repository.is_empty() {
            return vec![format!("{all}/")];
        }
        ["/", ":", "@"].map(|end| format!("{all}{end}")).into()
    }

    /// Whether all that a sweep of this target may find is inside.
    pub(crate) fn admits_target(&self, target: &RegistryTarget) -> bool {
        if target.host != self.host {
            return false;
        }
        if self.repository.is_empty() {
            return true;
        }
        if target.repositories.is_empty() {
            // Without `whole` the target's prefix may end inside a name.
            return target
                .prefix
                .strip_prefix(&self.repository)
                .is_some_and(|rest| rest.starts_with('/') || (rest.is_empty() && target.whole));
        }
        target.repositories.iter().all(|name| self.admits_repository(name))
    }

    /// Makes a sweep of exactly this prefix one of the repository and what is below it.
    pub(crate) fn narrow(&self, target: &mut RegistryTarget) {
        if target.host == self.host && target.prefix == self.repository && !self.repository.is_empty() {
            target.whole = true;
        }
    }

    fn admits_repository(&self, name: &str) -> bool {
        match name.strip_prefix(&self.repository) {
            _ if self.repository.is_empty() => true,
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if !self.repository.is_empty() {
            write!(f, "/{}", self.repository)?;
        }
        Ok(())
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            let text: String = text.chars().take(100).collect();
            format!("`{text}` is not of the form HOST[:PORT][/REPOSITORY]")
        };
        let (host, repository) =
            text.trim_end_matches('/').split_once('/').unwrap_or((text.trim_end_matches('/'), ""));
        // As in references: what could be a repository's name is not taken for a host.
        let named = host.contains(['.', ':']) || host == "localhost";
        let sound = is_host(host) && named && (repository.is_empty() || is_repository(repository));
        sound.then(|| Self { host: host.to_owned(), repository: repository.to_owned() }).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().expect(text)
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        for (limit, reference, inside) in [
            ("r.example", "r.example/a:1", true),
            ("r.example", "r.example:5000/a:1", false),
            (
                "r.example:5000",
                "r.example:5000/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                true,
            ),
            ("r.example/team", "r.example/team:1", true),
            ("r.example/team/", "r.example/team/app:1", true),
            ("r.example/team", "r.example/teamwork:1", false),
            ("r.example/team", "r.example/other/team:1", false),
            ("r.example/team", "other.example/team/app:1", false),
            ("r.example/team", "oci:/r.example/team/app", false),
            ("r.example/team", "r.example/team/../other:1", false),
        ] {
            assert_eq!(prefix(limit).admits(reference), inside, "{limit} {reference}");
            let starts = prefix(limit).starts().iter().any(|start| reference.starts_with(start));
            assert!(!inside || starts, "the archive would not find {reference} for {limit}");
            assert!(
                inside || !starts || reference.contains(".."),
                "the archive would show {reference} to {limit}"
            );
        }
        for bad in ["", "/", "team", "r.example/UPPER", "r.example/a b", "r.example/a:1", "r.example//a"] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_sweep_must_not_reach_beyond() {
        let target = |host: &str, prefix: &str, repositories: &[&str]| RegistryTarget {
            host: host.to_owned(),
            prefix: prefix.to_owned(),
            repositories: repositories.iter().map(|&name| name.to_owned()).collect(),
            ..RegistryTarget::default()
        };
        for (limit, target, inside) in [
            ("r.example", target("r.example", "", &[]), true),
            ("r.example", target("o.example", "", &[]), false),
            ("r.example/team", target("r.example", "", &[]), false),
            ("r.example/team", target("r.example", "team", &[]), false),
            ("r.example/team", target("r.example", "team/", &[]), true),
            ("r.example/team", target("r.example", "team/a", &[]), true),
            ("r.example/team", target("r.example", "teamwork/", &[]), false),
            ("r.example/team", target("r.example", "", &["team", "team/a"]), true),
            ("r.example/team", target("r.example", "team/", &["team/a", "other"]), false),
        ] {
            assert_eq!(prefix(limit).admits_target(&target), inside, "{limit} {target:?}");
        }
        let (limit, mut exact) = (prefix("r.example/team"), target("r.example", "team", &[]));
        limit.narrow(&mut exact);
        assert!(exact.whole && limit.admits_target(&exact));
        let mut other = target("r.example", "tea", &[]);
        limit.narrow(&mut other);
        assert!(!other.whole && !limit.admits_target(&other));
    }
}
