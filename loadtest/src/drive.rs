//! The driver: three commands around one measurement.

mod args;
mod cancel;
mod chaos;
mod compare;
mod coordinate;
mod heads;
mod meter;
mod print;
mod process;
mod profile;
mod result;
mod signal;
mod simulate;
mod soak;
mod sweep;
mod verify;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};

use anyhow::Context as _;
use strata_loadtest::{
    content::{Arch, Synthetic},
    registry::Registry,
};
use tokio::net::TcpListener;

pub(crate) use args::Args;
use args::{Command, RegistryArgs, RunArgs, SweepArgs};

/// The sweep did not complete, or its account is not what the plan says (see the table of exit codes of `strata`).
const NOT_COMPLETED: u8 = 3;

/// Runs a command; what goes wrong is one sentence on stderr. SIGINT and SIGTERM end it, and with it every server that it
/// started and every file that it made.
pub(crate) async fn run(args: Args) -> ExitCode {
    let mut told = signal::listen();
    let done = match args.command {
        // It says what it was asked for before it ends.
        Some(Command::Registry(args)) => registry(args, told).await.map(|()| true),
        command => tokio::select! {
            done = carry_out(command, args.run) => match told.now() {
                // Whatever it waited for did not come because of the signal.
                Some(signal) => return signal.exit(),
                None => done,
            },
            signal = told.came() => return signal.exit(),
        },
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NOT_COMPLETED),
        Err(error) => {
            let _ = writeln!(io::stderr(), "strata-loadtest: failed to {error:#}");
            ExitCode::from(NOT_COMPLETED)
        }
    }
}

async fn carry_out(command: Option<Command>, run: RunArgs) -> anyhow::Result<bool> {
    match command {
        Some(Command::Registry(_)) | None => run_both(run).await,
        Some(Command::Sweep(args)) => sweep_registry(args).await,
        Some(Command::Run(args)) => match args.own.profile {
            Some(name) => profile::profile(name, &args.own, &args.run).await,
            None => run_both(args.run).await,
        },
        Some(Command::Compare(args)) => compare::compare(&args),
        Some(Command::Heads(args)) => heads::heads(args).await,
        Some(Command::Chaos(args)) => chaos::chaos(args).await,
        Some(Command::Coordinate(args)) => coordinate::coordinate(args).await,
        Some(Command::Simulate(args)) => simulate::simulate(args).await,
        Some(Command::Soak(args)) => soak::soak(args).await,
        Some(Command::Cancel(args)) => cancel::cancel(args).await,
    }
}

/// Serves a plan until the process is interrupted.
async fn registry(args: RegistryArgs, mut told: signal::Told) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("listen on {}", args.listen))?;
    let content = Arc::new(Synthetic::new(args.plan.plan()));
    if args.warm {
        let (content, begin) = (Arc::clone(&content), Instant::now());
        let census =
            tokio::task::spawn_blocking(move || content.warm()).await?.context("make the content")?;
        let seconds = begin.elapsed().as_secs_f64();
        writeln!(io::stderr(), "{}\nmade in {seconds:.1} s", serde_json::to_string(&census)?)
            .context("print")?;
    }
    let registry = Registry::serve(listener, Arc::clone(&content) as _, args.plan.options());
    let registry = registry.context("start the registry")?;
    writeln!(io::stdout(), "{}", registry.host()).context("print the address")?;
    told.came().await;
    let counts = registry.counts();
    registry.shutdown().await.context("stop the registry")?;
    let seconds = process::processor(std::process::id())?.as_secs_f64();
    let most = process::most_resident(std::process::id())? as f64 / 1024.0;
    writeln!(
        io::stderr(),
        "{} requests, {} bytes of blobs; {} digests known, {most:.0} MiB of memory at most, {seconds:.2} s of processor",
        counts.requests,
        counts.blob_bytes,
        content.known_digests(),
    )
    .context("print")
}

/// Sweeps a registry that runs elsewhere. True when every image has its report.
async fn sweep_registry(args: SweepArgs) -> anyhow::Result<bool> {
    let measured = sweep::sweep(&args.target, &args.registry, None).await?;
    print::print(&measured, args.target.json.as_deref())?;
    Ok(measured.is_complete())
}

/// Starts a registry and sweeps it. True when every image has its report and the account is what the plan says.
async fn run_both(args: RunArgs) -> anyhow::Result<bool> {
    let content = Arc::new(Synthetic::new(args.plan.plan()));
    let listener = TcpListener::bind("127.0.0.1:0").await.context("listen on a loopback port")?;
    let registry = Registry::serve(listener, Arc::clone(&content) as _, args.plan.options())
        .context("start the registry")?;
    let mut good = true;
    for _ in 0..args.sweeps {
        registry.reset_counts();
        let mut reports = args.verify.then(Vec::new);
        let mut measured = sweep::sweep(&args.target, &registry.host(), reports.as_mut()).await?;
        measured.registry = Some(registry.counts());
        if !args.unchecked {
            let content = Arc::clone(&content);
            let expected = tokio::task::spawn_blocking(move || content.expected(Arch::Amd64)).await??;
            measured.check = Some(sweep::check(&expected));
            measured.most_downloads = verify::most_downloads(&expected, &registry.blob_downloads());
            if let Some(reports) = &reports {
                measured.wrong_reports = Some(verify::differences(&expected, reports));
            }
        }
        print::print(&measured, args.target.json.as_deref())?;
        good &= measured.is_complete() && measured.disagreements().is_empty();
    }
    registry.shutdown().await.context("stop the registry")?;
    Ok(good)
}
