//! Tags of images: recorded, and given to every report of their image in whatever order the two come.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::{
    super::dialect::{Adapter, Connection, insert_events, insert_names},
    put,
};
use crate::{
    archive::{failed, tagged, waiting},
    drive::now_ms,
    ports::{IndexMember, NewTag, PortError, Tagged, Tags},
};

const ACTION: &str = "give a tag to its reports";

#[async_trait]
impl Tags for Adapter {
    async fn tag_image(&self, tag: &NewTag) -> Result<Tagged, PortError> {
        const ACTION: &str = "record a tag";
        let recorded = {
            let mut writing = self.write(ACTION).await?;
            let recorded = put::scan(ACTION, &mut writing, &tag.scan).await?;
            if recorded.id == tag.scan.id {
                let rows = tag.events.iter().map(|event| put::event_row(ACTION, event));
                let rows = rows.collect::<Result<Vec<_>, PortError>>()?;
                insert_events(&mut writing, &rows).await.map_err(failed(ACTION))?;
                sqlx::query(tagged::TAG)
                    .bind(&tag.scan.id)
                    .bind(&tag.reference)
                    .bind(&tag.image_digest)
                    .bind(&tag.image_id)
                    .bind(waiting::prefixes(&tag.prefixes))
                    .execute(&mut *writing)
                    .await
                    .map_err(failed(ACTION))?;
            }
            writing.commit().await?;
            recorded
        };
        self.settle(vec![recorded.id.clone()], tag.at_unix_ms).await?;
        let count: i64 = sqlx::query_scalar(tagged::COUNT)
            .bind(&recorded.id)
            .fetch_one(&self.pool)
            .await
            .map_err(failed(ACTION))?;
        Ok(Tagged { scan: recorded, reports: u64::try_from(count).unwrap_or_default() })
    }

    async fn note_members(&self, members: &[IndexMember]) -> Result<(), PortError> {
        const ACTION: &str = "note what an index holds";
        let mut news = Vec::new();
        for member in members {
            let known: bool = sqlx::query_scalar(tagged::IS_MEMBER)
                .bind(&member.index_digest)
                .bind(&member.image_digest)
                .fetch_one(&self.pool)
                .await
                .map_err(failed(ACTION))?;
            if !known {
                news.push(member);
            }
        }
        if news.is_empty() {
            return Ok(());
        }
        // In order, so that two transactions which note the same do not wait for each other.
        news.sort();
        let mut writing = self.write(ACTION).await?;
        for IndexMember { index_digest, image_digest } in &news {
            let insert = sqlx::query(tagged::MEMBER).bind(index_digest).bind(image_digest);
            insert.execute(&mut *writing).await.map_err(failed(ACTION))?;
        }
        writing.commit().await?;
        let indexes: BTreeSet<&str> = news.iter().map(|member| member.index_digest.as_str()).collect();
        for index in indexes {
            let tags = self.strings(tagged::OF_INDEX, index).await?;
            self.settle(tags, now_ms()).await?;
        }
        Ok(())
    }
}

impl Adapter {
    /// Gives reports that were stored, named or bound the tags of their images.
    pub(super) async fn tell_tags(
        &self,
        reports: impl IntoIterator<Item = impl AsRef<str>>,
        at_unix_ms: i64,
    ) -> Result<(), PortError> {
        let any: bool =
            sqlx::query_scalar(tagged::ANY).fetch_one(&self.pool).await.map_err(failed(ACTION))?;
        let reports: Vec<String> = reports.into_iter().map(|id| id.as_ref().to_owned()).collect();
        for report in reports.iter().filter(|_| any) {
            self.tell(report, at_unix_ms).await?;
        }
        Ok(())
    }

    async fn tell(&self, report: &str, at_unix_ms: i64) -> Result<(), PortError> {
        self.unbind(report).await?;
        let mut known = BTreeSet::new();
        // What one tag binds may be what another means.
        loop {
            let found = self.strings(tagged::OF_REPORT, report).await?;
            let news: Vec<String> = found.into_iter().filter(|tag| known.insert(tag.clone())).collect();
            if news.is_empty() {
                return Ok(());
            }
            self.settle(news, at_unix_ms).await?;
        }
    }

