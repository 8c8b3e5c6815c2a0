//! Reports that were made elsewhere, and the manifests that they are bound to.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::{
    super::dialect::{AWAITED, Adapter, Connection, insert_events, insert_names, list},
    put,
};
use crate::{
    archive::{content::Content, failed, refused, waiting},
    ports::{Naming, PortError, PutReport, Submission, Submissions, Taken},
};

#[async_trait]
impl Submissions for Adapter {
    async fn submit_report(&self, submission: &Submission) -> Result<Taken, PortError> {
        const ACTION: &str = "record a submitted report";
        let Submission { scan, events, report_id, references, report, prefixes, at_unix_ms } = submission;
        let content = Content::of(report.clone(), None);
        let content = content.map_err(|error| refused(ACTION, error.to_string()))?;
        let (recorded, fresh) = {
            let mut writing = self.write_referring(ACTION).await?;
            let recorded = put::scan(ACTION, &mut writing, scan).await?;
            let mut fresh = false;
            if recorded.id == scan.id {
                let rows = events.iter().map(|event| put::event_row(ACTION, event));
                let rows = rows.collect::<Result<Vec<_>, PortError>>()?;
                insert_events(&mut writing, &rows).await.map_err(failed(ACTION))?;
                let put = PutReport {
                    id: report_id,
                    content: &content,
                    stored_unix_ms: *at_unix_ms,
                    assessed_unix_ms: 0,
                    scan: &scan.id,
                    references,
                };
                let (numbers, new) = put::reports(ACTION, &mut writing, &[put]).await?;
                fresh = new.contains(report_id);
                let prefixes = waiting::prefixes(prefixes);
                if let Some(number) = numbers.get(report_id) {
                    let waits = put::wait(&mut writing, *number, &report.config_digest, &prefixes);
                    waits.await.map_err(failed(ACTION))?;
                }
            }
            writing.commit().await?;
            (recorded, fresh)
        };
        self.bind_seen(report_id, *at_unix_ms).await?;
        self.tell_tags([report_id], *at_unix_ms).await?;
        Ok(Taken { scan: recorded, known: !fresh, bound: self.bound(report_id).await? })
    }
}

impl Adapter {
    /// The manifests that a report is bound to.
    pub(super) async fn bound(&self, report: &str) -> Result<Vec<String>, PortError> {
        sqlx::query_scalar(waiting::BOUND)
            .bind(report)
            .fetch_all(&self.pool)
            .await
            .map_err(failed("look for a report's manifests"))
    }

    /// Binds the reports that wait for what these are of, which have these names in scans.
    pub(super) async fn bind_waiting(
        &self,
        namings: &[Naming<'_>],
        at_unix_ms: i64,
    ) -> Result<(), PortError> {
        const ACTION: &str = "bind reports to a manifest";
        let ids: BTreeSet<String> = namings.iter().map(|naming| naming.report.to_owned()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        // Nearly always nothing waits.
        let look = sqlx::query_scalar::<_, String>(AWAITED).bind(list(&ids));
        let awaited = look.fetch_all(&self.pool).await.map_err(failed(ACTION))?;
        for naming in namings.iter().filter(|naming| awaited.iter().any(|id| id == naming.report)) {
            let look = sqlx::query_as::<_, waiting::Waiting>(waiting::WAITING_FOR).bind(naming.report);
            let mut writing = self.write_referring(ACTION).await?;
            for (number, prefixes, digest) in look.fetch_all(&mut *writing).await.map_err(failed(ACTION))? {
                let Some(names) = waiting::admitted(&prefixes, naming.references, |name| name.as_str())
                else {
                    continue;
                };
                bind(&mut writing, number, &digest, at_unix_ms).await.map_err(failed(ACTION))?;
                let rows: Vec<(i64, &str, &str)> =
                    names.iter().map(|name| (number, naming.scan, name.as_str())).collect();
                insert_names(&mut writing, &rows).await.map_err(failed(ACTION))?;
            }
            writing.commit().await?;
        }
        Ok(())
    }

    /// Binds a report that waits to the manifests that were read from registries before it came.
    pub(super) async fn bind_seen(&self, id: &str, at_unix_ms: i64) -> Result<(), PortError> {
        const ACTION: &str = "bind a report to its manifests";
        let mut writing = self.write_referring(ACTION).await?;
        let row: Option<(i64, String, String)> = sqlx::query_as(waiting::WAITS)
            .bind(id)
            .fetch_optional(&mut *writing)
            .await
            .map_err(failed(ACTION))?;
        let Some((number, config, prefixes)) = row else { return Ok(()) };
        let seen: Vec<(i64, String)> = sqlx::query_as(waiting::SEEN)
            .bind(config)
            .fetch_all(&mut *writing)
            .await
            .map_err(failed(ACTION))?;
        for (other, digest) in seen {
            let rows: Vec<(String, String)> = sqlx::query_as(waiting::SEEN_REFERENCES)
                .bind(other)
                .fetch_all(&mut *writing)
                .await
                .map_err(failed(ACTION))?;
            let Some(rows) = waiting::admitted(&prefixes, &rows, |(_, name)| name.as_str()) else { continue };
            bind(&mut writing, number, &digest, at_unix_ms).await.map_err(failed(ACTION))?;
            for (scan, name) in rows {
                let refer = sqlx::query(waiting::REFER).bind(number).bind(scan).bind(name);
                refer.execute(&mut *writing).await.map_err(failed(ACTION))?;
            }
        }
        writing.commit().await
    }
}

async fn bind(
    connection: &mut Connection,
    report: i64,
    digest: &str,
    at_unix_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(waiting::BIND).bind(report).bind(digest).bind(at_unix_ms).execute(connection).await?;
    Ok(())
}
