//! Version orders: one row and one file each. Each is a total order over the versions that its scheme accepts.

use std::cmp::Ordering;

mod apk;
mod bitnami;
mod composer;
mod conda;
mod deb;
mod digits;
mod dotted;
mod gem;
mod go;
mod luarocks;
mod maven;
mod npm;
mod nuget;
mod opam;
mod packagist;
mod pacman;
mod pep440;
mod portage;
mod rpm;
mod semver;
mod semver_build;

pub use apk::APK;
pub use bitnami::BITNAMI;
pub use composer::COMPOSER;
pub use conda::CONDA;
pub use deb::DEB;
pub use dotted::DOTTED;
pub use gem::GEM;
pub use go::GO;
pub use luarocks::LUAROCKS;
pub use maven::MAVEN;
pub use npm::NPM;
pub use nuget::NUGET;
pub use opam::OPAM;
pub use packagist::PACKAGIST;
pub use pacman::PACMAN;
pub use pep440::PEP440;
pub use portage::PORTAGE;
pub use rpm::RPM;
pub use semver::SEMVER;
pub use semver_build::SEMVER_BUILD;

/// One order of versions.
pub struct Scheme {
    /// Name in code, tests and documents: `deb`.
    pub name: &'static str,
    /// Compares two versions. `None` when one of them is not a version of this scheme: never guessed.
    pub compare: fn(&str, &str) -> Option<Ordering>,
}

/// Every version order.
pub static TABLE: &[&Scheme] = &[
    &DEB,
    &APK,
    &RPM,
    &PACMAN,
    &PORTAGE,
    &PEP440,
    &NPM,
    &SEMVER,
    &SEMVER_BUILD,
    &GO,
    &MAVEN,
    &GEM,
    &COMPOSER,
    &PACKAGIST,
    &NUGET,
    &CONDA,
    &BITNAMI,
    &OPAM,
    &DOTTED,
    &LUAROCKS,
];

/// The row of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Scheme> {
    TABLE.iter().copied().find(|row| row.name == name)
}

#[cfg(test)]
mod tests;
