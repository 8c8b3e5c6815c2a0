//! All that two Strata processes must agree on: messages, names, and the few values that are parsed once and
//! then trusted. No I/O and no runtime lives here.
//!
//! * [`v1`]: the protobuf contract. `scan.proto` and `report.proto` are public, `job.proto` and
//!   `inventory.proto` are spoken between our own processes only.
//! * [`content`]: how what a report says is named, summed up and found.
//! * [`digest`], [`reference`], [`severity`]: values with a syntax.
//! * [`endpoint`]: where NATS and Redis are, and how to log in.
//! * [`ledger`]: which failures are none.
//! * [`outline`]: what reports asked of a database, and what databases are compared by.
//! * [`port`]: what goes wrong at a role's ports.
//! * [`seal`]: tags over what is in Redis.
//! * [`subject`]: the only place that spells NATS subjects, streams and Redis keys.
//! * [`trace`]: the trace context's way through message headers.

pub mod content;
pub mod digest;
pub mod endpoint;
pub mod ledger;
pub mod outline;
pub mod port;
pub mod reference;
pub mod seal;
pub mod severity;
pub mod subject;
pub mod trace;

/// The generated contract, package `strata.v1`. The .proto files hold the documentation of everything in it.
#[expect(clippy::too_many_lines, clippy::large_enum_variant, reason = "generated")]
pub mod v1 {
    tonic::include_proto!("strata.v1");

    /// Encoded descriptor set of the whole contract, for reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/strata.v1.bin"));
}

/// Version of the messages between coordinator and worker. A job of another version is left to a worker that knows it.
pub const WIRE_VERSION: u32 = 1;
