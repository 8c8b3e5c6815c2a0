//! `strata db`: build, update, look at and compare advisory databases.

use std::{io::Write as _, path::Path, process::ExitCode, time::Instant};

use comfy_table::{Table, presets};
use strata_analysis::database::{Changed, build::Statistics};
use strata_worker::advisories::{DatabaseFile, FileAdvisories, OpenError};

use crate::{
    age::Moment,
    args::DbCommand,
    command::{
        build::{self, Compiled},
        distribute, publish, touched, update,
    },
    exit::Failure,
    output::goes_on,
    progress,
    settings::Settings,
};

pub(super) async fn run(command: DbCommand, settings: &Settings) -> Result<ExitCode, Failure> {
    match command {
        DbCommand::Build { from, epss, kev, lifecycle, parts, output } => {
            let output = output.unwrap_or_else(|| settings.default_db());
            let sources = build::Sources { advisories: from, epss, kev, lifecycles: lifecycle, parts };
            build_to(sources, &output).await?;
        }
        DbCommand::Status { db, verify } => status(&open(db.as_deref(), settings)?, verify)?,
        DbCommand::Update { db, url, ecosystem, from } => {
            // Before a download of many minutes.
            if let Some(missing) = from.iter().find(|path| !path.exists()) {
                let reason = "there is no such file or directory";
                return Err(Failure::usage(format!("failed to read {}: {reason}", missing.display())));
            }
            let mut advisories = vec![update::download(&url, &ecosystem, settings).await?];
            advisories.extend(from);
            let output = db.unwrap_or_else(|| settings.default_db());
            let parts = Some(settings.data_dir.join("parts"));
            build_to(build::Sources { advisories, parts, ..build::Sources::default() }, &output).await?;
        }
        DbCommand::Push(args) => distribute::push(&args, settings).await?,
        DbCommand::Pull(args) => distribute::pull(&args, settings).await?,
        DbCommand::Publish { db, server } => {
            publish::send(&db.unwrap_or_else(|| settings.default_db()), &server, settings).await?;
        }
        DbCommand::Diff(args) => {
            let (old, new) = (open(Some(&args.old), settings)?, open(Some(&args.new), settings)?);
            match args.archive {
                true => touched::run((&old, &new), &args, settings).await?,
                false => diff(&old, &new)?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the named database or the default one, and says what to do when there is none.
///
/// # Errors
/// When it is missing, damaged, or of another format.
pub(crate) fn open(named: Option<&Path>, settings: &Settings) -> Result<DatabaseFile, Failure> {
    let path = named.map_or_else(|| settings.default_db(), Path::to_path_buf);
    DatabaseFile::open(&path).map_err(|error| unusable(&error))
}

/// As [`open`], for a role: the file is looked at again whenever it is replaced.
///
/// # Errors
/// As there.
pub(crate) fn watch(named: Option<&Path>, settings: &Settings) -> Result<FileAdvisories, Failure> {
    let path = named.map_or_else(|| settings.default_db(), Path::to_path_buf);
    FileAdvisories::open(&path).map_err(|error| unusable(&error))
}

/// A database that is not there is a matter of configuration; one that is damaged is work that cannot be done.
pub(super) fn unusable(error: &OpenError) -> Failure {
    let failure = match error {
        OpenError::Read { .. } => Failure::usage(error.to_string()),
        OpenError::Content { .. } => Failure::incomplete(error.to_string()),
    };
    failure.hint(
        "`strata db update` downloads and compiles the public advisories, `strata db build --from DIR` compiles a copy, \
         and --db names a database",
    )
}

async fn build_to(from: build::Sources, output: &Path) -> Result<(), Failure> {
    let started = Instant::now();
    let built = tokio::task::spawn_blocking(move || build::compile(&from)).await;
    let built =
        built.map_err(|error| Failure::incomplete(format!("failed to build the database: {error}")))??;
    build::write(&built.built, output)?;
    report(&built, output, started.elapsed().as_secs_f64());
    Ok(())
}

fn report(compiled: &Compiled, output: &Path, seconds: f64) {
    let Compiled { built, read: files, reused } = compiled;
    let Statistics {
        read,
        kept,
        duplicates,
        malformed,
        withdrawn,
        without_versions,
        harmless,
        git_ranges,
        flaws,
        merged,
        malformed_by_source,
        ..
    } = &built.statistics;
    let mut stderr = std::io::stderr().lock();
    for (name, reason) in built.statistics.malformed_names.iter().take(20) {
        let _ = writeln!(stderr, "malformed {name}: {reason}");
    }
    for (ecosystem, packages) in &built.statistics.unordered {
        let _ =
            writeln!(stderr, "{ecosystem}: {packages} affected packages whose versions Strata cannot order");
    }
    for (place, count) in malformed_by_source {
        let _ = writeln!(stderr, "malformed in {place}: {count}");
    }
    let size = progress::bytes(u64::try_from(built.bytes.len()).unwrap_or(u64::MAX));
    let _ = writeln!(
        std::io::stdout(),
        "{}: {size}, {kept} advisories of {read} records in {seconds:.1} s\n  {flaws} flaws; {merged} times an advisory names \
         one that another one names too\n  left out: {duplicates} duplicates, {withdrawn} withdrawn, {without_versions} without \
         versions, {harmless} that announce no flaw; {malformed} malformed in part or whole, {git_ranges} commit ranges \
         ignored\n  {files} files read, {reused} unchanged since they were last read",
        output.display()
    );
}

fn status(file: &DatabaseFile, verify: bool) -> Result<(), Failure> {
    let view = file.view().map_err(|error| Failure::incomplete(error.to_string()))?;
    if verify {
        view.verify().map_err(|error| Failure::incomplete(error.to_string()))?;
    }
    let now = Moment::now();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["Ecosystem", "Advisories", "Newest", "Age", "Source"]);
    let rows = view.status();
    for row in &rows {
        table.add_row([
            row.name.clone(),
            row.advisories.to_string(),
            row.modified.clone(),
            now.age(&row.modified),
            row.source.clone(),
        ]);
    }
    let (epss, kev) = view.threat_counts();
    let _ = writeln!(
        std::io::stdout(),
        "{table}\nEPSS      {epss} flaws, known exploited {kev}\ndigest    {}\nmodified  {} (age: {})\n{}",
        file.digest(),
        file.modified(),
        now.age(file.modified()),
        if verify {
            "every byte agrees with the digest"
        } else {
            "header and index are sound (--verify checks every byte)"
        }
    );
    Ok(())
}

fn diff(old: &DatabaseFile, new: &DatabaseFile) -> Result<(), Failure> {
    let damaged = |error: strata_analysis::database::DatabaseError| Failure::incomplete(error.to_string());
    let changes =
        strata_analysis::database::diff(&old.view().map_err(damaged)?, &new.view().map_err(damaged)?)
            .map_err(damaged)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for change in &changes {
        let what = match &change.what {
            Changed::Package(name) => name.clone(),
            Changed::Whole => "(as a whole)".to_owned(),
            Changed::Release(release) => format!("(end of {release})"),
        };
        if !goes_on(writeln!(out, "{}\t{what}", change.ecosystem))? {
            return Ok(());
        }
    }
    if !goes_on(out.flush())? {
        return Ok(());
    }
    let packages = changes.iter().filter(|change| matches!(change.what, Changed::Package(_))).count();
    let _ = writeln!(std::io::stderr(), "{packages} packages have changed advisories");
    Ok(())
}
