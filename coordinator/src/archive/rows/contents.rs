//! Contents and lists of terms: written once, gone with the last report that refers to them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::dialect::{Connection, drop_postings, insert_contents, insert_lists, insert_postings};
use crate::archive::{
    content::{Content, ContentRow, TermList},
    forget,
};

/// What a report refers to, by number.
pub(super) struct Refers {
    /// Names the content.
    pub(super) key: [u8; 32],
    pub(super) content: i64,
    pub(super) vulnerabilities: Option<i64>,
    pub(super) packages: Option<i64>,
}

/// Contents with their lists that are there now.
pub(super) struct Kept {
    /// In the order of the contents.
    pub(super) refers: Vec<Refers>,
    /// What was not there before.
    pub(super) fresh_contents: Vec<i64>,
    pub(super) fresh_lists: BTreeSet<i64>,
}

/// Keeps contents and lists, each once and in order, so that two transactions which keep the same do not wait for each other.
pub(super) async fn keep(connection: &mut Connection, contents: &[&Content]) -> Result<Kept, sqlx::Error> {
    let keys: Vec<[u8; 32]> = contents.iter().map(|content| content.key).collect();
    let rows: BTreeMap<&[u8], &Content> =
        keys.iter().map(<[u8; 32]>::as_slice).zip(contents.iter().copied()).collect();
    let rows: Vec<ContentRow<'_>> = rows
        .into_iter()
        .map(|(key, content)| ContentRow { key, body: &content.body, asked: content.asked.as_deref() })
        .collect();
    let numbers = insert_contents(connection, &rows).await?;
    let fresh_contents = numbers.iter().filter(|(_, fresh)| *fresh).map(|(number, _)| *number).collect();
    let content_of: BTreeMap<&[u8], i64> =
        rows.iter().zip(&numbers).map(|(row, (number, _))| (row.key, *number)).collect();

    let lists: Vec<[Option<TermList>; 2]> = contents.iter().map(|content| content.lists()).collect();
    let each: BTreeMap<&[u8], &TermList> =
        lists.iter().flatten().flatten().map(|list| (list.key.as_slice(), list)).collect();
    let list_rows: Vec<(&[u8], &[u8])> =
        each.values().map(|list| (list.key.as_slice(), list.bytes.as_slice())).collect();
    let list_numbers = insert_lists(connection, &list_rows).await?;
    let list_of: BTreeMap<&[u8], i64> =
        list_rows.iter().zip(&list_numbers).map(|((key, _), (number, _))| (*key, *number)).collect();
    let fresh = each.values().zip(&list_numbers).filter(|(_, (_, fresh))| *fresh);
    let mut postings: Vec<(i64, i64)> = fresh
        .flat_map(|(list, (number, _))| TermList::terms(&list.bytes).map(|term| (term, *number)))
        .collect();
    // As they are kept: what is next to each other is written together.
    postings.sort_unstable();
    postings.dedup();
    insert_postings(connection, &postings).await?;

    let number =
        |list: &Option<TermList>| list.as_ref().and_then(|list| list_of.get(list.key.as_slice()).copied());
    let refers = |(key, [vulnerabilities, packages]): (&[u8; 32], &[Option<TermList>; 2])| {
        let content = content_of.get(key.as_slice()).copied().ok_or(sqlx::Error::RowNotFound)?;
        let (vulnerabilities, packages) = (number(vulnerabilities), number(packages));
        Ok(Refers { key: *key, content, vulnerabilities, packages })
    };
    let refers = keys.iter().zip(&lists).map(refers).collect::<Result<Vec<Refers>, sqlx::Error>>()?;
    let fresh_lists = list_numbers.iter().filter(|(_, fresh)| *fresh).map(|(number, _)| *number).collect();
    Ok(Kept { refers, fresh_contents, fresh_lists })
}

/// Drops those of these contents and lists that no report refers to.
pub(super) async fn drop_unsaid(
    connection: &mut Connection,
    contents: &[i64],
    lists: impl IntoIterator<Item = i64>,
) -> Result<(), sqlx::Error> {
    for content in contents {
        sqlx::query(forget::CONTENT).bind(content).execute(&mut *connection).await?;
    }
    for list in lists {
        let had: bool = sqlx::query_scalar(forget::HAS_LIST).bind(list).fetch_one(&mut *connection).await?;
        if had {
            continue;
        }
        let terms: Option<Vec<u8>> =
            sqlx::query_scalar(forget::LIST).bind(list).fetch_optional(&mut *connection).await?;
        let Some(terms) = terms else { continue };
        let postings: Vec<(i64, i64)> = TermList::terms(&terms).map(|term| (term, list)).collect();
        drop_postings(connection, &postings).await?;
    }
    Ok(())
}
