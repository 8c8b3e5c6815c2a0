//! Logins that the settings name.

use futures::FutureExt as _;

use super::{Credentials, Finding, names_host};

/// The settings' login for a host.
pub(super) fn find<'a>(credentials: &'a Credentials, host: &'a str) -> Finding<'a> {
    let found = credentials.entries.iter().find(|(key, _)| names_host(key, host));
    let found = found.map(|(_, login)| login.clone());
    async move { Ok(found) }.boxed()
}
