//! Reports that say against another database what they said against one: rows that refer to the same content.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use strata_proto::v1::ReportSummary;

use super::{
    super::dialect::{Adapter, Connection, ORIGINALS, insert_reports, list},
    put::{self, Stored},
};
use crate::{
    archive::{
        content::{self, ReportRow},
        decode, failed,
    },
    ports::{CopyReport, Naming, PortError},
};

const ACTION: &str = "copy a report";

/// Of a report: id, image, configuration, summary; key of its content, and the digest that earlier versions kept instead; what it
/// refers to.
type Original = (String, String, String, Vec<u8>, Option<Vec<u8>>, String, i64, Option<i64>, Option<i64>);

impl Adapter {
    pub(super) async fn copy(&self, copies: &[CopyReport<'_>]) -> Result<Vec<bool>, PortError> {
        if copies.is_empty() {
            return Ok(Vec::new());
        }
        let mut writing = self.write_followed(ACTION).await?;
        let originals = originals(&mut writing, copies).await?;
        let ids: BTreeSet<String> = copies.iter().map(|copy| copy.id.to_owned()).collect();
        // In order, as everywhere.
        let each: BTreeMap<&str, &CopyReport<'_>> = copies.iter().map(|copy| (copy.id, copy)).collect();
        let rows = each.into_values().filter_map(|copy| Some(row(copy, originals.get(copy.of)?)));
        let rows = rows.collect::<Result<Vec<ReportRow<'_>>, PortError>>()?;
        let inserted = insert_reports(&mut writing, &rows).await.map_err(failed(ACTION))?;
        let mut numbers: BTreeMap<String, i64> = inserted.into_iter().collect();
        if numbers.len() < ids.len() {
            numbers = put::numbers(&mut writing, &ids).await.map_err(failed(ACTION))?;
        }
        let stored: Vec<Stored<'_>> = copies
            .iter()
            .map(|copy| {
                let (image, config) = originals
                    .get(copy.of)
                    .map(|(_, image, config, ..)| (image.as_str(), config.as_str()))
                    .unwrap_or_default();
                Stored {
                    id: copy.id,
                    image_digest: image,
                    config_digest: config,
                    stored_unix_ms: copy.stored_unix_ms,
                    scan: copy.scan,
                    references: copy.references,
                }
            })
            .collect();
        let namings: Vec<Naming<'_>> = stored.iter().map(Stored::naming).collect();
        put::names(&mut writing, &numbers, &namings).await.map_err(failed(ACTION))?;
        put::wait_all(ACTION, &mut writing, &numbers, &stored).await?;
        writing.commit().await?;
        let there: Vec<bool> = copies.iter().map(|copy| numbers.contains_key(copy.id)).collect();
        let stored: Vec<Stored<'_>> =
            stored.into_iter().zip(&there).filter(|(_, there)| **there).map(|(stored, _)| stored).collect();
        self.find_others(&stored).await?;
        Ok(there)
    }
}

async fn originals(
    connection: &mut Connection,
    copies: &[CopyReport<'_>],
) -> Result<BTreeMap<String, Original>, PortError> {
    let ids: BTreeSet<String> = copies.iter().map(|copy| copy.of.to_owned()).collect();
    let rows: Vec<Original> =
        sqlx::query_as(ORIGINALS).bind(list(&ids)).fetch_all(connection).await.map_err(failed(ACTION))?;
    Ok(rows.into_iter().map(|row| (row.0.clone(), row)).collect())
}

fn row<'a>(copy: &CopyReport<'a>, original: &Original) -> Result<ReportRow<'a>, PortError> {
    let (_, image_digest, config_digest, summary, key, body_digest, content, vulnerabilities, packages) =
        original;
    let summary = ReportSummary {
        report_id: copy.id.to_owned(),
        database_digest: copy.database_digest.to_owned(),
        database_modified: copy.database_modified.to_owned(),
        created_unix_ms: copy.stored_unix_ms,
        assessed_unix_ms: copy.assessed_unix_ms,
        ..decode(ACTION, summary)?
    };
    let summary = summary.encode_to_vec();
    let said = key.as_deref().unwrap_or(body_digest.as_bytes());
    Ok(ReportRow {
        id: copy.id,
        image_digest: image_digest.clone(),
        config_digest: config_digest.clone(),
        created_unix_ms: copy.stored_unix_ms,
        seal: content::seal(said, &summary),
        summary,
        content: *content,
        vulnerabilities: *vulnerabilities,
        packages: *packages,
    })
}
