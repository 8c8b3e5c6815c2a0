//! *list*: one page of a registry's catalog, or of one repository's tags.

use strata_proto::v1::{ListJob, Listed};

use crate::{error::JobError, ports::Images};

/// Reads one page. A malformed name comes through in quotes: whoever uses it next fails and names it.
///
/// # Errors
/// When the page cannot be read; `catalog-refused` where a registry does not list its repositories.
pub async fn list(images: &dyn Images, job: &ListJob) -> Result<Listed, JobError> {
    let options = job.options.unwrap_or_default();
    let page = images.list(&job.host, &job.repository, &job.cursor, &options).await?;
    Ok(Listed { names: page.names, digests: page.digests, next_cursor: page.next.unwrap_or_default() })
}
