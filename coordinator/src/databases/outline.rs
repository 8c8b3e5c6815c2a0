//! Outlines of databases are kept before a scan can be pinned to them.

use std::{fs::File, path::Path, sync::Arc};

use strata_proto::outline::{MOST_OUTLINE_BYTES, Outline};

use super::{PublishError, Publisher};
use crate::{
    drive::now_ms,
    ports::{DatabaseInfo, LocalDatabase, Outlined, Outlines, PortError},
};

impl Publisher {
    /// Keeps an outline of every database that is published from now on, so that images about which it says nothing new
    /// need not be assessed again.
    #[must_use]
    pub fn outlining(mut self, outlines: Arc<dyn Outlines>) -> Self {
        self.outlines = Some(outlines);
        self
    }

    /// Outlines a file that is about to be published, and gives it back. One that cannot be outlined costs assessments, not
    /// the publication.
    pub(super) async fn outline(&self, info: &DatabaseInfo, file: File) -> Result<File, PublishError> {
        let (Some(outlines), Some(scheme)) = (&self.outlines, self.inspector.scheme()) else {
            return Ok(file);
        };
        let kept = outlines.use_outline(&info.digest, scheme, now_ms()).await;
        if matches!(kept, Ok(true)) {
            return Ok(file);
        }
        let (inspector, name) = (Arc::clone(&self.inspector), info.digest.clone());
        let work = move || (inspector.outline(&file, Path::new(&name)), file);
        let (made, file) = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| PublishError::Inspect(format!("the outlining broke off: {error}")))?;
        let done = match made {
            Ok(outline) => keep(&**outlines, info, &outline).await,
            Err(reason) => Err(PortError { action: "outline the database", reason }),
        };
        if let Err(error) = done {
            tracing::warn!(%error, digest = info.digest, "every image is assessed again with this database");
        }
        Ok(file)
    }

    /// Outlines a database of this machine unless that is done. Elsewhere it was done before publication.
    pub(crate) async fn outline_local(&self, outlines: &dyn Outlines, digest: &str) -> Result<(), PortError> {
        let Some(scheme) = self.inspector.scheme() else { return Ok(()) };
        if outlines.use_outline(digest, scheme, now_ms()).await? {
            return Ok(());
        }
        let Some(LocalDatabase { info, outline, .. }) = self.databases.local(digest)? else { return Ok(()) };
        let failed = |reason: String| PortError { action: "outline the database", reason };
        let made = tokio::task::spawn_blocking(outline).await.map_err(|error| failed(error.to_string()))?;
        keep(outlines, &info, &made.map_err(failed)?).await
    }
}

async fn keep(outlines: &dyn Outlines, info: &DatabaseInfo, outline: &Outline) -> Result<(), PortError> {
    let bytes = outline.encode();
    if bytes.len() > MOST_OUTLINE_BYTES {
        let reason = format!("it has {} bytes, and at most {MOST_OUTLINE_BYTES} are kept", bytes.len());
        return Err(PortError { action: "keep the outline of a database", reason });
    }
    let of =
        Outlined { digest: info.digest.clone(), modified: info.modified.clone(), scheme: outline.scheme };
    outlines.put_outline(&of, &bytes, now_ms()).await
}
