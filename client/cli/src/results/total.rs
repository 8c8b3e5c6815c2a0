//! The summaries of several scans as one.

use strata_proto::v1::{LedgerLine, Summary};

/// Adds another scan's summary. A layer that two scans have is counted by both.
pub(super) fn add(sum: &mut Summary, other: Summary) {
    let ledger = sum.ledger.get_or_insert_default();
    let more = other.ledger.unwrap_or_default();
    ledger.enumerated += more.enumerated;
    ledger.reported += more.reported;
    ledger.unchanged += more.unchanged;
    lines(&mut ledger.skipped, more.skipped);
    lines(&mut ledger.failed, more.failed);
    lines(&mut ledger.listing_failed, more.listing_failed);
    sum.images += other.images;
    sum.distinct_layers += other.distinct_layers;
    sum.layers_analysed += other.layers_analysed;
    sum.layers_reused += other.layers_reused;
    sum.bytes_read += other.bytes_read;
    sum.packages += other.packages;
    sum.reports_with_problems += other.reports_with_problems;
    sum.findings.get_or_insert_default().merge(&other.findings.unwrap_or_default());
}

fn lines(sum: &mut Vec<LedgerLine>, more: Vec<LedgerLine>) {
    for line in more {
        match sum.iter_mut().find(|known| known.code == line.code) {
            Some(known) => known.count += line.count,
            None => sum.push(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use strata_proto::v1::{Ledger, SeverityCounts};

    use super::*;

    fn summary(reported: u64, failed: &[(&str, u64)]) -> Summary {
        let line = |(code, count): &(&str, u64)| LedgerLine { code: (*code).to_owned(), count: *count };
        let failed: Vec<LedgerLine> = failed.iter().map(line).collect();
        let ledger = Ledger { enumerated: reported + 1, reported, failed, ..Ledger::default() };
        let findings = SeverityCounts { high: reported, ..SeverityCounts::default() };
        Summary { ledger: Some(ledger), images: reported, findings: Some(findings), ..Summary::default() }
    }

    #[test]
    fn lines_of_one_code_are_one_line() {
        let mut sum = Summary::default();
        add(&mut sum, summary(1, &[("not-found", 1)]));
        assert_eq!(sum, summary(1, &[("not-found", 1)]), "one scan is what it is");
        add(&mut sum, summary(2, &[("not-found", 2), ("limit", 1)]));
        let mut expected = summary(3, &[("not-found", 3), ("limit", 1)]);
        expected.ledger.as_mut().expect("a ledger").enumerated = 5;
        assert_eq!(sum, expected);
    }
}
