//! What images are and where they come from, told or seen beside reports.

use async_trait::async_trait;
use strata_proto::v1::{Event, Scan};

use super::PortError;
use crate::access::prefix::Prefix;

/// Where an image comes from, told after the fact, checked and ready to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTag {
    /// Records it: a scan that has ended, with an idempotency key and the source.
    pub scan: Scan,
    /// The scan's events.
    pub events: Vec<Event>,
    /// The image's reference, in full; may be empty.
    pub reference: String,
    /// Digest of its manifest or index; may be empty.
    pub image_digest: String,
    /// Digest of its configuration; may be empty.
    pub image_id: String,
    /// Repositories that the caller may name: reports without a name in them are not told of it. Empty is all.
    pub prefixes: Vec<Prefix>,
    /// Milliseconds since 1970-01-01 UTC.
    pub at_unix_ms: i64,
}

/// What became of a tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Tagged {
    /// The scan that records it: the one of before where the idempotency key was known.
    pub scan: Scan,
    /// Reports that have it now.
    pub reports: u64,
}

/// A manifest that was seen in an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexMember {
    /// Digest of the index.
    pub index_digest: String,
    /// Digest of the manifest.
    pub image_digest: String,
}

/// Tags of images, and which indexes hold which manifests. Reports, manifests and tags may come in any order: all end the same.
#[async_trait]
pub trait Tags: Send + Sync {
    /// Records a tag, and gives it to every report of its image, those that come later too.
    async fn tag_image(&self, tag: &NewTag) -> Result<Tagged, PortError>;
    /// Notes manifests that were seen in indexes.
    async fn note_members(&self, members: &[IndexMember]) -> Result<(), PortError>;
}
