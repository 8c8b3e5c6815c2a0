//! `strata`: the one executable. The composition root: the only package that sees every other.

use std::process::ExitCode;

use strata_cli::config::Stop;

fn main() -> ExitCode {
    // Before anything can open a connection: two TLS providers in one process would panic, none would too.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let places = strata_cli::settings::config_places();
    let (args, file) = match strata_cli::config::parse(std::env::args_os().collect(), &places) {
        Ok(parsed) => parsed,
        Err(Stop::Grammar(error)) => {
            let _ = error.print();
            // Help and version are answers, not errors.
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
        Err(Stop::Failure(failure)) => {
            strata_cli::exit::print(&failure);
            return ExitCode::from(failure.code);
        }
    };
    strata_cli::security::look_at_arguments(
        std::env::args_os().map(|text| text.to_string_lossy().into_owned()),
    );
    strata_cli::run(args, &file)
}
