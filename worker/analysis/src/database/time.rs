//! RFC 3339 times as seconds since 1970, which is how the file keeps them: short, and ordered.

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar (the usual era-based formula).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn number(text: &str, from: usize, to: usize) -> Option<i64> {
    let digits = text.get(from..to)?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Seconds since 1970 of an RFC 3339 time; fractions are cut off. `None` when it is no such time or before 1970.
pub(super) fn parse(text: &str) -> Option<u64> {
    let (year, month, day) = (number(text, 0, 4)?, number(text, 5, 7)?, number(text, 8, 10)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let time = match text.get(10..) {
        None | Some("") => 0,
        Some(_) => number(text, 11, 13)? * 3_600 + number(text, 14, 16)? * 60 + number(text, 17, 19)?,
    };
    let zone =
        text.get(19..).unwrap_or_default().trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.get(0..1) {
        Some(sign @ ("+" | "-")) => {
            let seconds = number(zone, 1, 3)? * 3_600 + number(zone, 4, 6)? * 60;
            if sign == "+" { seconds } else { -seconds }
        }
        _ => 0,
    };
    u64::try_from(days(year, month, day) * 86_400 + time - offset).ok()
}

/// The time as RFC 3339 in UTC; empty for 0, which stands for "not known".
pub(super) fn format(seconds: u64) -> String {
    let Ok(seconds) = i64::try_from(seconds) else { return String::new() };
    if seconds == 0 {
        return String::new();
    }
    let (days, rest) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn times_survive_the_round_trip() {
        for (text, expected) in [
            ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
            ("2024-09-12T05:56:44.12770Z", "2024-09-12T05:56:44Z"),
            ("2000-01-01T00:30:00+01:00", "1999-12-31T23:30:00Z"),
            ("1970-01-02", "1970-01-02T00:00:00Z"),
        ] {
            assert_eq!(parse(text).map(format).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "yesterday", "0001-01-01T00:00:00Z", "2024-13-01T00:00:00Z", "2024-1é-01"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
