//! `strata risk`: risks that a server's users share, accepted until a day.

use std::{io::Write as _, process::ExitCode};

use comfy_table::{Table, presets};
use serde_json::json;
use strata_proto::v1::AcceptedRisk;

use crate::{
    age::Moment,
    args::{RiskArgs, RiskCommand},
    command::sweeps::when,
    exit::Failure,
    security,
    settings::Settings,
    text::plain,
};

pub(super) async fn run(command: RiskCommand, settings: &Settings) -> Result<ExitCode, Failure> {
    match command {
        RiskCommand::Accept(args) => accept(*args, settings).await?,
        RiskCommand::List { all, format, server } => {
            let mut client = security::connect(&server.server, &server.connection, settings).await?;
            let risks = client.list_accepted_risks(all).await?;
            if format == "json" { document(&risks) } else { table(&risks) }
        }
        RiskCommand::Expire { id, server } => {
            let mut client = security::connect(&server.server, &server.connection, settings).await?;
            let risk = client.end_accepted_risk(&id).await.map_err(|error| match error {
                strata_client::Error::NotFound { .. } => {
                    Failure::usage(error.to_string()).hint("`strata risk list` lists them")
                }
                error => error.into(),
            })?;
            let _ = writeln!(
                std::io::stdout(),
                "accepted risk {} ({}) is ended: it counts again",
                risk.id,
                plain(&risk.vulnerability)
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn accept(args: RiskArgs, settings: &Settings) -> Result<(), Failure> {
    let mut client = security::connect(&args.server.server, &args.server.connection, settings).await?;
    let risk = AcceptedRisk {
        vulnerability: args.vulnerability,
        package: args.package.unwrap_or_default(),
        repositories: args.repositories,
        reason: args.reason,
        expires: args.expires,
        by: args.by.unwrap_or_default(),
        note: args.note.unwrap_or_default(),
        ..AcceptedRisk::default()
    };
    let kept = client.accept_risk(risk).await?;
    let _ = writeln!(
        std::io::stdout(),
        "accepted {} until {} as {}",
        plain(&kept.vulnerability),
        kept.expires,
        kept.id
    );
    Ok(())
}

fn state(risk: &AcceptedRisk) -> &'static str {
    match risk.ended_unix_ms {
        0 if Moment::now().is_past(&risk.expires) => "expired",
        0 => "counts",
        _ => "ended",
    }
}

fn table(risks: &[AcceptedRisk]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "Risk",
        "Vulnerability",
        "Package",
        "Repositories",
        "Reason",
        "Until",
        "By",
        "Accepted",
        "State",
    ]);
    for risk in risks {
        let repositories: Vec<String> = risk.repositories.iter().map(|one| plain(one)).collect();
        let ended = match risk.ended_unix_ms {
            0 => String::new(),
            at => format!("\n{} by {}", when(at), plain(&risk.ended_by)),
        };
        table.add_row([
            risk.id.clone(),
            plain(&risk.vulnerability),
            plain(&risk.package),
            if repositories.is_empty() { "all".to_owned() } else { repositories.join("\n") },
            [risk.reason.clone(), plain(&risk.note)].join("\n").trim_end().to_owned(),
            risk.expires.clone(),
            plain(&risk.by),
            format!("{} by {}", when(risk.created_unix_ms), plain(&risk.created_by)),
            format!("{}{ended}", state(risk)),
        ]);
    }
    let _ = writeln!(std::io::stdout(), "{table}\n{} accepted risks", risks.len());
}

fn document(risks: &[AcceptedRisk]) {
    let risks: Vec<serde_json::Value> = risks
        .iter()
        .map(|risk| {
            json!({
                "id": risk.id, "vulnerability": risk.vulnerability, "package": risk.package,
                "repositories": risk.repositories, "reason": risk.reason, "expires": risk.expires,
                "by": risk.by, "note": risk.note, "created": when(risk.created_unix_ms),
                "created_by": risk.created_by, "state": state(risk), "ended_by": risk.ended_by,
                "ended": Some(risk.ended_unix_ms).filter(|at| *at > 0).map(when),
            })
        })
        .collect();
    let _ = writeln!(std::io::stdout(), "{:#}", serde_json::Value::from(risks));
}
