//! `strata`: the one executable. The composition root: the only package that sees every other.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    // Before anything can open a connection: two TLS providers in one process would panic, none would too.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let args = match strata_cli::args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            // Help and version are answers, not errors.
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    strata_cli::security::look_at_arguments(std::env::args());
    strata_cli::run(args)
}
