//! One conformance suite for both archives, and what is special to each.

mod commits;
mod contents;
mod election;
mod forget;
mod holds;
mod many;
mod outlines;
mod pages;
mod postgres;
mod sqlite;
mod submitted;
mod suite;
mod tagged;
