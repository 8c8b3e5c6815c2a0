//! A synthetic OCI registry whose whole content is a function of a seed, for demonstrations, tests and load tests.
//!
//! * [`content`]: repositories, images and real layers (tar with gzip or zstd; dpkg, apk, npm and Python packages),
//!   generated when somebody asks for them, and [`content::Expected`]: what a sweep of them must report.
//! * [`registry`]: serves content over the OCI distribution API on a loopback port, with logins, faults and counters.
//! * [`chaos`]: faults to survive, each struck on a cluster of real processes; [`servers`]: those processes.
//! * [`simulate`]: sweeps of any size with the coordinator's own planner and a model of all else.
//! * [`ADVISORIES`]: a small set of real advisories that affect the content.

pub mod chaos;
pub mod content;
pub mod registry;
pub mod servers;
pub mod simulate;

mod advisories;
mod random;

pub use advisories::ADVISORIES;
