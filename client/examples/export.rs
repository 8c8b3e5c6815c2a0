//! An export: every finding in the archive's newest reports as comma-separated values, for a spreadsheet or a data lake.
//!
//!     export SERVER [LIMIT]
//!
//! `STRATA_TOKEN` holds the token, where the server wants one.

#![expect(clippy::print_stdout, reason = "a program's output")]

use std::{env, error::Error};

use strata_client::{
    Client,
    v1::{ReportSummary, SearchReportsRequest},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let Some(server) = arguments.next() else { return Err("usage: export SERVER [LIMIT]".into()) };
    let limit = arguments.next().map_or(Ok(1000), |text| text.parse())?;
    let mut builder = Client::builder(&server);
    if let Ok(token) = env::var("STRATA_TOKEN") {
        builder = builder.token(token);
    }
    let mut client = builder.connect().await?;

    println!("image,reference,package,version,vulnerability,severity,fixed,suppressed");
    let query = SearchReportsRequest { limit, ..SearchReportsRequest::default() };
    for summary in client.search_reports(query).await? {
        export(&mut client, &summary).await?;
    }
    Ok(())
}

async fn export(client: &mut Client, summary: &ReportSummary) -> Result<(), Box<dyn Error>> {
    let report = client.get_report(&summary.report_id).await?;
    let reference = summary.references.first().map_or("", String::as_str);
    for finding in &report.findings {
        let package =
            report.packages.get(usize::try_from(finding.package)?).ok_or("a finding without its package")?;
        let severity = finding.severity().as_str_name().trim_start_matches("SEVERITY_");
        let fields = [
            &report.image_digest,
            reference,
            &package.name,
            &package.version,
            &finding.id,
            severity,
            &finding.fixed_version,
            &finding.suppressed,
        ];
        println!("{}", fields.map(quoted).join(","));
    }
    // An image of which something could not be known has a line that says so: no line would look clean.
    for problem in &report.problems {
        let fields =
            [&report.image_digest, reference, "", "", &problem.code, "PROBLEM", "", &problem.message];
        println!("{}", fields.map(quoted).join(","));
    }
    Ok(())
}

/// RFC 4180; and no field begins as a formula would.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, field.replace('"', "\"\""))
}
