//! Which images the difference between two databases concerns: those whose last report asked under a key at which the two say
//! something else. What a report asked may not be known (it was made elsewhere, or by an earlier version): then nothing is.

use strata_proto::{
    outline::Asked,
    v1::{FindTouchedRequest, FindTouchedResponse, TouchedImage},
};

use crate::{
    access::sight::Sight,
    ports::{NewestReport, Outlines, PortError},
};

/// Keys of one request: more than a database has that is a day older.
pub const MOST_KEYS: usize = 4_000_000;
/// Reports that are read at once, each with up to half a mebibyte of questions.
const AT_ONCE: u32 = 100;
/// Images of one step, looked at.
const LOOKED_AT: u64 = 2_000;
/// Images of one step, named.
const NAMED: usize = 500;

/// Whether a request can be answered.
///
/// # Errors
/// Says why not.
pub fn check(request: &FindTouchedRequest) -> Result<(), String> {
    if request.changed.len() > MOST_KEYS {
        return Err(format!("{} keys are more than {MOST_KEYS}", request.changed.len()));
    }
    if !request.changed.is_sorted_by(|a, b| a < b) {
        return Err("the keys are not in ascending order".to_owned());
    }
    Ok(())
}

/// Looks at the next images of those that are shown.
///
/// # Errors
/// When the archive cannot be read.
pub async fn step<A: Outlines + ?Sized>(
    archive: &A,
    request: &FindTouchedRequest,
    sight: &Sight,
) -> Result<FindTouchedResponse, PortError> {
    let mut answer = FindTouchedResponse { next: request.before, ..FindTouchedResponse::default() };
    let mut looked_at = 0;
    while looked_at < LOOKED_AT && answer.images.len() < NAMED {
        let before = if answer.next == 0 { u64::MAX } else { answer.next };
        let page = archive.newest_reports(before, AT_ONCE, sight).await?;
        let full = u32::try_from(page.len()).is_ok_and(|count| count >= AT_ONCE);
        answer.next = page.last().filter(|_| full).map_or(0, |last| last.summary.number);
        for report in page {
            looked_at += 1;
            match judge(&report, request) {
                Judged::Untouched => answer.untouched += 1,
                Judged::Touched => answer.images.push(named(report, "")),
                Judged::Unknown(why) => answer.images.push(named(report, why)),
            }
        }
        if answer.next == 0 {
            break;
        }
    }
    Ok(answer)
}

#[derive(Debug, PartialEq, Eq)]
enum Judged {
    Untouched,
    Touched,
    Unknown(&'static str),
}

fn judge(report: &NewestReport, request: &FindTouchedRequest) -> Judged {
    let Some(asked) = &report.asked else {
        return Judged::Unknown("what its report asked of its database was not kept");
    };
    match Asked::decode(asked) {
        Err(_) => Judged::Unknown("what its report asked of its database is damaged"),
        Ok(asked) if asked.scheme != request.scheme => {
            Judged::Unknown("its report is of a version of Strata that asked in another way")
        }
        Ok(asked) if asked.touches(&request.changed) => Judged::Touched,
        Ok(_) => Judged::Untouched,
    }
}

fn named(report: NewestReport, unknown: &str) -> TouchedImage {
    let summary = report.summary;
    TouchedImage {
        report_id: summary.report_id,
        image_digest: summary.image_digest,
        references: summary.references,
        database_digest: summary.database_digest,
        unknown: unknown.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_questions_make_an_image_untouched() {
        let asked = |scheme, keys: &[u32]| Asked { scheme, assessor: 7, keys: keys.to_vec() }.encode();
        let request = FindTouchedRequest { scheme: 1, changed: vec![3, 5], before: 0 };
        let judged = |asked: Option<Vec<u8>>| {
            let report = NewestReport { summary: strata_proto::v1::ReportSummary::default(), asked };
            judge(&report, &request)
        };
        assert_eq!(judged(Some(asked(1, &[1, 5]))), Judged::Touched);
        assert_eq!(judged(Some(asked(1, &[1, 4, 6]))), Judged::Untouched);
        assert_eq!(judged(Some(asked(1, &[]))), Judged::Untouched);
        for unknown in [None, Some(Vec::new()), Some(vec![0; 12]), Some(asked(2, &[1]))] {
            assert!(matches!(judged(unknown.clone()), Judged::Unknown(_)), "{unknown:?}");
        }
    }

    #[test]
    fn keys_are_in_order() {
        let of = |changed: &[u32]| FindTouchedRequest { changed: changed.to_vec(), ..Default::default() };
        assert_eq!(check(&of(&[1, 2])), Ok(()));
        assert!(check(&of(&[2, 1])).is_err() && check(&of(&[1, 1])).is_err());
        assert!(check(&of(&vec![0; MOST_KEYS + 1])).is_err_and(|why| why.contains("more than")));
    }
}
