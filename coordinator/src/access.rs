//! Who may ask what: tokens of the archive and JWTs of an OIDC issuer become a [`Principal`] with scopes, and perhaps with
//! repositories beyond which it sees nothing.
//!
//! * [`scope`], [`methods`]: what there is to be allowed, and what each method needs.
//! * [`prefix`], [`sight`]: the repositories of a principal, and what of the archive that shows.
//! * [`token`]: secrets of tokens; only their digests are kept.
//! * [`jwt`], [`jwks`], [`oidc`]: signed claims of an issuer, its keys, and what they allow.
//! * [`gate`]: all of it for one call.

pub mod gate;
pub mod jwks;
pub mod jwt;
pub mod methods;
pub mod oidc;
pub mod prefix;
pub mod scope;
pub mod sight;
pub mod token;

use std::collections::BTreeSet;

use self::{prefix::Prefix, scope::Scope, sight::Sight};

/// Who calls, and what that allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// `token:ID`, `oidc:SUBJECT`, or nothing for a caller without a name.
    pub id: String,
    /// For people and for fairness between clients.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// Repositories that it may scan and see; empty is all.
    pub prefixes: Vec<Prefix>,
    /// When it ends, in milliseconds since 1970-01-01 UTC; 0 is never.
    pub expires_unix_ms: i64,
}

impl Principal {
    /// A caller without a name where calls need none: it may do everything.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            scopes: BTreeSet::from([Scope::Admin]),
            prefixes: Vec::new(),
            expires_unix_ms: 0,
        }
    }

    /// Whether a scope is allowed; an administrator has all.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    /// What of the archive it sees: who may only scan sees its own scans.
    #[must_use]
    pub fn sight(&self) -> Sight {
        Sight {
            owner: self.id.clone(),
            tenant: self.name.clone(),
            own_only: !self.has(Scope::Read),
            prefixes: self.prefixes.clone(),
        }
    }
}
