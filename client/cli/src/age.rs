//! How old an advisory database is, and how old it may be. A report is the same whenever it is made, so it holds the date
//! of its database; the age belongs to the moment at which somebody looks.

use std::str::FromStr;

use strata_proto::v1::Problem;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::exit::Failure;

/// Code of the problem that a database is too old, which only a look at a report tells.
pub const OLD: &str = "old-database";

/// A moment at which ages are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(OffsetDateTime);

impl Moment {
    /// By this machine's clock.
    #[must_use]
    pub fn now() -> Self {
        Self(OffsetDateTime::now_utc())
    }

    /// RFC 3339 in whole seconds: `2026-11-22T12:00:00Z`.
    #[must_use]
    pub fn text(self) -> String {
        format!("{}Z", self.plain())
    }

    /// As [`Self::text`], without the `Z` that some formats do not take.
    #[must_use]
    pub fn plain(self) -> String {
        let (date, time) = (self.0.date(), self.0.time());
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
    }

    /// A moment of a test.
    #[cfg(test)]
    pub(crate) fn at(text: &str) -> Self {
        Self(OffsetDateTime::parse(text, &Rfc3339).expect("a date"))
    }

    /// A moment that is told: RFC 3339, or a day, which stands for its start in UTC.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let whole =
            if text.len() == "2026-11-22".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
        OffsetDateTime::parse(&whole, &Rfc3339).ok().map(Self)
    }

    /// Milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        i64::try_from(self.0.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
    }

    /// Whether a day, `2026-12-31`, is over everywhere where UTC counts.
    #[must_use]
    pub fn is_past(self, day: &str) -> bool {
        self.since(&format!("{day}T23:59:59Z")).is_some_and(Duration::is_positive)
    }

    /// How long ago a date in RFC 3339 was; `None` where it is none. Negative for what is to come.
    #[must_use]
    pub fn since(self, date: &str) -> Option<Duration> {
        OffsetDateTime::parse(date, &Rfc3339).ok().map(|then| self.0 - then)
    }

    /// As [`Self::since`], in words.
    #[must_use]
    pub fn age(self, date: &str) -> String {
        match self.since(date) {
            Some(age) => match age.whole_days() {
                days @ ..0 => format!("{} days ahead of this machine's clock", -days),
                days => format!("{days} days"),
            },
            None => "unknown".to_owned(),
        }
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self::now()
    }
}

/// How old a database may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(Option<Duration>);

impl FromStr for Limit {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        if text == "none" {
            return Ok(Self(None));
        }
        let hours = text
            .strip_suffix('d')
            .map(|days| (days, 24))
            .or_else(|| text.strip_suffix('h').map(|hours| (hours, 1)))
            .and_then(|(number, hours)| number.parse::<u32>().ok().map(|number| i64::from(number) * hours));
        match hours {
            Some(hours @ 1..) => Ok(Self(Some(Duration::hours(hours)))),
            _ => Err(Failure::usage(format!("`{text}` is not an age, such as 36h, 14d, or none"))),
        }
    }
}

impl Limit {
    /// What is wrong with a database of that date, at that moment.
    #[must_use]
    pub fn judge(self, modified: &str, now: Moment) -> Option<Problem> {
        let limit = self.0?;
        let (code, message) = match now.since(modified) {
            // One advisory with a wrong date would otherwise make every database young for ever.
            Some(age) if age < -Duration::DAY => (
                "database-age-unknown",
                format!("the database's newest advisory is of {modified}, which is {}", now.age(modified)),
            ),
            Some(age) if age <= limit => return None,
            Some(_) => (
                OLD,
                format!(
                    "the newest advisory of the database is of {modified}, {} ago; at most {} are accepted: newer flaws are not found",
                    now.age(modified),
                    words(limit)
                ),
            ),
            None => ("database-age-unknown", "nothing says how old the advisory database is".to_owned()),
        };
        Some(Problem { code: code.to_owned(), message, ..Problem::default() })
    }
}

fn words(limit: Duration) -> String {
    match limit.whole_hours() {
        hours if hours % 24 == 0 => format!("{} days", hours / 24),
        hours => format!("{hours} hours"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::at(text)
    }

    #[test]
    fn a_database_is_too_old_from_its_limit_on() {
        let now = at("2026-11-22T12:00:00Z");
        for (limit, modified, code) in [
            ("14d", "2026-11-08T12:00:00Z", None),
            ("14d", "2026-11-08T11:59:59Z", Some("old-database")),
            ("36h", "2026-11-21T00:00:01+00:00", None),
            ("36h", "2026-11-20T23:59:59Z", Some("old-database")),
            ("14d", "2026-11-23T11:00:00Z", None),
            ("14d", "2027-01-01T00:00:00Z", Some("database-age-unknown")),
            ("14d", "", Some("database-age-unknown")),
            ("14d", "yesterday", Some("database-age-unknown")),
            ("none", "1999-01-01T00:00:00Z", None),
            ("none", "", None),
        ] {
            let found = limit.parse::<Limit>().expect(limit).judge(modified, now);
            assert_eq!(found.as_ref().map(|problem| problem.code.as_str()), code, "{limit} {modified}");
        }
        let problem = Limit(Some(Duration::days(7))).judge("2026-11-10T12:00:00Z", now).expect("too old");
        assert!(problem.message.contains("12 days ago; at most 7 days"), "{}", problem.message);
    }

    #[test]
    fn what_is_no_age_is_refused() {
        for text in ["", "14", "0d", "-1d", "d", "1w", "4294967296d", "Ned"] {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
        assert_eq!(
            at("2026-11-22T12:00:00Z").age("2026-11-24T13:00:00Z"),
            "2 days ahead of this machine's clock"
        );
    }
}
