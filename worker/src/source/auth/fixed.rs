//! Logins that the settings name.

use futures::{FutureExt as _, future::BoxFuture};

use super::{Credentials, Login, names_host};
use crate::error::JobError;

/// The settings' login for a host.
pub(super) fn find<'a>(
    credentials: &'a Credentials,
    host: &'a str,
) -> BoxFuture<'a, Result<Option<Login>, JobError>> {
    let found = credentials.entries.iter().find(|(key, _)| names_host(key, host));
    let found = found.map(|(_, login)| login.clone());
    async move { Ok(found) }.boxed()
}
