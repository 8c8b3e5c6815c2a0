//! The distribution's end of life.

use super::{EndOfLife, consult::Consult};
use crate::model::{Distribution, Problem};

/// When the release ends, and the problem that it has ended: nobody writes advisories for it any more, so that the absence of
/// findings says nothing. The day that counts is the database's own: a report depends on no clock.
pub(super) fn of(
    distribution: &Distribution,
    database: &Consult<'_, '_>,
) -> (Option<EndOfLife>, Option<Problem>) {
    let problem = |code: &'static str, message| Problem { code: code.into(), message, file: String::new() };
    let (lifecycle, passed) = match database.lifecycle(distribution) {
        Ok(None) => return (None, None),
        Ok(Some(found)) => found,
        Err(error) => return (None, Some(problem("damaged-advisories", error.to_string()))),
    };
    let found = EndOfLife { date: lifecycle.end.to_owned(), extended: lifecycle.extended.to_owned(), passed };
    if !passed {
        return (Some(found), None);
    }
    let title = if distribution.title.is_empty() {
        format!("{} {}", distribution.id, distribution.version)
    } else {
        distribution.title.clone()
    };
    let extended = match lifecycle.extended {
        "" => String::new(),
        date => format!(" (extended support: {date})"),
    };
    let message = format!(
        "{title} reached its end of life on {}{extended}, says {}: flaws found since may have no advisory",
        lifecycle.end, lifecycle.source
    );
    (Some(found), Some(problem("end-of-life", message)))
}
