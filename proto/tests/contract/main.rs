//! The .proto files are a public contract: every element says what it means, names follow one style, and what a released
//! version wrote or read is understood for ever.

mod compatible;
mod lint;
mod walk;

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// Something done to a copy of the contract.
type Edit = fn(&mut FileDescriptorSet);

/// Today's contract, with its comments.
fn today() -> FileDescriptorSet {
    let mut set = FileDescriptorSet::decode(strata_proto::v1::DESCRIPTORS).expect("a descriptor set");
    set.file.retain(|file| file.package().starts_with("strata."));
    assert!(set.file.len() >= 5, "the contract has its files");
    set
}
