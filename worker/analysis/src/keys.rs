//! The plain form of an advisory key: most ecosystems list a package under its own name and version.

use crate::{ecosystem::AdvisoryKey, model::Package};

impl AdvisoryKey {
    /// The package's own name and version in one ecosystem.
    pub(crate) fn plain(ecosystem: &str, package: &Package) -> Vec<Self> {
        Self::named(ecosystem, &package.name, package)
    }

    /// Another name, and the package's version, in one ecosystem.
    pub(crate) fn named(ecosystem: &str, name: &str, package: &Package) -> Vec<Self> {
        vec![Self {
            ecosystem: ecosystem.to_owned(),
            name: name.to_owned(),
            version: package.version.clone(),
        }]
    }
}

impl Package {
    /// A package of which only name and version are known.
    pub(crate) fn plain(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into(), ..Self::default() }
    }

    /// Adds a property, unless its value is empty.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.properties.insert(key.to_owned(), value.to_owned());
        }
        self
    }
}
