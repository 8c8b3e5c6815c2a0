//! `strata demo`: the synthetic registry, a sweep of it and a small advisory set, all in this process and offline.

use std::{io::Write as _, process::ExitCode};

use strata_loadtest::{
    ADVISORIES,
    content::{Plan, Synthetic},
    registry::{Options, Registry},
};
use strata_proto::v1::{Lane, RegistryTarget, SubmitRequest};

use crate::{
    args::{DemoArgs, OutputArgs},
    backend::Backend,
    command::build,
    embedded::{self, Embedded},
    exit::Failure,
    follow,
    settings::Settings,
};

pub(super) async fn run(args: DemoArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    crate::vex::no_attached(&args.output.vex)?;
    // The advisories that ship with Strata are a sample, as old as the release.
    let output = OutputArgs { db_max_age: "none".to_owned(), ..args.output };
    let output = follow::Output::new(&output, true)?;
    let scratch = tempfile::tempdir()
        .map_err(|error| Failure::usage(format!("failed to make a directory: {error}")))?;
    let database = scratch.path().join("advisories.strata");
    build::write(&build::compile_texts(ADVISORIES)?, &database)?;
    let registry = Registry::start(Synthetic::new(Plan::demo()), Options::default()).await;
    let registry = registry
        .map_err(|error| Failure::usage(format!("failed to start the synthetic registry: {error}")))?;
    if !settings.quiet {
        let _ = writeln!(
            std::io::stderr(),
            "sweeping the synthetic registry {} with {} advisories; try `strata scan` and `strata sweep` on your own",
            registry.host(),
            ADVISORIES.len()
        );
    }
    let config = embedded::Config::local(settings, Some(&database), Some(&scratch.path().join("cache")));
    let backend = Backend::Embedded(Embedded::start(config).await?);
    let request = SubmitRequest {
        registry: Some(RegistryTarget { host: registry.host(), ..RegistryTarget::default() }),
        lane: Lane::Sweep.into(),
        ..SubmitRequest::default()
    };
    let scan = backend.submit(request).await?;
    let interrupt = follow::Interrupt::of_own(&scan, None, false);
    let verdict = follow::follow(&backend, &scan, 0, &output, interrupt, settings).await;
    backend.close().await;
    drop(registry);
    verdict
}
