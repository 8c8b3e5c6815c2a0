//! Tests of the coordinator against its ports: real databases, a model of queue and workers, real gRPC on loopback.
//! What both halves of a queue do together is tested with the worker.

#![expect(clippy::print_stdout, reason = "a test that skips says so")]

mod access;
mod archive;
mod bundles;
mod calls;
mod databases;
mod drive;
mod flaky;
mod lead;
mod model;
mod oidc;
mod parcels;
mod postgres;
mod queue;
#[path = "../../../worker/tests/it/servers.rs"]
#[expect(dead_code, reason = "these tests need only a part of it")]
mod servers;
mod service;
mod standing;
mod webhook;
