//! Which manifests were seen in which indexes: what workers resolved tells it.

use strata_proto::v1::{Outcome, outcome::Result as Answer, resolved_reference::Result as Resolved};

use crate::ports::IndexMember;

/// What an outcome tells.
pub(super) fn told(outcome: &Outcome) -> impl Iterator<Item = IndexMember> {
    let references = match &outcome.result {
        Some(Answer::Resolved(resolved)) => resolved.references.as_slice(),
        _ => &[],
    };
    references.iter().filter_map(|reference| match &reference.result {
        Some(Resolved::Image(image)) if !image.index_digest.is_empty() => Some(IndexMember {
            index_digest: image.index_digest.clone(),
            image_digest: image.image_digest.clone(),
        }),
        _ => None,
    })
}

/// Each once.
pub(super) fn distinct(mut members: Vec<IndexMember>) -> Vec<IndexMember> {
    members.sort();
    members.dedup();
    members
}

#[cfg(test)]
mod tests {
    use strata_proto::v1::{Failure, Resolved as ResolvedJob, ResolvedImage, ResolvedReference};

    use super::*;

    fn outcome(references: &[(&str, &str)]) -> Outcome {
        let reference = |(image, index): &(&str, &str)| ResolvedReference {
            reference: "r.example/a:1".to_owned(),
            result: Some(Resolved::Image(ResolvedImage {
                image_digest: (*image).to_owned(),
                index_digest: (*index).to_owned(),
                ..ResolvedImage::default()
            })),
        };
        let mut references: Vec<_> = references.iter().map(reference).collect();
        references.push(ResolvedReference {
            reference: "r.example/gone:1".to_owned(),
            result: Some(Resolved::Failure(Failure::default())),
        });
        let resolved = ResolvedJob { references, ..ResolvedJob::default() };
        Outcome { result: Some(Answer::Resolved(resolved)), ..Outcome::default() }
    }

    #[test]
    fn each_member_is_told_once_and_a_plain_manifest_is_none() {
        let outcomes = [outcome(&[("m2", "i"), ("m1", "i"), ("plain", "")]), outcome(&[("m1", "i")])];
        let told = distinct(outcomes.iter().flat_map(told).collect());
        let told: Vec<_> =
            told.iter().map(|one| (one.index_digest.as_str(), one.image_digest.as_str())).collect();
        assert_eq!(told, [("i", "m1"), ("i", "m2")]);
    }
}
