//! Which manifests were seen in which indexes: what workers resolved tells it.

use strata_proto::v1::{outcome::Result as Answer, resolved_reference::Result as Resolved};

use crate::ports::{IndexMember, OutcomeDelivery};

/// What these outcomes tell, each once.
pub(super) fn told(outcomes: &[OutcomeDelivery]) -> Vec<IndexMember> {
    let mut members = Vec::new();
    for delivery in outcomes {
        let Some(Answer::Resolved(resolved)) = &delivery.outcome.result else { continue };
        for reference in &resolved.references {
            if let Some(Resolved::Image(image)) = &reference.result
                && !image.index_digest.is_empty()
            {
                members.push(IndexMember {
                    index_digest: image.index_digest.clone(),
                    image_digest: image.image_digest.clone(),
                });
            }
        }
    }
    members.sort();
    members.dedup();
    members
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use strata_proto::v1::{Failure, Outcome, Resolved as ResolvedJob, ResolvedImage, ResolvedReference};

    use super::*;
    use crate::ports::{OutcomeHandle, PortError};

    struct Nothing;

    #[async_trait]
    impl OutcomeHandle for Nothing {
        async fn done(&self) -> Result<(), PortError> {
            Ok(())
        }
    }

    fn delivery(references: &[(&str, &str)]) -> OutcomeDelivery {
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
        let outcome = Outcome { result: Some(Answer::Resolved(resolved)), ..Outcome::default() };
        OutcomeDelivery { outcome, trace: Default::default(), handle: Box::new(Nothing) }
    }

    #[test]
    fn each_member_is_told_once_and_a_plain_manifest_is_none() {
        let told = told(&[delivery(&[("m2", "i"), ("m1", "i"), ("plain", "")]), delivery(&[("m1", "i")])]);
        let told: Vec<_> =
            told.iter().map(|one| (one.index_digest.as_str(), one.image_digest.as_str())).collect();
        assert_eq!(told, [("i", "m1"), ("i", "m2")]);
    }
}
