//! `strata sweep`: a registry, or a part of it.

use std::{io::Write as _, path::Path, process::ExitCode};

use strata_proto::{
    reference,
    v1::{Lane, RegistryTarget, SourceContext, SubmitRequest},
};

use crate::{args::SweepArgs, command::scan, exit::Failure, follow, settings::Settings, shared, vex};

pub(super) async fn run(args: SweepArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    let mut output = follow::Output::new(&args.output, true)?;
    if args.since_last {
        output.compare(args.fail_on_new.as_deref())?;
    }
    let registry = target(&args)?;
    let backend = scan::backend(&args.target, settings).await?;
    shared::accept(backend.client(), &mut output.gate).await;
    let request = SubmitRequest {
        registry: Some(registry),
        platform: args.target.platform.clone(),
        lane: Lane::Sweep.into(),
        insecure: args.target.insecure,
        attached_vex: vex::wants_attached(&args.output.vex),
        source: settings.source.as_ref().map(build),
        ..SubmitRequest::default()
    };
    let scan = backend.submit(request).await?;
    if args.detach {
        let _ = writeln!(std::io::stdout(), "{scan}");
        return Ok(ExitCode::SUCCESS);
    }
    let (server, detach) = (args.target.server.as_deref(), args.target.detach_on_interrupt);
    let interrupt = follow::Interrupt::of_own(&scan, server, detach);
    let verdict = follow::follow(&backend, &scan, 0, &output, interrupt, settings).await;
    backend.close().await;
    verdict
}

/// Of where a sweep runs only the build: what it finds was not made of the commit that the build has checked out.
fn build(source: &SourceContext) -> SourceContext {
    SourceContext {
        system: source.system.clone(),
        build_id: source.build_id.clone(),
        build_url: source.build_url.clone(),
        ..SourceContext::default()
    }
}

fn target(args: &SweepArgs) -> Result<RegistryTarget, Failure> {
    let text =
        args.registry.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let (host, prefix) = text.split_once('/').unwrap_or((text, ""));
    if !reference::is_host(host) {
        return Err(Failure::usage(format!(
            "`{}` does not start with a registry's HOST[:PORT]",
            args.registry
        )));
    }
    let mut repositories = args.repositories.clone();
    if let Some(path) = &args.repositories_from {
        repositories.extend(read_names(path)?);
    }
    if let Some(bad) = repositories.iter().find(|name| !reference::is_repository(name)) {
        return Err(Failure::usage(format!("`{bad}` is not the name of a repository"))
            .hint("name it without the registry's host and without a tag"));
    }
    Ok(RegistryTarget {
        host: host.to_owned(),
        prefix: prefix.to_owned(),
        repositories,
        include: args.include.clone(),
        exclude: args.exclude.clone(),
        whole: args.registry.ends_with('/'),
    })
}

fn read_names(path: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("failed to read the repositories in {}: {error}", path.display()))
    })?;
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(names.map(str::to_owned).collect())
}
