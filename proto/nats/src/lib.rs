//! What the roles that speak NATS have in common: a [`connection`] that comes back by itself, headers of [`message`]s and
//! publication that waits until the stream has it. Streams, consumers and what is in a message are each role's own.

pub mod connection;
pub mod message;