    async fn strings(&self, statement: &'static str, value: &str) -> Result<Vec<String>, PortError> {
        sqlx::query_scalar(statement).bind(value).fetch_all(&self.pool).await.map_err(failed(ACTION))
    }

    /// What somebody told of a manifest is worth nothing once the manifest is seen to be another image's.
    async fn unbind(&self, report: &str) -> Result<(), PortError> {
        let look = || sqlx::query_as::<_, (i64, String)>(tagged::WRONGLY_BOUND).bind(report);
        if look().fetch_all(&self.pool).await.map_err(failed(ACTION))?.is_empty() {
            return Ok(());
        }
        let mut writing = self.write_referring(ACTION).await?;
        for (number, digest) in look().fetch_all(&mut *writing).await.map_err(failed(ACTION))? {
            let unbind = sqlx::query(tagged::UNBIND).bind(number).bind(digest);
            unbind.execute(&mut *writing).await.map_err(failed(ACTION))?;
        }
        writing.commit().await
    }

    async fn settle(&self, tags: Vec<String>, at_unix_ms: i64) -> Result<(), PortError> {
        for scan in tags {
            let mut writing = self.write_referring(ACTION).await?;
            settle(&mut writing, &scan, at_unix_ms).await.map_err(failed(ACTION))?;
            writing.commit().await?;
        }
        Ok(())
    }
}

/// Gives one tag to all reports of its image that are there.
async fn settle(connection: &mut Connection, scan: &str, at_unix_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query(tagged::HOLD).bind(scan).execute(&mut *connection).await?;
    let row = sqlx::query_as(tagged::READ).bind(scan).fetch_optional(&mut *connection).await?;
    let Some((reference, mut digest, mut id, prefixes)): Option<tagged::Row> = row else { return Ok(()) };
    if digest.is_empty() && id.is_empty() {
        let seen: Option<(String, String, bool)> =
            sqlx::query_as(tagged::LAST_SEEN).bind(&reference).fetch_optional(&mut *connection).await?;
        let Some((image_digest, config_digest, waits)) = seen else { return Ok(()) };
        // A report that waits for its manifest names none.
        (digest, id) = (if waits { String::new() } else { image_digest }, config_digest);
        let resolve = sqlx::query(tagged::RESOLVE).bind(scan).bind(&digest).bind(&id);
        resolve.execute(&mut *connection).await?;
    }
    let reports: Vec<i64> =
        sqlx::query_scalar(tagged::REPORTS).bind(&digest).bind(&id).fetch_all(&mut *connection).await?;
    let otherwise: bool =
        sqlx::query_scalar(tagged::OTHERWISE).bind(&digest).bind(&id).fetch_one(&mut *connection).await?;
    for report in reports {
        let names: Vec<(String, bool)> =
            sqlx::query_as(tagged::NAMES).bind(report).bind(scan).fetch_all(&mut *connection).await?;
        let waits: Option<(String, String)> =
            sqlx::query_as(tagged::WAITS).bind(report).fetch_optional(&mut *connection).await?;
        let Some(mut names) = tagged::admitted(&prefixes, names) else { continue };
        if let Some((config, limits)) = waits
            && waiting::admitted(&limits, &[reference.as_str()], |name: &&str| *name).is_some()
        {
            names.extend(Some(reference.clone()).filter(|reference| !reference.is_empty()));
            if !digest.is_empty() && config == id && !otherwise {
                let bind = sqlx::query(waiting::BIND).bind(report).bind(&digest).bind(at_unix_ms);
                bind.execute(&mut *connection).await?;
            }
        }
        // Where all else was forgotten the digest is its name.
        if names.is_empty() {
            names.push(if digest.is_empty() { id.clone() } else { digest.clone() });
        }
        names.sort();
        let rows: Vec<_> = names.iter().map(|name| (report, scan, name.as_str())).collect();
        insert_names(connection, &rows).await?;
    }
    Ok(())
}
