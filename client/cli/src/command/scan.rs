//! `strata scan`: images by reference, or archives and layouts on disk.

use std::{io::Write as _, process::ExitCode};

use strata_proto::v1::{Lane, SourceContext, SubmitRequest};
use strata_worker::source::archive;

use crate::{
    args::{ScanArgs, TargetArgs},
    backend::Backend,
    embedded::{self, Embedded},
    exit::Failure,
    follow, security,
    settings::Settings,
    vex,
};

pub(super) async fn run(args: ScanArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    if args.print_context {
        let _ = writeln!(std::io::stdout(), "{:#}", context(settings.source.as_ref()));
        return Ok(ExitCode::SUCCESS);
    }
    let output = follow::Output::new(&args.output, false)?;
    let backend = backend(&args.target, settings).await?;
    let images = references(&args.images, &backend).await?;
    let request = SubmitRequest {
        images,
        platform: args.target.platform.clone(),
        lane: Lane::Interactive.into(),
        insecure: args.target.insecure,
        attached_vex: vex::wants_attached(&args.output.vex),
        source: settings.source.clone(),
        ..SubmitRequest::default()
    };
    let scan = backend.submit(request).await?;
    let verdict = follow::follow(&backend, &scan, 0, &output, follow::Interrupt::Cancel, settings).await;
    backend.close().await;
    verdict
}

/// The record as it is shown: what is not known is not there.
fn context(source: Option<&SourceContext>) -> serde_json::Value {
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

/// A server's workers read registries only: an archive of this machine is refused here, with what to do.
async fn remote_reference(image: &str) -> Result<String, Failure> {
    let expanded = archive::expand(image).await.map_err(|error| Failure::usage(error.message))?;
    match expanded.as_slice() {
        [one] if archive::name::scheme(one).is_none() => Ok(one.clone()),
        _ => Err(Failure::usage(format!(
            "failed to submit {image}: the server's workers cannot read files of this machine"
        ))
        .hint("scan it here, without --server")),
    }
}
