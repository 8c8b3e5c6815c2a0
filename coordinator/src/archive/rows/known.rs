//! Reports that are there already.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::AssertSqlSafe;
use strata_proto::v1::{ReportHold, ReportOrigin, ReportSummary, SearchReportsRequest};

use super::super::dialect::{Adapter, SCANS, SUMMARIES, Texts, WORDS, list, name_reports, texts};
use crate::{
    access::sight::Sight,
    archive::{decode, decode_all, failed, origin, scans_of, search},
    drive::now_ms,
    ports::{Naming, PortError},
};

impl Adapter {
    pub(super) async fn name(&self, namings: &[Naming<'_>]) -> Result<Vec<bool>, PortError> {
        const ACTION: &str = "name a report's references";
        if namings.is_empty() {
            return Ok(Vec::new());
        }
        let mut writing = self.write_followed(ACTION).await?;
        let there = name_reports(&mut writing, namings).await.map_err(failed(ACTION))?;
        writing.commit().await?;
        if self.awaits().await? {
            self.bind_waiting(namings, now_ms()).await?;
            self.tell_tags(&there, now_ms()).await?;
        }
        Ok(namings.iter().map(|naming| there.contains(naming.report)).collect())
    }

    pub(super) async fn known(&self, ids: &[String]) -> Result<Vec<ReportSummary>, PortError> {
        const ACTION: &str = "look for reports";
        decode_all(ACTION, &self.bodies(ACTION, sqlx::query_scalar(SUMMARIES).bind(list(ids))).await?)
    }

    pub(super) async fn find(
        &self,
        query: &SearchReportsRequest,
        sight: &Sight,
    ) -> Result<Vec<ReportSummary>, PortError> {
        const ACTION: &str = "search reports";
        let mut counted = Vec::new();
        for count in search::counts(query) {
            let statement = sqlx::query_scalar::<_, i64>(AssertSqlSafe(count));
            counted.push(statement.fetch_one(&self.pool).await.map_err(failed(ACTION))?);
        }
        let search = search::search(query, &counted, sight, &WORDS);
        let mut statement = sqlx::query_as(AssertSqlSafe(search.sql));
        for text in search.texts {
            statement = statement.bind(text);
        }
        let rows: Vec<search::Row<Texts>> = statement.fetch_all(&self.pool).await.map_err(failed(ACTION))?;
        let (mut found, mut scans) = (Vec::with_capacity(rows.len()), BTreeSet::new());
        for (number, body, references, bound, indexes, shown, own, held_by, held_unix_ms, reason) in rows {
            let mut summary: ReportSummary = decode(ACTION, &body)?;
            summary.number = u64::try_from(number).unwrap_or_default();
            summary.references = texts(ACTION, references)?;
            summary.bound_digests = texts(ACTION, bound)?;
            summary.hold = held_by.map(|held_by| ReportHold {
                report_id: summary.report_id.clone(),
                held_by,
                held_unix_ms: held_unix_ms.unwrap_or_default(),
                reason: reason.unwrap_or_default(),
                ..ReportHold::default()
            });
            summary.index_digests = texts(ACTION, indexes)?;
            let of = texts(ACTION, if summary.submitted_by.is_empty() { shown } else { own })?;
            scans.extend(of.iter().cloned());
            found.push((summary, of));
        }
        let origins = self.origins(&scans).await?;
        let with_origins = found.into_iter().map(|(mut summary, of)| {
            summary.origins = of.iter().filter_map(|scan| origins.get(scan).cloned()).collect();
            summary
        });
        Ok(with_origins.collect())
    }

    /// What summaries say of these scans. One that was forgotten meanwhile is not there.
    async fn origins(&self, scans: &BTreeSet<String>) -> Result<BTreeMap<String, ReportOrigin>, PortError> {
        const ACTION: &str = "look for the sources of reports";
        if scans.is_empty() {
            return Ok(BTreeMap::new());
        }
        let rows = sqlx::query_as(SCANS).bind(list(scans)).fetch_all(&self.pool).await;
        Ok(scans_of(ACTION, rows)?.into_iter().map(|scan| (scan.id.clone(), origin(scan))).collect())
    }
}
