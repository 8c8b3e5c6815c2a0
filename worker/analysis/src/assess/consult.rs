//! The database as *assess* asks it: every question leaves its key behind. Nothing else in *assess* has the database itself, so
//! that no answer can reach a report without its question being known.

use std::cell::RefCell;

use crate::{
    database::{Advisory, Database, DatabaseError, Entries, Flaw, Lifecycle, outline},
    model::Distribution,
};

/// Keys of one image that are remembered: some ten thousand packages.
pub const MOST_ASKED: usize = 50_000;
/// Questions between two looks for repeated ones.
const UNSORTED: usize = 4 * MOST_ASKED;

/// A database, and what was asked of it.
pub(super) struct Consult<'a, 'd> {
    database: &'a Database<'d>,
    /// `None` once there were too many.
    asked: RefCell<Option<Vec<outline::Key>>>,
}

impl<'a, 'd> Consult<'a, 'd> {
    pub(super) fn new(database: &'a Database<'d>) -> Self {
        Self { database, asked: RefCell::new(Some(Vec::new())) }
    }

    fn ask(&self, key: outline::Key) {
        let mut place = self.asked.borrow_mut();
        let Some(asked) = place.as_mut() else { return };
        // The packages of one system ask for one ecosystem over and over.
        if asked.last() == Some(&key) {
            return;
        }
        asked.push(key);
        if asked.len() >= UNSORTED {
            tidy(asked);
            if asked.len() > MOST_ASKED {
                *place = None;
            }
        }
    }

    /// All keys that were asked, in order; `None` when there were more than [`MOST_ASKED`].
    pub(super) fn asked(self) -> Option<Vec<outline::Key>> {
        let mut asked = self.asked.into_inner()?;
        tidy(&mut asked);
        (asked.len() <= MOST_ASKED).then_some(asked)
    }

    pub(super) fn lookup(
        &self,
        ecosystem: &str,
        package: &str,
    ) -> Result<Option<Entries<'d>>, DatabaseError> {
        let (hash, found) = self.database.find(ecosystem, package);
        self.ask(outline::package(hash));
        found
    }

    pub(super) fn has_ecosystem(&self, ecosystem: &str) -> bool {
        self.ask(outline::ecosystem(ecosystem));
        self.database.has_ecosystem(ecosystem)
    }

    pub(super) fn has_architecture(&self, ecosystem: &str, architecture: &str) -> bool {
        self.ask(outline::ecosystem(ecosystem));
        self.database.has_architecture(ecosystem, architecture)
    }

    /// The end of a release, and whether it has passed on the day of which the database speaks.
    pub(super) fn lifecycle(
        &self,
        distribution: &Distribution,
    ) -> Result<Option<(Lifecycle<'d>, bool)>, DatabaseError> {
        for (distribution, release) in Lifecycle::keys(distribution) {
            self.ask(outline::release(distribution, release));
        }
        let found = self.database.lifecycle(distribution)?;
        Ok(found.map(|lifecycle| {
            let ended = lifecycle.has_ended(&self.database.as_of());
            (lifecycle, ended)
        }))
    }

    /// An advisory that an entry names: its key was asked.
    pub(super) fn advisory(&self, number: usize) -> Result<Advisory<'d>, DatabaseError> {
        self.database.advisory(number)
    }

    /// A flaw that an advisory names.
    pub(super) fn flaw(&self, number: usize) -> Result<Flaw<'d>, DatabaseError> {
        self.database.flaw(number)
    }
}

fn tidy(asked: &mut Vec<outline::Key>) {
    asked.sort_unstable();
    asked.dedup();
}
