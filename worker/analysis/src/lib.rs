//! The pure core of Strata: bytes in, facts out. Three verbs:
//!
//! * [`index`]: one layer's bytes → its [`Inventory`](model::Inventory). A pure function of the bytes and the
//!   [`fingerprint`](fingerprint::fingerprint).
//! * [`squash`](squash::squash): the inventories of an image, lowest first → its [`Contents`](model::Contents).
//! * [`assess`](assess::assess): contents and an advisory [`Database`](database::Database) → findings.
//!
//! Nothing here touches a file, the network, a clock, the environment or an async runtime. All input is hostile:
//! bad content gives facts plus [`Problem`](model::Problem)s; only a layer that cannot be read to its end is an error.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )
)]
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests read their cases from files"))]
#![cfg_attr(test, expect(clippy::disallowed_macros, reason = "tests say what they skip"))]

pub mod assess;
pub mod bill;
mod bytes;
mod bzip2;
pub mod cvss;
pub mod database;
pub mod distro;
pub mod ecosystem;
mod executable;
pub mod fingerprint;
mod gobuild;
pub mod java_index;
mod json;
mod keys;
pub mod layer;
pub mod limits;
pub mod model;
pub mod purl;
pub mod rebase;
pub mod squash;
#[cfg(test)]
mod testing;
mod unzip;
pub mod version;
pub mod vex;
mod xml;

pub use layer::{index, index_with};
