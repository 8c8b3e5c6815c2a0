//! The executable as its users meet it: alone, as a cluster of processes on real servers, and the rules of the repository.

mod about;
mod access;
mod advise;
mod archive;
mod black_box;
mod cancel;
mod cluster;
mod context;
mod databases;
mod delta;
mod deploy;
mod diff;
mod distribute;
mod endings;
mod failover;
mod fairness;
mod faults;
mod fixture;
mod formats;
mod gate;
mod hygiene;
mod interrupt;
mod lazy;
mod local;
mod logins;
mod observe;
mod parallel;
mod readme;
mod reassess;
mod registries;
mod risks;
mod sdk;
mod secrets;
mod servers;
mod since;
mod sources;
mod story;
mod strata;
mod submit;
mod tag;
mod tidy;
mod trace;
mod unsupported;
mod update;
mod upgrade;
mod upload;
mod vex;
mod webhooks;

/// Once for the test binary, as `main` does for the executable.
fn provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
