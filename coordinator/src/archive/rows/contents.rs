//! Contents and lists of terms: written once, gone with the last report that refers to them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::dialect::{Connection, Terms, index_terms, insert_contents, insert_lists};
use crate::archive::{
    content::{Content, ContentRow, TermList},
    forget,
};

/// What a report refers to, by number.
pub(super) struct Refers {
    /// Names the content.
    pub(super) key: Vec<u8>,
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
    let keys: Vec<Vec<u8>> = contents.iter().map(|content| content.key()).collect();
    let rows: BTreeMap<&[u8], &Content> =
        keys.iter().map(Vec::as_slice).zip(contents.iter().copied()).collect();
    let rows: Vec<ContentRow<'_>> = rows
        .into_iter()
        .map(|(key, content)| ContentRow { key, body: &content.body, asked: content.asked.as_deref() })
        .collect();
    let numbers = insert_contents(connection, &rows).await?;
    let fresh_contents = numbers.iter().filter(|(_, fresh)| *fresh).map(|(number, _)| *number).collect();
    let content_of: BTreeMap<&[u8], i64> =
        rows.iter().zip(&numbers).map(|(row, (number, _))| (row.key, *number)).collect();

    let lists: Vec<[Option<TermList<'_>>; 2]> = contents.iter().map(|content| content.lists()).collect();
    let each: BTreeMap<&[u8], &TermList<'_>> =
        lists.iter().flatten().flatten().map(|list| (list.key.as_slice(), list)).collect();
    let list_keys: Vec<&[u8]> = each.keys().copied().collect();
    let list_numbers = insert_lists(connection, &list_keys).await?;
    let list_of: BTreeMap<&[u8], i64> =
        list_keys.iter().zip(&list_numbers).map(|(key, (number, _))| (*key, *number)).collect();
    let terms: Vec<Terms<'_>> = each
        .values()
        .zip(&list_numbers)
        .filter(|(_, (_, fresh))| *fresh)
        .map(|(list, (number, _))| (*number, list.kind, list.texts))
        .collect();
    index_terms(connection, &terms).await?;

    let number = |list: &Option<TermList<'_>>| {
        list.as_ref().and_then(|list| list_of.get(list.key.as_slice()).copied())
    };
    let refers = |(key, [vulnerabilities, packages]): (&Vec<u8>, &[Option<TermList<'_>>; 2])| {
        let content = content_of.get(key.as_slice()).copied().ok_or(sqlx::Error::RowNotFound)?;
        let (vulnerabilities, packages) = (number(vulnerabilities), number(packages));
        Ok(Refers { key: key.clone(), content, vulnerabilities, packages })
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
        for statement in forget::LIST {
            sqlx::query(statement).bind(list).execute(&mut *connection).await?;
        }
    }
    Ok(())
}
