//! Searches over all reports of a swept registry: by vulnerability, package, image and reference; over a seeded archive by
//! commit and repository of the source, too.

use std::time::Instant;

use anyhow::Context as _;
use strata_client::{
    Client,
    v1::{SearchReportsRequest, SourceContext},
};

use super::Stage;
use crate::drive::result::{Better, Latencies};

/// What a search over the archive that is named may take, in milliseconds.
const P95_MS: f64 = 50.0;

pub(super) async fn search(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let count = stage.count(200);
    stage.measured.setting("searches", count);
    if let Some(url) = stage.args.at.clone() {
        // What the seeded archive has: the commonest, rarer ones, and what no report has.
        let vulnerabilities = ["CVE-2026-00001", "CVE-2026-00020", "CVE-2026-03000", "CVE-1999-0001"];
        let packages = ["package-0001", "package-0020", "package-2000", "no-such-package"];
        return searches(stage, &url, &vulnerabilities, &packages).await;
    }
    let (content, deployment) = (stage.content(), stage.deploy()?);
    let registry = stage.registry(&content).await?;
    let url = deployment.url()?;
    let swept = stage.sweep(&url, &registry).await?;
    stage.measured.figure("reports", swept.images as f64, "", Better::Neither);
    let vulnerabilities = ["CVE-2021-23337", "CVE-2023-5678", "CVE-2019-1549", "CVE-1999-0001"];
    let packages = ["lodash", "Django", "openssl", "libssl3", "no-such-package"];
    searches(stage, &url, &vulnerabilities, &packages).await?;
    registry.shutdown().await.context("stop the registry")
}

async fn searches(
    stage: &mut Stage<'_>,
    url: &str,
    vulnerabilities: &[&str],
    packages: &[&str],
) -> anyhow::Result<()> {
    let count = stage.count(200);
    let mut client = Client::connect(url).await.context("connect")?;
    let any = SearchReportsRequest { limit: 100, ..SearchReportsRequest::default() };
    let some = client.search_reports(any.clone()).await.context("search")?;
    let digests: Vec<String> = some.iter().map(|report| report.image_digest.clone()).collect();
    let references: Vec<String> = some.iter().flat_map(|report| report.references.first().cloned()).collect();
    let told = |what: fn(&SourceContext) -> &String| -> Vec<String> {
        let sources =
            some.iter().flat_map(|report| report.origins.iter().filter_map(|origin| origin.source.as_ref()));
        sources.map(what).filter(|text| !text.is_empty()).cloned().collect()
    };
    // A commit as people type it.
    let commits: Vec<String> =
        told(|source| &source.commit).iter().map(|commit| commit.chars().take(12).collect()).collect();
    let repositories = told(|source| &source.repository);
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let (vulnerabilities, packages) = (texts(vulnerabilities), texts(packages));
    let kinds: [(&str, &[String]); 6] = [
        ("vulnerability", &vulnerabilities),
        ("package", &packages),
        ("digest", &digests),
        ("reference", &references),
        ("commit", &commits),
        ("repository", &repositories),
    ];
    // A sweep tells no source.
    for (kind, values) in kinds.into_iter().filter(|(_, values)| !values.is_empty()) {
        let (mut latencies, mut found) = (Latencies::new()?, 0);
        for value in values.iter().cycle().take(usize::try_from(count)?) {
            let mut request = SearchReportsRequest { limit: 50, ..SearchReportsRequest::default() };
            match kind {
                "vulnerability" => request.vulnerability.clone_from(value),
                "package" => request.package.clone_from(value),
                "digest" => request.image_digest.clone_from(value),
                "commit" => request.commit.clone_from(value),
                "repository" => request.repository.clone_from(value),
                _ => request.reference.clone_from(value),
            }
            let begin = Instant::now();
            found +=
                client.search_reports(request).await.with_context(|| format!("search {kind} {value}"))?.len();
            latencies.note(begin.elapsed());
        }
        stage.measured.latencies(kind, &latencies);
        let p95 = latencies.quantile_ms(0.95);
        stage.measured.figure(format!("{kind}.p95"), p95, "ms", Better::Lower);
        let bounded = stage.args.at.is_some();
        stage
            .measured
            .must(!bounded || p95 <= P95_MS, || format!("p95 by {kind} is {p95:.1} ms, above {P95_MS}"));
        stage.measured.figure(format!("{kind}.found"), found as f64, "", Better::Neither);
        stage.measured.must(found > 0, || format!("no search by {kind} found anything"));
    }
    Ok(())
}
