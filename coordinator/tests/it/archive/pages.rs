//! Searches come in pages, in the order of archiving: all of them together are what one page of everything is.

use strata_coordinator::{access::sight::Sight, ports::Archive};
use strata_proto::v1::{ReportSummary, SearchReportsRequest};

use super::suite::{new_report, report};

const REPORTS: i64 = 40;

/// When the n-th report was stored: reports of the same moment, and a clock that goes back.
fn moment(number: i64) -> i64 {
    50_000 + [3, 3, 1, 9][usize::try_from(number % 4).expect("small")] * 100 + number / 20
}

fn reference(number: i64) -> String {
    format!("p.example/{}/image:{number}", if number % 3 == 0 { "third" } else { "other" })
}

async fn store(archive: &dyn Archive, number: i64) {
    let rare = format!("rare-{}", number % 5);
    let found: &[&str] = if number % 2 == 0 { &["CVE-2011-1", "CVE-2011-2"] } else { &["CVE-2011-2"] };
    let report = report(&format!("sha256:page-{}", number % 2), &["paged", &rare], found);
    let id = format!("11-{number:02}");
    let new = new_report(&id, &report, moment(number));
    archive.put_report(new, "paged", &[reference(number)]).await.expect("stored");
}

/// All pages of so many reports. A report that comes meanwhile is in none behind the first.
async fn pages(archive: &dyn Archive, query: &SearchReportsRequest, sight: &Sight) -> Vec<ReportSummary> {
    let (mut all, mut query) = (Vec::<ReportSummary>::new(), query.clone());
    loop {
        let page = archive.search(&query, sight).await.expect("searched");
        let Some(last) = page.last() else { return all };
        query.before = last.number;
        let full = page.len() == usize::try_from(query.limit).expect("small");
        all.extend(page);
        if !full {
            return all;
        }
    }
}

pub(super) async fn pages_lose_nothing_and_repeat_nothing(archive: &dyn Archive) {
    type Wanted = fn(i64) -> bool;
    for number in 0..REPORTS {
        store(archive, number).await;
    }
    let query = |edit: fn(&mut SearchReportsRequest)| {
        let mut query = SearchReportsRequest { package: "paged".to_owned(), ..Default::default() };
        edit(&mut query);
        query
    };
    let third = Sight { prefixes: vec!["p.example/third".parse().expect("a prefix")], ..Sight::default() };
    let cases: [(SearchReportsRequest, &Sight, Wanted); 11] = [
        (query(|_| {}), &Sight::default(), |_| true),
        (query(|q| q.vulnerability = "CVE-2011-1".to_owned()), &Sight::default(), |n| n % 2 == 0),
        (query(|q| q.package = "rare-2".to_owned()), &Sight::default(), |n| n % 5 == 2),
        (query(|q| q.image_digest = "sha256:page-1".to_owned()), &Sight::default(), |n| n % 2 == 1),
        (query(|q| q.reference = "/third/".to_owned()), &Sight::default(), |n| n % 3 == 0),
        (query(|_| {}), &third, |n| n % 3 == 0),
        (query(|q| q.since_unix_ms = 50_300), &Sight::default(), |n| moment(n) >= 50_300),
        (query(|q| q.until_unix_ms = 50_301), &Sight::default(), |n| moment(n) < 50_301),
        (query(|q| (q.since_unix_ms, q.until_unix_ms) = (50_101, 50_302)), &Sight::default(), |n| {
            (50_101..50_302).contains(&moment(n))
        }),
        (query(|q| q.until_unix_ms = 1), &Sight::default(), |_| false),
        (
            query(|q| {
                q.package = String::new();
                q.reference = "p.example/".to_owned();
            }),
            &Sight::default(),
            |_| true,
        ),
    ];
    for (query, sight, wanted) in cases {
        let want: Vec<String> = (0..REPORTS)
            .rev()
            .filter(|number| wanted(*number))
            .map(|number| format!("11-{number:02}"))
            .collect();
        for limit in [1, 7, 1_000] {
            let query = SearchReportsRequest { limit, ..query.clone() };
            let found = pages(archive, &query, sight).await;
            let ids: Vec<&str> = found.iter().map(|one| one.report_id.as_str()).collect();
            assert_eq!(ids, want, "{query:?}");
            assert!(found.windows(2).all(|pair| pair[0].number > pair[1].number), "{found:?}");
            assert!(found.iter().all(|one| one.references.len() == 1 && one.number > 0), "{found:?}");
        }
    }
    new_reports_do_not_move_pages(archive).await;
}

async fn new_reports_do_not_move_pages(archive: &dyn Archive) {
    let query = SearchReportsRequest { package: "paged".to_owned(), limit: 10, ..Default::default() };
    let first = archive.search(&query, &Sight::default()).await.expect("searched");
    // One that says it is older than all others, and one that says it is newer.
    for number in [REPORTS + 2, REPORTS + 3] {
        store(archive, number).await;
    }
    let before = first.last().expect("a page").number;
    let rest = pages(archive, &SearchReportsRequest { before, ..query }, &Sight::default()).await;
    let ids: Vec<String> = first.iter().chain(&rest).map(|one| one.report_id.clone()).collect();
    assert_eq!(ids, (0..REPORTS).rev().map(|number| format!("11-{number:02}")).collect::<Vec<_>>());
}
