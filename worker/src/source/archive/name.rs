//! References to archives: `docker-archive:PATH[:NAME | @N]`, `oci:PATH[:TAG | @DIGEST]`, `oci-archive:PATH[:TAG | @DIGEST]`; and
//! to what is made one: `dir:PATH`, `sbom:PATH`, `docker-daemon:NAME`, `containerd:NAME`.

use std::path::{Path, PathBuf};

use strata_proto::digest::Digest;

use crate::error::JobError;

/// Bytes of a reference.
const MAX_LENGTH: usize = 8_192;

/// What lies at the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A tar with `manifest.json`, as `docker save` writes it.
    DockerArchive,
    /// A directory with `oci-layout` and `index.json`.
    Layout,
    /// The same in a tar.
    LayoutArchive,
    /// A root file system in a directory.
    Directory,
    /// A bill of materials.
    Bill,
    /// No path: an image of a container engine on this machine.
    Engine,
    /// No path: an image of containerd on this machine.
    Containerd,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::DockerArchive,
        Self::LayoutArchive,
        Self::Layout,
        Self::Directory,
        Self::Bill,
        Self::Engine,
        Self::Containerd,
    ];

    /// Whether what follows the scheme is a name rather than a path.
    #[must_use]
    pub const fn is_named(self) -> bool {
        matches!(self, Self::Engine | Self::Containerd)
    }

    /// The prefix of its references, with the colon.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::DockerArchive => "docker-archive:",
            Self::Layout => "oci:",
            Self::LayoutArchive => "oci-archive:",
            Self::Directory => "dir:",
            Self::Bill => "sbom:",
            Self::Engine => "docker-daemon:",
            Self::Containerd => "containerd:",
        }
    }
}

/// Which of the archive's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The only one.
    Only,
    /// The one with this name or tag.
    Name(String),
    /// The one at this place in the archive's list, from 0.
    Index(usize),
    /// The one with this digest.
    Digest(Digest),
}

/// A reference to an image in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveName {
    /// What lies at the path.
    pub kind: Kind,
    /// The path.
    pub path: PathBuf,
    /// Which image.
    pub selector: Selector,
}

/// The kind and the rest of a reference that has an archive's scheme.
#[must_use]
pub fn scheme(text: &str) -> Option<(Kind, &str)> {
    Kind::ALL.into_iter().find_map(|kind| Some((kind, text.strip_prefix(kind.scheme())?)))
}

impl ArchiveName {
    /// Reads a reference. Where the path ends is decided by what exists: the longest path that does.
    ///
    /// # Errors
    /// When it is too long, or no such path exists.
    pub fn parse(text: &str) -> Result<Self, JobError> {
        let shown: String = text.chars().take(300).collect();
        let failed = |code, reason: &str| JobError::never(code, format!("failed to read {shown}: {reason}"));
        if text.len() > MAX_LENGTH || text.contains('\0') {
            return Err(failed("bad-reference", "it is no reference to an archive"));
        }
        let (kind, rest) =
            scheme(text).ok_or_else(|| failed("bad-reference", "it has no archive's scheme"))?;
        if kind.is_named() {
            return Ok(Self { kind, path: PathBuf::from(rest), selector: Selector::Only });
        }
        let (path, tail) = split(rest, Path::exists)
            .ok_or_else(|| failed("not-found", "there is no such file or directory"))?;
        let selector = selector(kind, tail)
            .ok_or_else(|| failed("bad-reference", "what follows the path names no image of an archive"))?;
        Ok(Self { kind, path: PathBuf::from(path), selector })
    }
}

/// The longest beginning that exists and ends at a `:` or `@`, or at the end; and the rest from there.
fn split(text: &str, exists: impl Fn(&Path) -> bool) -> Option<(&str, &str)> {
    let ends = text.char_indices().rev().filter(|(_, c)| matches!(c, ':' | '@')).map(|(at, _)| at);
    std::iter::once(text.len())
        .chain(ends)
        .filter_map(|at| text.split_at_checked(at))
        .find(|(path, _)| !path.is_empty() && exists(Path::new(path)))
}

fn selector(kind: Kind, tail: &str) -> Option<Selector> {
    if tail.is_empty() {
        return Some(Selector::Only);
    }
    if let Some(name) = tail.strip_prefix(':') {
        return (!name.is_empty()).then(|| Selector::Name(name.to_owned()));
    }
    let rest = tail.strip_prefix('@')?;
    match kind {
        Kind::DockerArchive => rest.parse().ok().map(Selector::Index),
        Kind::Layout | Kind::LayoutArchive => rest.parse().ok().map(Selector::Digest),
        Kind::Directory | Kind::Bill | Kind::Engine | Kind::Containerd => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_ends_where_a_file_does() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let there = |path: &Path| ["/a/b.tar", "/a/b:c.tar", "/a"].contains(&path.to_str().unwrap());
        for (rest, want) in [
            ("/a/b.tar", Some(("/a/b.tar", ""))),
            ("/a/b.tar:docker.io/x/y:1", Some(("/a/b.tar", ":docker.io/x/y:1"))),
            ("/a/b:c.tar", Some(("/a/b:c.tar", ""))),
            ("/a/b:c.tar:v1", Some(("/a/b:c.tar", ":v1"))),
            ("/a/b.tar@2", Some(("/a/b.tar", "@2"))),
            (&format!("/a@{digest}"), Some(("/a", &format!("@{digest}")[..]))),
            ("/none:x", None),
            ("", None),
        ] {
            assert_eq!(split(rest, there), want, "{rest}");
        }
        for (kind, tail, want) in [
            (Kind::DockerArchive, "", Some(Selector::Only)),
            (Kind::DockerArchive, ":a:1", Some(Selector::Name("a:1".to_owned()))),
            (Kind::DockerArchive, "@3", Some(Selector::Index(3))),
            (Kind::DockerArchive, "@x", None),
            (Kind::Layout, ":", None),
            (Kind::Layout, "@3", None),
            (Kind::LayoutArchive, &format!("@{digest}"), Some(Selector::Digest(digest.parse().unwrap()))),
        ] {
            assert_eq!(selector(kind, tail), want, "{tail}");
        }
    }
}
