//! `Retry-After`: seconds, or a date, which is read against the answer's own `Date` so that no clock is needed
//! (RFC 9110, section 10.2.3).

use std::time::Duration;

/// The longest wait that is believed.
const MAX: Duration = Duration::from_secs(3_600);

/// How long to wait; `None` where the header says nothing that can be used.
pub fn wait(retry_after: &str, date: Option<&str>) -> Option<Duration> {
    let text = retry_after.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(text.parse().map_or(MAX, Duration::from_secs).min(MAX));
    }
    let seconds = imf_fixdate(text)?.checked_sub(imf_fixdate(date?)?)?;
    Some(u64::try_from(seconds).map_or(Duration::ZERO, Duration::from_secs).min(MAX))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn imf_fixdate(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.trim().split_once(", ")?;
    let mut parts = rest.split(' ');
    let day: i64 = parts.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = parts.next()?;
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let year: i64 = parts.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock =
        parts.next()?.split(':').map(|part| part.parse::<i64>().ok().filter(|n| (0..=60).contains(n)));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if parts.next() != Some("GMT") {
        return None;
    }
    // Days since 1970 in a calendar whose year begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_seconds() {
        for (date, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
            ("Sun, 22 Nov 2026 06:00:00 GMT", 1_795_327_200),
        ] {
            assert_eq!(imf_fixdate(date), Some(seconds), "{date}");
        }
        let now = Some("Sun, 22 Nov 2026 06:00:00 GMT");
        for (text, want) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(3_600)),
            ("86400", Some(3_600)),
            ("Sun, 22 Nov 2026 06:01:30 GMT", Some(90)),
            ("Sun, 22 Nov 2026 05:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
            ("Sun, 99 Nov 2026 05:00:00 GMT", None),
        ] {
            assert_eq!(wait(text, now), want.map(Duration::from_secs), "{text}");
        }
        assert_eq!(wait("Sun, 22 Nov 2026 06:01:30 GMT", None), None);
    }
}
