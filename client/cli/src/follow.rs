//! Following a scan: results on stdout as they come, progress on stderr, the verdict at the end.

mod interrupt;
mod summary;

use std::{
    io::{self, Write as _},
    pin::pin,
    process::ExitCode,
    time::{Duration, Instant},
};

use futures::{FutureExt as _, StreamExt as _, future::Fuse};
use strata_proto::v1::{Event, ImageReported, Scan, ScanState, Severity, event::Kind};

use strata_analysis::vex::Statement;

pub use self::interrupt::Interrupt;
use self::interrupt::Signals;
pub use self::summary::summary_lines;
use crate::{
    age,
    args::OutputArgs,
    backend::Backend,
    exit::{self, Failure},
    format,
    gate::{self, Gate, Seen},
    order::{self, Order},
    output::Outputs,
    progress::Display,
    results::Results,
    settings::Settings,
    since::{self, Delta},
    vex,
};

/// How long the account of a scan that was left is waited for.
const ACCOUNT: Duration = Duration::from_secs(2);

/// What a person asked to see and to fail on, checked before any work begins.
pub struct Output {
    outputs: Outputs,
    /// What is left out, and what fails.
    pub gate: Gate,
    vex: Vec<Statement>,
    max_age: age::Limit,
    since_last: bool,
    fail_on_new: Option<Severity>,
    /// The order of findings that was asked for.
    pub order: Option<Order>,
    /// Print one line for each image as it completes instead of its whole table.
    pub brief: bool,
}

impl Output {
    /// Checks the arguments.
    ///
    /// # Errors
    /// When a format or the severity is not known, or a file could not be written.
    pub fn new(args: &OutputArgs, brief: bool) -> Result<Self, Failure> {
        Ok(Self {
            outputs: Outputs::new(&args.format, &args.output)?,
            gate: Gate::new(&args.gate)?,
            vex: vex::read(&args.vex)?,
            max_age: args.db_max_age.parse()?,
            since_last: false,
            fail_on_new: None,
            order: args.sort.as_deref().map(order::parse).transpose()?,
            brief,
        })
    }

    /// Has the scan compared with the last one of its target, and new findings of a severity fail it.
    ///
    /// # Errors
    /// When the severity is not known.
    pub fn compare(&mut self, fail_on_new: Option<&str>) -> Result<(), Failure> {
        self.since_last = true;
        self.fail_on_new = fail_on_new.map(gate::severity).transpose()?;
        Ok(())
    }

    /// Writes the results to every place that was asked for.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn write(&self, results: &mut Results) -> Result<(), Failure> {
        self.outputs.write(results, !self.prints_lines())
    }

    /// Adds to a report what only this look at it tells: what the given VEX documents suppress, and a database that is too
    /// old by now.
    pub fn judge(&self, reported: &mut ImageReported, seen: &mut Seen) {
        vex::apply(reported, &self.vex);
        if let Some(problem) = self.max_age.judge(&reported.database_modified, self.gate.now) {
            reported.problems += 1;
            if let Some(report) = &mut reported.report {
                report.problems.push(problem);
            }
        }
        self.gate.judge(reported, seen);
    }

    fn write_lines(&self, delta: &Delta) -> Result<(), Failure> {
        match format::since_lines(delta, &mut io::stdout().lock()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::usage(format!("failed to write the results to stdout: {error}")))
            }
            _ => Ok(()),
        }
    }

    fn prints_lines(&self) -> bool {
        self.brief && self.outputs.stdout().is_some_and(|format| format.streams)
    }

    /// Whether reports are kept to the end: a sweep that is only shown line by line needs none.
    fn keeps_reports(&self) -> bool {
        !self.prints_lines() || self.outputs.has_files()
    }
}

/// Follows a scan to its end, or leaves it when it is interrupted.
///
/// # Errors
/// When the scan is lost (the server is gone for good) or the results cannot be written.
pub async fn follow(
    backend: &Backend,
    scan: &str,
    after: u64,
    output: &Output,
    interrupt: Interrupt,
    settings: &Settings,
) -> Result<ExitCode, Failure> {
    let (code, _) = to_the_end(backend, &[scan.to_owned()], after, output, interrupt, settings).await?;
    Ok(ExitCode::from(code))
}

