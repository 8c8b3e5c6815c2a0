//! `chaos`: one fault after the other, each on a fresh cluster, and a table of what came of them.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::Args as Arguments;
use strata_loadtest::{
    ADVISORIES,
    chaos::{self, FAULTS, Options, Verdict},
};
use tempfile::TempDir;

/// Arguments of `chaos`.
#[derive(Debug, Arguments)]
pub(crate) struct ChaosArgs {
    /// Strike with this one only (repeatable); default: all
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(FAULTS.iter().map(|fault| fault.name)))]
    fault: Vec<String>,
    /// About this many images
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    images: u32,
    /// The form that tests run: fewer and shorter faults
    #[arg(long)]
    short: bool,
    /// Give a sweep up after this many seconds
    #[arg(long, default_value_t = 1_800, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Everything random follows from it
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Write what the roles said here where a fault was not survived, one file a fault
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
    #[command(flatten)]
    pub(super) program: ProgramArgs,
}

/// What is started.
#[derive(Debug, Arguments)]
pub(crate) struct ProgramArgs {
    /// The executable; default: the one beside this one, or on the path
    #[arg(long, value_name = "FILE")]
    strata: Option<PathBuf>,
}

/// Runs the faults. True when all were survived.
pub(crate) async fn chaos(args: ChaosArgs) -> anyhow::Result<bool> {
    let home = TempDir::new().context("make a directory")?;
    let strata = args.program.strata();
    let database = database(&strata, home.path())?;
    let options = Options {
        strata,
        database,
        images: args.images,
        short: args.short,
        patience: Duration::from_secs(args.timeout),
        seed: args.seed,
    };
    say(&heading())?;
    let (truth, calm) = chaos::undisturbed(&options).await?;
    say(&line(&calm))?;
    keep(&calm, args.logs.as_deref())?;
    let mut good = calm.is_good();
    for fault in FAULTS {
        if !args.fault.is_empty() && !args.fault.iter().any(|name| name == fault.name) {
            continue;
        }
        if let Some(reason) = (fault.cannot)() {
            say(&format!("{:<19}SKIPPED: {reason}", fault.name))?;
            continue;
        }
        let verdict = chaos::strike(fault, &options, &truth).await.context(fault.name)?;
        say(&line(&verdict))?;
        keep(&verdict, args.logs.as_deref())?;
        good &= verdict.is_good();
    }
    Ok(good)
}

impl ProgramArgs {
    pub(super) fn strata(&self) -> PathBuf {
        let beside = || {
            let beside = std::env::current_exe().ok()?.with_file_name("strata");
            beside.is_file().then_some(beside)
        };
        self.strata.clone().or_else(beside).unwrap_or_else(|| PathBuf::from("strata"))
    }
}

/// Compiles the advisories that ship with the project.
pub(super) fn database(strata: &Path, home: &Path) -> anyhow::Result<PathBuf> {
    let (from, output) = (home.join("advisories"), home.join("advisories.strata"));
    for (name, text) in ADVISORIES {
        let file = from.join(name);
        fs::create_dir_all(file.parent().unwrap_or(&from)).context("make a directory")?;
        fs::write(&file, text).context("write an advisory")?;
    }
    let mut command = Command::new(strata);
    command
        .args(["db", "build", "--from"])
        .arg(&from)
        .arg("--output")
        .arg(&output)
        .env("STRATA_DATA_DIR", home);
    let built = command.output().with_context(|| format!("run {}", strata.display()))?;
    ensure!(built.status.success(), "build a database: {}", String::from_utf8_lossy(&built.stderr));
    Ok(output)
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(io::stdout().lock(), "{line}").context("print")
}

fn heading() -> String {
    format!(
        "{:<19}{:>8}{:>8}{:>8}{:>8}{:>8}{:>10}{:>10}{:>10}{:>10}  verdict",
        "fault",
        "seconds",
        "strikes",
        "breaks",
        "ledger",
        "reports",
        "distinct",
        "analysed",
        "downloads",
        "left over"
    )
}

fn line(verdict: &Verdict) -> String {
    let yes = |is: bool| if is { "same" } else { "WRONG" };
    let mut text = format!(
        "{:<19}{:>8.1}{:>8}{:>8}{:>8}{:>8}{:>10}{:>10}{:>10}{:>10}  {}",
        verdict.fault,
        verdict.wall.as_secs_f64(),
        verdict.strikes,
        verdict.breaks,
        yes(verdict.ledger),
        yes(verdict.reports),
        verdict.distinct,
        verdict.analysed,
        verdict.downloads,
        verdict.leftovers.len(),
        if verdict.is_good() { "survived" } else { "FAILED" },
    );
    for sentence in verdict.wrong.iter().chain(&verdict.leftovers) {
        text.push_str("\n    ");
        text.push_str(sentence);
    }
    text
}

fn keep(verdict: &Verdict, directory: Option<&Path>) -> anyhow::Result<()> {
    let Some(directory) = directory.filter(|_| !verdict.is_good()) else { return Ok(()) };
    fs::create_dir_all(directory).context("make a directory for logs")?;
    let file = directory.join(format!("{}.log", verdict.fault));
    fs::write(&file, &verdict.logs).with_context(|| format!("write {}", file.display()))
}
