//! `strata java-index`: compile the index by which Java archives that do not name themselves are known.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
    process::ExitCode,
};

use strata_analysis::java_index::{JavaIndex, build};

use super::build::write_bytes;
use crate::{args::java_index::JavaIndexCommand, exit::Failure};

pub(super) fn run(command: &JavaIndexCommand) -> Result<ExitCode, Failure> {
    let JavaIndexCommand::Build { list, output } = command;
    let text =
        read(list).map_err(|error| Failure::usage(format!("failed to read {}: {error}", list.display())))?;
    let refused = |error| Failure::usage(format!("failed to compile {}: {error}", list.display()));
    let bytes = build(&text).map_err(refused)?;
    let index = JavaIndex::open(&bytes).map_err(refused)?;
    write_bytes(&bytes, output)?;
    let mut stdout = io::stdout();
    // A reader that has enough is no error.
    let _ = writeln!(stdout, "{}: {} archives\n  digest {}", output.display(), index.len(), index.digest());
    Ok(ExitCode::SUCCESS)
}

fn read(list: &Path) -> io::Result<String> {
    if list != Path::new("-") {
        return fs::read_to_string(list);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}
