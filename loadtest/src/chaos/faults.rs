//! The table of faults.

mod client;
mod coordinators;
mod network;
mod registry;
mod servers;
mod spool;
mod workers;

use super::Fault;

/// All faults. A new one is a row here and its functions in a file below.
pub const FAULTS: &[Fault] = &[
    workers::KILLED,
    workers::STOPPED,
    workers::POISON,
    coordinators::KILLED,
    coordinators::FAILOVER,
    servers::NATS,
    servers::REDIS,
    servers::FLUSH,
    servers::POSTGRES,
    registry::BUSY,
    registry::FAILING,
    registry::TRUNCATES,
    registry::STALLS,
    registry::CORRUPTS,
    client::LEAVES,
    spool::FULL,
    network::PARTITION,
];
