//! Which sweep came before.

use strata_proto::v1::{RegistryTarget, Scan, ScanState, SubmitRequest};

use crate::{backend::Backend, exit::Failure};

/// Scans looked at, at once.
const PAGE: u32 = 200;

/// The newest scan before this one that ended, of the same target.
pub(super) async fn previous(backend: &Backend, now: &Scan) -> Result<Option<Scan>, Failure> {
    let Some(wanted) = now.request.as_ref().map(target) else { return Ok(None) };
    let mut before = now.id.clone();
    loop {
        let page = backend.scans(PAGE, &before).await?;
        let Some(last) = page.last() else { return Ok(None) };
        before.clone_from(&last.id);
        let same = |scan: &Scan| ended(scan) && scan.request.as_ref().map(target).as_ref() == Some(&wanted);
        if let Some(found) = page.into_iter().find(same) {
            return Ok(Some(found));
        }
    }
}

fn ended(scan: &Scan) -> bool {
    matches!(scan.state(), ScanState::Completed | ScanState::CompletedWithFailures)
}

/// What two sweeps must share for their difference to mean something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    registry: Option<(String, String, bool)>,
    /// Repositories, patterns to include and to leave out, images; in order.
    lists: [Vec<String>; 4],
    platform: String,
    attached_vex: bool,
}

pub(super) fn target(request: &SubmitRequest) -> Target {
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list.dedup();
        list
    };
    let registry = request.registry.clone();
    let RegistryTarget { host, prefix, repositories, include, exclude, whole } =
        registry.clone().unwrap_or_default();
    let platform = if request.platform.is_empty() { "linux/amd64" } else { &request.platform };
    Target {
        registry: registry.map(|_| (host, prefix, whole)),
        lists: [sorted(&repositories), sorted(&include), sorted(&exclude), sorted(&request.images)],
        platform: platform.to_owned(),
        attached_vex: request.attached_vex,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(edit: impl FnOnce(&mut SubmitRequest, &mut RegistryTarget)) -> SubmitRequest {
        let mut registry = RegistryTarget {
            host: "r.example".to_owned(),
            include: vec!["a:*".to_owned(), "b:*".to_owned()],
            ..RegistryTarget::default()
        };
        let mut request = SubmitRequest::default();
        edit(&mut request, &mut registry);
        SubmitRequest { registry: Some(registry), ..request }
    }

    #[test]
    fn a_target_is_what_is_swept_and_not_how() {
        let plain = target(&request(|_, _| {}));
        let same = request(|request, registry| {
            request.platform = "linux/amd64".to_owned();
            request.tenant = "night".to_owned();
            request.idempotency_key = "k".to_owned();
            registry.include.reverse();
        });
        assert_eq!(target(&same), plain);
        type Edit = fn(&mut SubmitRequest, &mut RegistryTarget);
        let edits: [Edit; 6] = [
            |_, registry| registry.prefix = "team".to_owned(),
            |_, registry| registry.whole = true,
            |_, registry| registry.exclude.push("*:old".to_owned()),
            |_, registry| registry.repositories.push("a".to_owned()),
            |request, _| request.platform = "linux/arm64".to_owned(),
            |request, _| request.attached_vex = true,
        ];
        for (number, edit) in edits.into_iter().enumerate() {
            assert_ne!(target(&request(edit)), plain, "edit {number}");
        }
    }
}
