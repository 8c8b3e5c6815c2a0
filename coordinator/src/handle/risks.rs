//! Accepted risks that everybody shares who asks this coordinator.

use strata_proto::v1::{AcceptRiskRequest, AcceptedRisk};

use super::{CallError, Handle, id, validate};
use crate::drive::now_ms;

/// Why a risk is accepted.
pub const REASONS: [&str; 6] =
    ["RiskOwned", "RiskTransferred", "RiskAvoided", "RiskMitigated", "RiskNotRelevant", "Custom"];
/// Accepted risks that count, at most: each is looked at for every report.
const MOST: usize = 10_000;
/// Repositories of one risk.
const MOST_REPOSITORIES: usize = 100;

impl Handle {
    /// Accepts a risk, in the caller's name where the request has no other.
    ///
    /// # Errors
    /// [`CallError::Invalid`] names what is wrong with it.
    pub async fn accept_risk(&self, request: AcceptRiskRequest) -> Result<AcceptedRisk, CallError> {
        let risk = request.risk.unwrap_or_default();
        let risk = checked(risk, &self.sight.caller(), now_ms()).map_err(CallError::Invalid)?;
        if self.accepted_risks(false).await?.len() >= MOST {
            return Err(CallError::Invalid(format!("more than {MOST} accepted risks cannot count at once")));
        }
        self.archive.accept_risk(&risk).await?;
        tracing::info!(risk = risk.id, vulnerability = risk.vulnerability, by = risk.created_by, "accepted");
        Ok(risk)
    }

    /// Accepted risks, oldest first; those that were ended only where all are wanted.
    ///
    /// # Errors
    /// [`CallError::Unavailable`].
    pub async fn accepted_risks(&self, all: bool) -> Result<Vec<AcceptedRisk>, CallError> {
        let mut risks = self.archive.accepted_risks().await?;
        risks.retain(|risk| all || risk.ended_unix_ms == 0);
        Ok(risks)
    }

    /// Ends an accepted risk at once; one that was ended before stays as it is.
    ///
    /// # Errors
    /// [`CallError::NotFound`].
    pub async fn end_accepted_risk(&self, id: &str) -> Result<AcceptedRisk, CallError> {
        let ended = self.archive.end_risk(id, &self.sight.caller(), now_ms()).await?;
        let risk = ended.ok_or_else(|| CallError::NotFound(format!("there is no accepted risk `{id}`")))?;
        tracing::info!(risk = risk.id, vulnerability = risk.vulnerability, by = risk.ended_by, "ended");
        Ok(risk)
    }
}

/// A risk as it is kept, with what the server sets.
fn checked(risk: AcceptedRisk, caller: &str, now_ms: i64) -> Result<AcceptedRisk, String> {
    let mut risk = AcceptedRisk {
        id: id::scan_id(now_ms),
        created_unix_ms: now_ms,
        created_by: caller.to_owned(),
        ended_unix_ms: 0,
        ended_by: String::new(),
        ..risk
    };
    if risk.by.trim().is_empty() {
        caller.clone_into(&mut risk.by);
    }
    if risk.vulnerability.trim().is_empty() {
        return Err("an accepted risk names a vulnerability".to_owned());
    }
    if !REASONS.contains(&risk.reason.as_str()) {
        let reason = validate::short(&risk.reason);
        return Err(format!("`{reason}` is not a reason; reasons: {}", REASONS.join(", ")));
    }
    if !is_day(&risk.expires) {
        return Err(format!("`{}` is not a day such as 2026-12-31", validate::short(&risk.expires)));
    }
    if risk.repositories.len() > MOST_REPOSITORIES {
        return Err(format!("a risk is accepted for at most {MOST_REPOSITORIES} repositories or patterns"));
    }
    let texts = [&risk.vulnerability, &risk.package, &risk.by, &risk.note];
    let bad = |text: &&String| !validate::is_sound(text) || text.chars().any(char::is_control);
    if let Some(text) = texts.into_iter().chain(&risk.repositories).find(bad) {
        return Err(format!("`{}` is too long or has control characters", validate::short(text)));
    }
    if risk.repositories.iter().any(String::is_empty) {
        return Err("an empty pattern matches no repository".to_owned());
    }
    Ok(risk)
}

/// `2026-12-31`.
fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str, length: usize| {
        (part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())
            .flatten()
    };
    match parts.as_slice() {
        [year, month, day] => {
            let (year, month, day) = (number(year, 4), number(month, 2), number(day, 2));
            let in_month = |month: u32| match month {
                2 if year.is_some_and(|year| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                1..=12 => 31,
                _ => 0,
            };
            year.is_some() && month.zip(day).is_some_and(|(month, day)| (1..=in_month(month)).contains(&day))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn risk() -> AcceptedRisk {
        AcceptedRisk {
            vulnerability: "CVE-2026-1".to_owned(),
            reason: "RiskOwned".to_owned(),
            expires: "2028-02-29".to_owned(),
            ended_by: "nobody".to_owned(),
            created_by: "somebody else".to_owned(),
            ..AcceptedRisk::default()
        }
    }

    #[test]
    fn the_server_says_who_accepted_what_and_when() {
        let kept = checked(risk(), "ci (token:1)", 7).expect("sound");
        assert_eq!((kept.created_by.as_str(), kept.by.as_str()), ("ci (token:1)", "ci (token:1)"));
        assert_eq!((kept.created_unix_ms, kept.ended_by.as_str(), kept.id.len()), (7, "", 26));
        let named =
            checked(AcceptedRisk { by: "security@acme".to_owned(), ..risk() }, "ci", 7).expect("sound");
        assert_eq!((named.by.as_str(), named.created_by.as_str()), ("security@acme", "ci"));
    }

    #[test]
    fn what_is_no_risk_is_refused_and_named() {
        type Edit = fn(&mut AcceptedRisk);
        let edits: [(Edit, &str); 9] = [
            (|risk| risk.vulnerability = " ".to_owned(), "names a vulnerability"),
            (|risk| risk.reason = "because".to_owned(), "`because` is not a reason"),
            (|risk| risk.expires.clear(), "is not a day"),
            (|risk| risk.expires = "2027-02-29".to_owned(), "`2027-02-29`"),
            (|risk| risk.expires = "2026-13-01".to_owned(), "`2026-13-01`"),
            (|risk| risk.expires = "2026-12-31T00:00:00Z".to_owned(), "is not a day"),
            (|risk| risk.repositories = vec!["a".to_owned(); 101], "at most 100 repositories"),
            (|risk| risk.repositories = vec![String::new()], "an empty pattern"),
            (|risk| risk.note = "a\nb".to_owned(), "control characters"),
        ];
        for (edit, says) in edits {
            let mut wrong = risk();
            edit(&mut wrong);
            let error = checked(wrong, "ci", 7).expect_err(says);
            assert!(error.contains(says), "{error}");
        }
    }
}
