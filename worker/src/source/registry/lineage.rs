//! The indexes by which a reference leads to an image: what is attached to one of them is said of the image too.

use std::collections::VecDeque;

use strata_proto::digest::Digest;

use super::Image;
use crate::{
    error::JobError,
    ports::Attached,
    source::{
        manifest::{self, Document},
        media::{self, DocumentKind},
        walk::Fetched,
    },
};

/// Indexes within indexes.
const MAX_DEPTH: usize = 4;
/// Indexes that are read for one image.
const MAX_INDEXES: usize = 16;

/// Digests of the indexes from the reference's own down to the one that names the image; none where the reference names the
/// image itself.
///
/// # Errors
/// When the registry cannot be asked. What will not get better (a tag that is gone, or leads to another image by now) is
/// refused in `attached`.
pub(super) async fn indexes(
    image: &Image,
    subject: &Digest,
    attached: &mut Attached,
) -> Result<Vec<Digest>, JobError> {
    if image.reference.digest.as_ref() == Some(subject) {
        return Ok(Vec::new());
    }
    match search(image, subject).await {
        Ok(Some(path)) => Ok(path),
        Ok(None) => {
            attached.refused.push(format!(
                "{} does not lead to the image {subject} now, so what is attached to its index is not known",
                image.what
            ));
            Ok(Vec::new())
        }
        Err(error) if error.later => Err(error),
        Err(error) => {
            attached.refused.push(error.message);
            Ok(Vec::new())
        }
    }
}

async fn search(image: &Image, subject: &Digest) -> Result<Option<Vec<Digest>>, JobError> {
    let root = image.document(&image.reference.selector(), image.reference.digest.as_ref()).await?;
    let top = Digest::of(&root.body);
    if top == *subject {
        return Ok(Some(Vec::new()));
    }
    let mut open = VecDeque::from([(root, vec![top])]);
    let mut read = 1;
    while let Some((fetched, path)) = open.pop_front() {
        let (is_there, inner) = entries(&fetched, subject, &image.what)?;
        if is_there {
            return Ok(Some(path));
        }
        for digest in inner {
            if path.len() >= MAX_DEPTH || read >= MAX_INDEXES {
                let message = format!(
                    "failed to find the image {subject} in the index of {}: more than {MAX_INDEXES} indexes, or deeper than {MAX_DEPTH}",
                    image.what
                );
                return Err(JobError::never("limit", message));
            }
            read += 1;
            let fetched = image.document(&digest.to_string(), Some(&digest)).await?;
            let path = path.iter().cloned().chain([digest]).collect();
            open.push_back((fetched, path));
        }
    }
    Ok(None)
}

/// Whether an index names the image, and the indexes that it names.
fn entries(fetched: &Fetched, subject: &Digest, what: &str) -> Result<(bool, Vec<Digest>), JobError> {
    let Document::Index(entries) = manifest::parse(&fetched.body, &fetched.content_type, what)? else {
        return Ok((false, Vec::new()));
    };
    let named = subject.to_string();
    let is_there = entries.iter().any(|entry| entry.digest == named);
    let inner = entries.iter().filter(|entry| media::document(&entry.media_type) == DocumentKind::Index);
    // What an entry is otherwise called wrongly is no index of ours.
    Ok((is_there, inner.filter_map(|entry| entry.digest.parse().ok()).collect()))
}
