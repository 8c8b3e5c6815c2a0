//! What of the archive a principal sees, and what it may have scanned.

use strata_proto::v1::{Scan, SubmitRequest};

use super::prefix::Prefix;

/// The part of the archive that one principal sees. The default is all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// Who looks; owner of what it submits.
    pub owner: String,
    /// Whose share of the workers its scans take; empty leaves that to the request.
    pub tenant: String,
    /// Only scans that the owner submitted, and their reports.
    pub own_only: bool,
    /// Only repositories inside of one of these; empty is all.
    pub prefixes: Vec<Prefix>,
}

impl Sight {
    /// Whether nothing is hidden.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        !self.own_only && self.prefixes.is_empty()
    }

    /// Who looks, for people: `NAME (token:ID)`, or `anonymous` where calls need no token.
    #[must_use]
    pub fn caller(&self) -> String {
        match (self.tenant.as_str(), self.owner.as_str()) {
            (_, "") => "anonymous".to_owned(),
            ("", owner) => owner.to_owned(),
            (name, owner) => format!("{name} ({owner})"),
        }
    }

    /// Whether a scan is shown: all that it is about must be.
    #[must_use]
    pub fn sees(&self, scan: &Scan) -> bool {
        (!self.own_only || scan.owner == self.owner)
            && scan.request.as_ref().is_none_or(|request| self.beyond(request).is_none())
    }

    /// Whether a reference is shown, as far as repositories go.
    #[must_use]
    pub fn admits(&self, reference: &str) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| prefix.admits(reference))
    }

    /// Makes a checked request this principal's own.
    ///
    /// # Errors
    /// Names what of it is beyond the principal's repositories.
    pub fn limit(&self, mut request: SubmitRequest) -> Result<SubmitRequest, String> {
        if !self.tenant.is_empty() {
            request.tenant.clone_from(&self.tenant);
        }
        if let Some(target) = &mut request.registry {
            self.prefixes.iter().for_each(|prefix| prefix.narrow(target));
        }
        match self.beyond(&request) {
            None => Ok(request),
            Some(what) => {
                let prefixes: Vec<String> = self.prefixes.iter().map(ToString::to_string).collect();
                Err(format!("{what} is beyond this token's repositories: {}", prefixes.join(", ")))
            }
        }
    }

    /// The first thing of a request that is not inside.
    fn beyond(&self, request: &SubmitRequest) -> Option<String> {
        if self.prefixes.is_empty() {
            return None;
        }
        if let Some(target) = &request.registry
            && !self.prefixes.iter().any(|prefix| prefix.admits_target(target))
        {
            return Some(format!("{}/{}", target.host, target.prefix));
        }
        request.images.iter().find(|image| !self.admits(image)).cloned()
    }

    /// The starts of references that are shown, for the archive; empty is all.
    pub(crate) fn starts(&self) -> Vec<String> {
        self.prefixes.iter().flat_map(Prefix::starts).collect()
    }
}

#[cfg(test)]
mod tests {
    use strata_proto::v1::RegistryTarget;

    use super::*;

    fn images(images: &[&str]) -> SubmitRequest {
        SubmitRequest { images: images.iter().map(|&image| image.to_owned()).collect(), ..Default::default() }
    }

    #[test]
    fn what_is_beyond_is_refused_and_hidden() {
        let team = Sight {
            owner: "token:a".to_owned(),
            tenant: "ci".to_owned(),
            own_only: false,
            prefixes: vec!["r.example/team".parse().expect("a prefix")],
        };
        let inside = team.limit(images(&["r.example/team/a:1"])).expect("inside");
        assert_eq!(inside.tenant, "ci");
        let refused = team.limit(images(&["r.example/team/a:1", "r.example/b:1"])).expect_err("beyond");
        assert_eq!(refused, "r.example/b:1 is beyond this token's repositories: r.example/team");
        let sweep = |prefix: &str| SubmitRequest {
            registry: Some(RegistryTarget {
                host: "r.example".to_owned(),
                prefix: prefix.to_owned(),
                ..RegistryTarget::default()
            }),
            ..SubmitRequest::default()
        };
        assert!(team.limit(sweep("")).is_err());
        let narrowed = team.limit(sweep("team")).expect("narrowed");
        let scan = |request| Scan { request: Some(request), owner: "token:b".to_owned(), ..Scan::default() };
        assert!(team.sees(&scan(narrowed.clone())));
        assert!(!team.sees(&scan(sweep(""))));
        let own = Sight { own_only: true, ..team };
        assert!(!own.sees(&scan(narrowed.clone())));
        assert!(own.sees(&Scan { owner: "token:a".to_owned(), ..scan(narrowed) }));
        assert!(Sight::default().is_whole() && Sight::default().sees(&scan(sweep(""))));
    }
}
