//! `strata scan`: images by reference, or archives and layouts on disk.

use std::{collections::BTreeMap, io::Write as _, process::ExitCode};

use strata_client::Client;
use strata_proto::v1::{Lane, SourceContext, SubmitRequest};
use strata_worker::source::archive;

use crate::{
    args::{ScanArgs, TargetArgs},
    backend::Backend,
    command::announce,
    embedded::{self, Embedded},
    exit::Failure,
    follow,
    policy::Stage,
    results::Results,
    security,
    settings::Settings,
    shared, submit, vex,
};

pub(super) async fn run(args: ScanArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    if args.print_context {
        let _ = writeln!(std::io::stdout(), "{:#}", context(settings.source.as_ref()));
        return Ok(ExitCode::SUCCESS);
    }
    let mut output = follow::Output::new(&args.output, false)?;
    output.gate.stage = Stage::Pipeline;
    check_offline(&args)?;
    let here = scans_here(&args).await?;
    let client = match &args.target.server {
        Some(url) if here => Some(security::connect_lazily(url, &args.target.connection, settings)?),
        _ => None,
    };
    let target = if here { TargetArgs { server: None, ..args.target.clone() } } else { args.target.clone() };
    let backend = backend(&target, settings).await?;
    output.gate.push_refs.clone_from(&args.submit.push_ref);
    shared::accept(client.as_ref().or(backend.client()), &mut output.gate).await;
    let images = references(&args.named(), &backend).await?;
    if let Some(remote) = images.iter().find(|image| args.offline && archive::name::scheme(image).is_none()) {
        backend.close().await;
        return Err(Failure::usage(format!("--offline reaches no registry, and {remote} is in one")));
    }
    let mut scans = Vec::new();
    for (platform, images) in platforms(&args, images, &backend).await? {
        let request = SubmitRequest {
            images,
            platform,
            lane: Lane::Interactive.into(),
            insecure: args.target.insecure,
            attached_vex: vex::wants_attached(&args.output.vex),
            source: settings.source.clone(),
            ..SubmitRequest::default()
        };
        scans.push(backend.submit(request).await?);
    }
    let interrupt =
        follow::Interrupt::of_own(&scans.join(" "), target.server.as_deref(), target.detach_on_interrupt);
    let ended = follow::to_the_end(&backend, &scans, 0, &output, interrupt, settings).await;
    let submitted = match (&ended, client) {
        (Ok((code, results)), Some(client)) => {
            let terms = submit::Terms {
                push_refs: args.submit.push_ref.clone(),
                source: settings.source.clone(),
                verdict: Some(submit::verdict(*code, results)),
            };
            submit_all(&backend, client, results, &terms).await
        }
        _ => Ok(()),
    };
    backend.close().await;
    let (code, _) = ended?;
    match submitted {
        Ok(()) => Ok(ExitCode::from(code)),
        Err(failure) if args.submit.require_submit => Err(failure),
        Err(failure) => {
            announce(&format!("warning: the report was not submitted: {}", failure.message));
            Ok(ExitCode::from(code))
        }
    }
}

/// Whether the images are scanned in this process: without a server, and where a server's workers cannot read them.
async fn scans_here(args: &ScanArgs) -> Result<bool, Failure> {
    if args.target.server.is_none() || args.submit.submit {
        return Ok(true);
    }
    let mut archives = 0;
    let images = args.named();
    for image in &images {
        let expanded = archive::expand(image).await.map_err(|error| Failure::usage(error.message))?;
        archives += usize::from(expanded.iter().all(|one| archive::name::scheme(one).is_some()));
    }
    match archives {
        0 if args.submit.require_submit || !args.submit.push_ref.is_empty() => Err(Failure::usage(
            "--require-submit and --push-ref are for reports that are made here, and the server scans these images itself",
        )
        .hint("--submit scans them here")),
        0 if args.all_platforms => Err(Failure::usage(
            "--all-platforms asks the registry from here, and the server scans these images itself",
        )
        .hint("name them: --platform linux/amd64,linux/arm64; or --submit scans them here")),
        0 => Ok(false),
        all if all == images.len() => Ok(true),
        _ => Err(Failure::usage("archives are scanned here and references of registries by the server")
            .hint("--submit scans all of them here; or scan them by two commands")),
    }
}

