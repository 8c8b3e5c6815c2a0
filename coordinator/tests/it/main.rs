//! Tests of the coordinator against its ports: real databases, a model of queue and workers, real gRPC on loopback.

mod archive;
mod drive;
mod model;
mod postgres;
mod service;
