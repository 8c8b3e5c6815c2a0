//! `strata risk`: risks that a server's users share, accepted until a day.

use std::process::ExitCode;

use serde_json::json;
use strata_proto::v1::AcceptedRisk;

use crate::{
    age::Moment,
    args::{RiskArgs, RiskCommand},
    command::sweeps::when,
    exit::Failure,
    screen::Screen,
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
            match format.as_str() {
                "json" => document(&risks)?,
                _ => table(&risks, settings.screen)?,
            }
        }
        RiskCommand::Expire { id, server } => {
            let mut client = security::connect(&server.server, &server.connection, settings).await?;
            let risk = client.end_accepted_risk(&id).await.map_err(|error| match error {
                strata_client::Error::NotFound { .. } => {
                    Failure::usage(error.to_string()).hint("`strata risk list` lists them")
                }
                error => error.into(),
            })?;
            super::say(&format!(
                "accepted risk {} ({}) is ended: it counts again",
                risk.id,
                plain(&risk.vulnerability)
            ))?;
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
    super::say(&format!("accepted {} until {} as {}", plain(&kept.vulnerability), kept.expires, kept.id))?;
    Ok(())
}

fn state(risk: &AcceptedRisk) -> &'static str {
    match risk.ended_unix_ms {
        0 if Moment::now().is_past(&risk.expires) => "expired",
        0 => "counts",
        _ => "ended",
    }
}

fn table(risks: &[AcceptedRisk], screen: Screen) -> Result<(), Failure> {
    let titles =
        ["Risk", "Vulnerability", "Package", "Repositories", "Reason", "Until", "By", "Accepted", "State"];
    let row = |risk: &AcceptedRisk| {
        let repositories: Vec<String> = risk.repositories.iter().map(|one| plain(one)).collect();
        let ended = match risk.ended_unix_ms {
            0 => String::new(),
            at => format!("\n{} by {}", when(at), plain(&risk.ended_by)),
        };
        vec![
            risk.id.clone(),
            plain(&risk.vulnerability),
            plain(&risk.package),
            if repositories.is_empty() { "all".to_owned() } else { repositories.join("\n") },
            [risk.reason.clone(), plain(&risk.note)].join("\n").trim_end().to_owned(),
            risk.expires.clone(),
            plain(&risk.by),
            format!("{} by {}", when(risk.created_unix_ms), plain(&risk.created_by)),
            format!("{}{ended}", state(risk)),
        ]
    };
    let rows: Vec<Vec<String>> = risks.iter().map(row).collect();
    let count = if risks.len() == 1 {
        "1 accepted risk".to_owned()
    } else {
        format!("{} accepted risks", risks.len())
    };
    super::say(&format!("{}\n{count}", screen.rows(&titles, &rows)))
}

fn document(risks: &[AcceptedRisk]) -> Result<(), Failure> {
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
    super::say(&format!("{:#}", serde_json::Value::from(risks)))
}
