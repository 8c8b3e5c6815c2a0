//! The summaries of several scans as one.

use strata_proto::v1::{Ledger, LedgerLine, Summary};

/// Adds another scan's summary. A layer that two scans have is counted by both. Every field is named here, so that a new one
/// is not forgotten.
pub(super) fn add(sum: &mut Summary, other: Summary) {
    let Summary {
        ledger,
        images,
        distinct_layers,
        layers_analysed,
        layers_reused,
        bytes_read,
        packages,
        findings,
        reports_with_problems,
    } = other;
    add_ledger(sum.ledger.get_or_insert_default(), ledger.unwrap_or_default());
    sum.images += images;
    sum.distinct_layers += distinct_layers;
    sum.layers_analysed += layers_analysed;
    sum.layers_reused += layers_reused;
    sum.bytes_read += bytes_read;
    sum.packages += packages;
    sum.reports_with_problems += reports_with_problems;
    sum.findings.get_or_insert_default().merge(&findings.unwrap_or_default());
}

fn add_ledger(sum: &mut Ledger, other: Ledger) {
    let Ledger { enumerated, reported, unchanged, skipped, failed, unsupported, listing_failed } = other;
    sum.enumerated += enumerated;
    sum.reported += reported;
    sum.unchanged += unchanged;
    lines(&mut sum.skipped, skipped);
    lines(&mut sum.failed, failed);
    lines(&mut sum.unsupported, unsupported);
    lines(&mut sum.listing_failed, listing_failed);
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
    use strata_proto::v1::SeverityCounts;

    use super::*;

    fn summary(reported: u64, failed: &[(&str, u64)]) -> Summary {
        let line = |(code, count): &(&str, u64)| LedgerLine { code: (*code).to_owned(), count: *count };
        let failed: Vec<LedgerLine> = failed.iter().map(line).collect();
        let ledger = Ledger { enumerated: reported + 1, reported, failed, ..Ledger::default() };
        let findings = SeverityCounts { high: reported, ..SeverityCounts::default() };
        Summary { ledger: Some(ledger), images: reported, findings: Some(findings), ..Summary::default() }
    }

    #[test]
    fn every_list_of_the_ledger_is_added() {
        let some = |count| vec![LedgerLine { code: "a".to_owned(), count }];
        let all = |count| {
            let (skipped, failed) = (some(count), some(count));
            let (unsupported, listing_failed) = (some(count), some(count));
            Ledger { skipped, failed, unsupported, listing_failed, ..Ledger::default() }
        };
        let mut sum = all(1);
        add_ledger(&mut sum, all(2));
        assert_eq!(sum, all(3));
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
