//! The table of methods and what each needs. A method without a row is closed to everybody; a test over the contract's
//! descriptor sees to it that there is none.

use std::time::Duration;

use super::{Principal, scope::Scope};

/// One method of the public service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// As in the contract.
    pub name: &'static str,
    /// One of these is enough.
    pub needs: &'static [Scope],
}

/// Every method of `strata.v1.Strata`. Where `scan` is enough to look, it shows the caller's own scans only.
pub const TABLE: &[Method] = &[
    Method { name: "Submit", needs: &[Scope::Scan] },
    Method { name: "Cancel", needs: &[Scope::Scan] },
    Method { name: "Watch", needs: &[Scope::Read, Scope::Scan] },
    Method { name: "GetScan", needs: &[Scope::Read, Scope::Scan] },
    Method { name: "ListScans", needs: &[Scope::Read, Scope::Scan] },
    Method { name: "GetReport", needs: &[Scope::Read, Scope::Scan] },
    Method { name: "SearchReports", needs: &[Scope::Read] },
    Method { name: "FindTouched", needs: &[Scope::Read] },
    Method { name: "SubmitReport", needs: &[Scope::Scan] },
    Method { name: "HoldReport", needs: &[Scope::Admin] },
    Method { name: "ReleaseReport", needs: &[Scope::Admin] },
    Method { name: "CheckReports", needs: &[Scope::Admin] },
    Method { name: "TagImage", needs: &[Scope::Scan] },
    Method { name: "AcceptRisk", needs: &[Scope::Admin] },
    Method { name: "ListAcceptedRisks", needs: &[Scope::Read, Scope::Scan] },
    Method { name: "EndAcceptedRisk", needs: &[Scope::Admin] },
    Method { name: "PublishDatabase", needs: &[Scope::Admin] },
    Method { name: "GetDatabase", needs: &[Scope::Read, Scope::Scan] },
    Method { name: "FetchDatabase", needs: &[Scope::Read, Scope::Scan] },
    Method { name: "CreateToken", needs: &[Scope::Admin] },
    Method { name: "ListTokens", needs: &[Scope::Admin] },
    Method { name: "RevokeToken", needs: &[Scope::Admin] },
];

/// The row of a method.
#[must_use]
pub fn of(name: &str) -> Option<&'static Method> {
    TABLE.iter().find(|method| method.name == name)
}

impl Method {
    /// How long a call may take that does not answer with a stream, whatever the client asks for. Databases are large.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(if self.name == "PublishDatabase" { 1_800 } else { 60 })
    }

    /// Whether a caller may call it.
    ///
    /// # Errors
    /// Says which scope is missing.
    pub fn check(&self, principal: &Principal) -> Result<(), String> {
        if self.needs.iter().any(|scope| principal.has(*scope)) {
            return Ok(());
        }
        let needs: Vec<&str> = self.needs.iter().map(|scope| scope.name()).collect();
        Err(format!("{} needs the scope {}, which this token does not have", self.name, needs.join(" or ")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;
    use strata_proto::v1::DESCRIPTORS;

    use super::*;

    #[test]
    fn every_method_of_the_contract_has_a_row_and_no_other_has() {
        let set = FileDescriptorSet::decode(DESCRIPTORS).expect("the contract");
        let methods: BTreeSet<String> = set
            .file
            .iter()
            .flat_map(|file| &file.service)
            .flat_map(|service| {
                service.method.iter().map(|method| format!("{}/{}", service.name(), method.name()))
            })
            .collect();
        let rows: BTreeSet<String> = TABLE.iter().map(|row| format!("Strata/{}", row.name)).collect();
        assert_eq!(methods, rows);
        assert_eq!(rows.len(), TABLE.len(), "a method has two rows");
        assert!(TABLE.iter().all(|row| !row.needs.is_empty()));
    }

    #[test]
    fn scopes_open_what_they_should() {
        let with = |scope| Principal { scopes: BTreeSet::from([scope]), ..Principal::anonymous() };
        let may = |scope| -> Vec<&str> {
            TABLE.iter().filter(|row| row.check(&with(scope)).is_ok()).map(|row| row.name).collect()
        };
        let databases = ["GetDatabase", "FetchDatabase"];
        let read = ["Watch", "GetScan", "ListScans", "GetReport", "SearchReports", "FindTouched"];
        assert_eq!(may(Scope::Read), [&read[..], &["ListAcceptedRisks"], &databases].concat());
        let look = ["Submit", "Cancel", "Watch", "GetScan", "ListScans", "GetReport"];
        let more = ["SubmitReport", "TagImage", "ListAcceptedRisks"];
        assert_eq!(may(Scope::Scan), [&look[..], &more, &databases].concat());
        assert_eq!(may(Scope::Admin).len(), TABLE.len());
        let refused = of("Submit").expect("a row").check(&with(Scope::Read)).expect_err("refused");
        assert_eq!(refused, "Submit needs the scope scan, which this token does not have");
    }
}