/// As [`follow`], of several scans that are one to the person who waits, with the exit code as a number and all that they
/// said.
///
/// # Errors
/// As there.
pub async fn to_the_end(
    backend: &Backend,
    scans: &[String],
    after: u64,
    output: &Output,
    interrupt: Interrupt,
    settings: &Settings,
) -> Result<(u8, Results), Failure> {
    let started = Instant::now();
    let mut display = Display::new(settings);
    let mut results = Results::new(output.order);
    (results.now, results.screen) = (output.gate.now, settings.screen);
    results.default_branch_image.clone_from(&settings.default_branch_image);
    for scan in scans {
        // Who stopped one of them meant all.
        if results.state == Some(ScanState::Cancelled) {
            backend.cancel(scan).await?;
        }
        let shown = (&mut display, &mut results);
        let taken = receive(backend, (scan, after), output, &interrupt, shown).await;
        display.finish();
        match taken? {
            Taken::All => {}
            Taken::Left => {
                account(backend, scan, &mut results).await;
                break;
            }
            Taken::AtOnce => break,
        }
    }
    // A scan that was stopped says nothing about what it did not reach.
    if output.since_last
        && matches!(results.state, Some(ScanState::Completed | ScanState::CompletedWithFailures))
    {
        let suppress = |reported: &mut ImageReported| {
            vex::apply(reported, &output.vex);
            output.gate.accept(reported);
        };
        if let [scan] = scans {
            results.since = Some(since::compare(backend, scan, suppress).await?);
        }
    }
    if let (true, Some(delta)) = (output.prints_lines(), &results.since) {
        output.write_lines(delta)?;
    }
    output.write(&mut results)?;
    summary::print(&results, started, settings);
    output.gate.explain(&results.seen);
    Ok((verdict(&results, output), results))
}

/// Why no more events are taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// The last one came.
    All,
    /// Somebody left a scan that goes on.
    Left,
    /// Somebody does not want to wait for anything.
    AtOnce,
}

/// How far a scan is that was left, where its server tells that soon.
async fn account(backend: &Backend, scan: &str, results: &mut Results) {
    if let Ok(Ok(found)) = tokio::time::timeout(ACCOUNT, backend.scan(scan)).await {
        results.summary = found.summary.unwrap_or_default();
    }
}

/// Takes events in until the last one, or until somebody leaves.
async fn receive(
    backend: &Backend,
    (scan, after): (&str, u64),
    output: &Output,
    interrupt: &Interrupt,
    (display, results): (&mut Display, &mut Results),
) -> Result<Taken, Failure> {
    let with_reports = output.keeps_reports() || !output.vex.is_empty() || output.gate.needs_reports();
    let mut signals = Signals::new()?;
    let mut events = backend.watch(scan, after, with_reports).await?;
    let (mut sequence, mut stopping) = (after, false);
    let mut cancelling = pin!(Fuse::terminated());
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else { return Ok(Taken::All) };
                let event = event?;
                sequence = event.sequence;
                show(event, output, display, results);
            }
            cancelled = &mut cancelling => {
                let cancelled: Result<Scan, Failure> = cancelled;
                if let Err(failure) = cancelled {
                    display.note(&failure.message);
                    display.note(&interrupt.goodbye(sequence));
                    return Ok(Taken::AtOnce);
                }
            }
            () = signals.next() => {
                if stopping || matches!(interrupt, Interrupt::Detach { .. }) {
                    display.note(&interrupt.goodbye(sequence));
                    return Ok(if stopping { Taken::AtOnce } else { Taken::Left });
                }
                stopping = true;
                display.note("stopping: the scan is cancelled, what is done stays; once more leaves at once");
                cancelling.set(backend.cancel(scan).fuse());
            }
        }
    }
}

fn show(mut event: Event, output: &Output, display: &mut Display, results: &mut Results) {
    if let Some(Kind::Reported(reported)) = &mut event.kind {
        output.judge(reported, &mut results.seen);
        if !output.keeps_reports() {
            reported.report = None;
        }
    }
    match &event.kind {
        Some(Kind::Progress(progress)) => display.update(progress),
        Some(Kind::Reported(reported)) if output.prints_lines() => {
            display.suspend(|| print_line(&line(reported)))
        }
        Some(Kind::Failed(failed)) => {
            display.note(&format!("FAILED {}: {}", failed.references.join(", "), failed.message));
        }
        Some(Kind::ListingFailed(failed)) => {
            display.note(&format!("FAILED to list {}: {}", failed.target, failed.message));
        }
        _ => {}
    }
    results.take(event);
}

fn line(reported: &ImageReported) -> String {
    let findings = reported.findings.unwrap_or_default();
    let heading = format::heading(&reported.references, reported.packages, &findings, reported.problems);
    if reported.unchanged { format!("{heading}, unchanged") } else { heading }
}

fn print_line(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// An incomplete scan is never called a pass, and comes before the policy: its verdict would rest on a part.
fn verdict(results: &Results, output: &Output) -> u8 {
    if !results.is_complete() {
        return exit::INCOMPLETE;
    }
    // A name that is mistyped must not open a gate.
    if results.is_empty() && (output.gate.has_conditions() || output.fail_on_new.is_some()) {
        crate::exit::warn("nothing was enumerated, so that there is nothing to judge: this is no pass");
        return exit::INCOMPLETE;
    }
    let new = results.since.as_ref().and_then(Delta::worst_new);
    let new = output.fail_on_new.map(|limit| new.is_some_and(|worst| worst as i32 >= limit as i32));
    output.gate.code(results.worst(), results.problems, &results.seen, new)
}
