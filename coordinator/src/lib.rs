//! The coordinator role: plans scans, hands out jobs, keeps the archive, streams events. It never talks to a registry.
//!
//! * [`plan`]: the pure state machine.
//! * [`drive`]: feeds it and carries out its commands; [`drive::start`] is the role's entry.
//! * [`handle`]: what clients may ask, without a network; [`service`] is the same over gRPC.
//! * [`touched`]: which images the difference between two databases concerns.
//! * [`access`]: who may ask what: tokens, JWTs, scopes, repositories.
//! * [`webhook`]: registries' notifications; [`http`], [`tls`]: serving what is no gRPC.
//! * [`ports`], [`queue`], [`parcels`], [`archive`], [`databases`]: the world outside.

pub mod access;
pub mod archive;
pub mod databases;
pub mod drive;
pub mod handle;
pub mod http;
pub mod measure;
pub mod parcels;
pub mod plan;
pub mod ports;
pub mod queue;
pub mod service;
pub mod tls;
pub mod touched;
pub mod webhook;