/// Nothing of an offline run may need a network.
fn check_offline(args: &ScanArgs) -> Result<(), Failure> {
    if !args.offline {
        return Ok(());
    }
    if args.target.server.is_some() {
        return Err(Failure::usage("--offline reaches no server")
            .hint("leave --server and STRATA_SERVER out; `strata report submit` submits the report later"));
    }
    if vex::wants_attached(&args.output.vex) {
        return Err(Failure::usage("--offline reaches no registry, which --vex oci would ask"));
    }
    Ok(())
}

/// The reports as they were made, whatever was left out of what is shown.
async fn submit_all(
    backend: &Backend,
    client: Client,
    results: &Results,
    terms: &submit::Terms,
) -> Result<(), Failure> {
    let mut items = Vec::new();
    for image in results.images() {
        let report = backend.report(&image.report_id).await?;
        items.push(submit::Item { report, names: image.references });
    }
    submit::submit(client, items, terms).await
}

/// Platforms of one scan.
const MOST_PLATFORMS: usize = 64;

/// What is scanned for each platform: one scan each.
async fn platforms(
    args: &ScanArgs,
    images: Vec<String>,
    backend: &Backend,
) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let wanted: Vec<&str> = args.target.platform.split(',').map(str::trim).collect();
    let mut scans: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for image in images {
        let mut own = match backend {
            Backend::Embedded(here) if args.all_platforms => {
                here.platforms(&image, args.target.insecure).await
            }
            _ => Vec::new(),
        };
        if own.is_empty() {
            own = wanted.iter().map(|&platform| platform.to_owned()).collect();
        }
        for platform in own {
            let references = scans.entry(platform).or_default();
            if !references.contains(&image) {
                references.push(image.clone());
            }
        }
    }
    match scans.len() {
        ..=MOST_PLATFORMS => Ok(scans),
        many => Err(Failure::usage(format!("{many} platforms are more than {MOST_PLATFORMS}"))
            .hint("name those that matter with --platform")),
    }
}

/// The record as it is shown: what is not known is not there.
pub(crate) fn context(source: Option<&SourceContext>) -> serde_json::Value {
    let source = source.cloned().unwrap_or_default();
    let fields = [
        ("system", source.system),
        ("repository", source.repository),
        ("commit", source.commit),
        ("merge_commit", source.merge_commit),
        ("branch", source.branch),
        ("tag", source.tag),
        ("build_id", source.build_id),
        ("build_url", source.build_url),
    ];
    fields.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// A server where one is named, else this process with the database that is named or the default one.
pub(super) async fn backend(target: &TargetArgs, settings: &Settings) -> Result<Backend, Failure> {
    match &target.server {
        Some(url) => Ok(Backend::Remote(security::connect(url, &target.connection, settings).await?)),
        None => {
            let mut config = embedded::Config::local(settings, target.db.as_ref(), target.cache_dir.as_ref());
            config.java_index = target.java.clone();
            config.layers = target.layers;
            Ok(Backend::Embedded(Embedded::start(config).await?))
        }
    }
}

/// Archives become explicit references; a path that is no image is named before any work begins.
pub(super) async fn references(images: &[String], backend: &Backend) -> Result<Vec<String>, Failure> {
    let mut references = Vec::new();
    for image in images {
        match backend {
            Backend::Embedded(embedded) => references.extend(embedded.expand(image).await?),
            Backend::Remote(_) => references.push(remote_reference(image).await?),
        }
    }
    Ok(references)
}

/// A reference in full.
async fn remote_reference(image: &str) -> Result<String, Failure> {
    let expanded = archive::expand(image).await.map_err(|error| Failure::usage(error.message))?;
    match expanded.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(Failure::usage(format!("failed to submit {image}: it names several images"))),
    }
}
