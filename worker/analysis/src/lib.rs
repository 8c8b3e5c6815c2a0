//! The pure core of Strata: bytes in, facts out. Three verbs:
//!
//! * [`index`]: one layer's bytes → its [`Inventory`](model::Inventory). A pure function of the bytes and the
//!   [`fingerprint`](fingerprint::fingerprint).
//! * [`squash`](squash::squash): the inventories of an image, lowest first → its [`Contents`](model::Contents).
//! * [`assess`](assess::assess): contents and an advisory [`Database`](database::Database) → findings.
//!
//! Nothing here touches a file, the network, a clock, the environment or an async runtime. All input is hostile:
//! bad content gives facts plus [`Problem`](model::Problem)s; only a layer that cannot be read to its end is an error.

pub mod assess;
mod bytes;
pub mod database;
pub mod distro;
pub mod ecosystem;
mod executable;
pub mod fingerprint;
pub mod layer;
pub mod limits;
pub mod model;
pub mod purl;
pub mod squash;
mod unzip;
pub mod version;

pub use layer::index;
