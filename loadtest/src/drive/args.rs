//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args as Arguments, Parser, Subcommand};
use strata_loadtest::{
    content::Plan,
    registry::{Faults, Options},
};

use super::{
    cancel::CancelArgs, chaos::ChaosArgs, compare::CompareArgs, coordinate::CoordinateArgs, heads::HeadsArgs,
    profile::ProfileArgs, simulate::SimulateArgs, soak::SoakArgs,
};

/// Sweeps a synthetic registry through the SDK and measures it.
#[derive(Debug, Parser)]
#[command(name = "strata-loadtest", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a synthetic registry and print its address
    Registry(RegistryArgs),
    /// Sweep a registry that runs already
    Sweep(SweepArgs),
    /// Start a synthetic registry in this process and sweep it (the default); or start everything and measure a profile
    Run(Box<ProfileRunArgs>),
    /// Compare two measurements of one profile
    Compare(CompareArgs),
    /// Ask a registry for one manifest's headers after the other, and nothing else
    Heads(HeadsArgs),
    /// Sweep with a cluster of real processes, and hurt one of them after the other
    Chaos(ChaosArgs),
    /// Simulate a sweep of any size with the coordinator's own planner
    Simulate(SimulateArgs),
    /// Sweep with a whole coordinator and a model of all else, and say what the coordinator costs
    Coordinate(CoordinateArgs),
    /// Sweep one registry after the other with a cluster of real processes, and watch their memory
    Soak(SoakArgs),
    /// Cancel sweeps of a cluster of real processes in their middle, and measure how long they are noticed still
    Cancel(CancelArgs),
}

#[derive(Debug, Arguments)]
pub(crate) struct RegistryArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// Make every image's digest known before the address is printed, and count what there is
    #[arg(long)]
    pub(crate) warm: bool,
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
}

#[derive(Debug, Arguments)]
pub(crate) struct SweepArgs {
    /// The registry to sweep, as the workers reach it
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) registry: String,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// Arguments of `run`.
#[derive(Debug, Arguments)]
pub(crate) struct ProfileRunArgs {
    #[command(flatten)]
    pub(crate) own: ProfileArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Arguments)]
pub(crate) struct RunArgs {
    /// How often to sweep: from the second time on nothing has changed
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) sweeps: u32,
    /// Do not compare the account with what the plan says
    #[arg(long)]
    pub(crate) unchecked: bool,
    /// Also fetch every report and compare its packages, layers and distribution with what the plan says
    #[arg(long, conflicts_with = "unchecked")]
    pub(crate) verify: bool,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
}

/// Who sweeps, and for how long at most.
#[derive(Debug, Arguments)]
pub(crate) struct TargetArgs {
    /// The coordinator
    #[arg(long, default_value = "http://127.0.0.1:7400", value_name = "URL")]
    pub(crate) server: String,
    /// Cancel the sweep after this many seconds
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
    /// Also write the measurement as JSON, one line a sweep
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// What the synthetic registry holds and how it behaves.
#[derive(Debug, Arguments)]
pub(crate) struct PlanArgs {
    /// About this many images; without it the demonstration's sixty
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    images: Option<u32>,
    /// Layers from kilobytes to gigabytes, some ten of an image, shared as in a real registry
    #[arg(long, requires = "images")]
    graded: bool,
    /// Mean uncompressed bytes of a layer that is not shared; the least with --graded
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=64 << 20))]
    layer_bytes: Option<u64>,
    /// Layers of dependencies of each image that a few builds of one repository share
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=64))]
    vendor_layers: Option<u32>,
    /// Layers of each image that nobody shares
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    app_layers: Option<u32>,
    /// Everything random follows from it
    #[arg(long)]
    seed: Option<u64>,
    /// Milliseconds before every answer
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Bytes a second of each body
    #[arg(long)]
    bandwidth: Option<u64>,
    /// Share of requests that are answered with 429
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    busy: f64,
    /// Share of requests that fail: half with 500, half with a body that ends early
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    failing: f64,
}

impl PlanArgs {
    pub(crate) fn plan(&self) -> Plan {
        let mut plan = match self.images {
            Some(images) if self.graded => Plan::graded(images),
            Some(images) => Plan::scaled(images, 16 << 10),
            None => Plan::demo(),
        };
        plan.layer_bytes = self.layer_bytes.unwrap_or(plan.layer_bytes);
        plan.vendor_layers = self.vendor_layers.unwrap_or(plan.vendor_layers);
        plan.app_layers = self.app_layers.unwrap_or(plan.app_layers);
        plan.seed = self.seed.unwrap_or(plan.seed);
        plan
    }

    pub(crate) fn options(&self) -> Options {
        let faults = Faults {
            seed: self.seed.unwrap_or_default(),
            latency: Duration::from_millis(self.latency_ms),
            bandwidth: self.bandwidth,
            too_many_requests: self.busy,
            server_error: self.failing / 2.0,
            truncated: self.failing / 2.0,
            ..Faults::default()
        };
        Options { faults, ..Options::default() }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn commands() {
        Args::command().debug_assert();
        let bare = Args::try_parse_from(["x", "--server", "http://h:1"]).unwrap();
        assert!(bare.command.is_none());
        assert_eq!((bare.run.target.server.as_str(), bare.run.sweeps), ("http://h:1", 1));
        assert_eq!(bare.run.plan.plan(), Plan::demo());
        let registry =
            Args::try_parse_from(["x", "registry", "--images", "1000", "--seed", "4", "--busy", "0.5"]);
        let Some(Command::Registry(registry)) = registry.unwrap().command else { panic!("not the registry") };
        assert_eq!((registry.plan.plan().repositories, registry.plan.plan().seed), (100, 4));
        assert!((registry.plan.options().faults.too_many_requests - 0.5).abs() < f64::EPSILON);
        for bad in
            [&["x", "sweep"][..], &["x", "--busy", "1.5"], &["x", "--images", "0"], &["x", "--timeout", "0"]]
        {
            assert!(Args::try_parse_from(bad).is_err(), "{bad:?}");
        }
    }
}
