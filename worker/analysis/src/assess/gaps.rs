//! What could not be assessed: packages that no advisory of the database could ever name.

use std::collections::{BTreeMap, BTreeSet};

use super::consult::Consult;
use crate::{
    database::DatabaseError,
    ecosystem::{AdvisoryKey, Ecosystem},
    model::{Distribution, Package, Problem},
};

/// Packages without an advisory source, counted by row and ecosystem.
#[derive(Default)]
pub(super) struct Gaps {
    /// Rows that have no key for a package, and how many packages.
    keyless: BTreeMap<(&'static str, bool), u64>,
    /// Ecosystems that the database lacks, and how many packages.
    missing: BTreeMap<(String, bool), u64>,
    /// Ecosystems and architectures that no advisory of theirs names, and how many packages.
    machines: BTreeMap<(String, String), u64>,
    unknown: BTreeSet<&'static str>,
    damaged: BTreeSet<String>,
}

impl Gaps {
    /// Notes under which keys the advisories of a package would stand. One known ecosystem among them is enough: the
    /// others are channels.
    pub(super) fn asked(
        &mut self,
        row: &Ecosystem,
        package: &Package,
        keys: &[AdvisoryKey],
        database: &Consult<'_, '_>,
    ) {
        let Some(first) = keys.first() else {
            *self.keyless.entry((row.name, row.system)).or_default() += 1;
            return;
        };
        let mut known = keys.iter().filter(|key| database.has_ecosystem(&key.ecosystem)).peekable();
        if known.peek().is_some() {
            let own = &package.architecture;
            if !known.any(|key| database.has_architecture(&key.ecosystem, own)) {
                *self.machines.entry((first.ecosystem.clone(), own.clone())).or_default() += 1;
            }
            return;
        }
        *self.missing.entry((first.ecosystem.clone(), row.system)).or_default() += 1;
    }

    /// Notes an ecosystem that this build does not know: an inventory from a newer one.
    pub(super) fn unknown_ecosystem(&mut self, name: &'static str) {
        self.unknown.insert(name);
    }

    /// Notes that the database could not be read for a package.
    pub(super) fn damaged(&mut self, error: &DatabaseError) {
        self.damaged.insert(error.to_string());
    }

    /// One problem for each gap.
    pub(super) fn problems(self, distribution: Option<&Distribution>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |code: &'static str, message| {
            problems.push(Problem { code: code.into(), message, file: String::new() });
        };
        for ((row, system), count) in self.keyless {
            let packages = packages(count, row);
            match distribution.filter(|_| system) {
                Some(distribution) => problem(
                    "no-advisories",
                    format!("no advisory source covers {}: {packages} not assessed", title(distribution)),
                ),
                None if system => {
                    problem("no-advisories", format!("the distribution is unknown: {packages} not assessed"))
                }
                None => problem(
                    "no-advisories",
                    format!("no advisories can be looked up for {}", counted(count, row)),
                ),
            }
        }
        for ((ecosystem, _), count) in self.missing {
            let packages = packages(count, &ecosystem);
            problem(
                "no-advisories",
                format!("the advisory database has nothing on {ecosystem}: {packages} not assessed"),
            );
        }
        for ((ecosystem, arch), count) in self.machines {
            let packages = packages(count, &format!("{ecosystem} {arch}"));
            problem(
                "no-advisories",
                format!(
                    "the advisory database has nothing on {arch} in {ecosystem}: {packages} not assessed"
                ),
            );
        }
        for name in self.unknown {
            problem("unknown-ecosystem", format!("this strata does not know the ecosystem `{name}`"));
        }
        for error in self.damaged {
            problem("damaged-advisories", error);
        }
        problems
    }
}

fn packages(count: u64, kind: &str) -> String {
    format!("{} {}", counted(count, kind), if count == 1 { "is" } else { "are" })
}

fn counted(count: u64, kind: &str) -> String {
    if count == 1 { format!("1 {kind} package") } else { format!("{count} {kind} packages") }
}

fn title(distribution: &Distribution) -> String {
    if distribution.title.is_empty() {
        format!("{} {}", distribution.id, distribution.version).trim_end().to_owned()
    } else {
        distribution.title.clone()
    }
}
