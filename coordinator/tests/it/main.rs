//! Tests of the coordinator against its ports: real databases, a model of queue and workers, real gRPC on loopback.

#![expect(clippy::print_stdout, reason = "a test that skips says so")]

mod archive;
mod drive;
mod model;
mod postgres;
mod service;
