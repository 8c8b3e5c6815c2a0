//! A host that the network is cut off from: the first worker runs in a network namespace of its own.

use std::{process::Command, time::Duration};

use anyhow::{Context as _, ensure};

use crate::{
    chaos::{Fault, Stage},
    servers::is_root,
};

pub(super) const PARTITION: Fault = Fault {
    name: "partition",
    breaks: "the host of a worker is cut off from NATS, Redis and the registry for 40 s (8 s in the short form)",
    cannot: || {
        let ip = Command::new("ip").arg("-V").output().is_ok();
        if !is_root() {
            Some("network namespaces need root".to_owned())
        } else if !ip {
            Some("there is no `ip`; install Debian's package iproute2".to_owned())
        } else {
            Namespace::new("probe").err().map(|error| format!("failed to {error:#}"))
        }
    },
    prepare: |layout| {
        let namespace = Namespace::new("host")?;
        layout.host = namespace.near.parse().context("name the near end")?;
        layout.before_first_worker =
            ["ip", "netns", "exec", &namespace.name].iter().map(|&word| word.to_owned()).collect();
        Ok(Box::new(namespace))
    },
    strike: |stage| Box::pin(cut(stage)),
    ..Fault::NONE
};

/// A namespace and a pair of cables into it; both go when it is dropped.
struct Namespace {
    name: String,
    near: String,
}

/// The near end's name for the process `pid`: an interface has at most fifteen characters.
fn cable() -> String {
    format!("st{}", std::process::id())
}

impl Namespace {
    fn new(purpose: &str) -> anyhow::Result<Self> {
        let pid = std::process::id();
        let (name, cable) = (format!("strata-{purpose}-{pid}"), cable());
        // A network of two hosts from the range for benchmarks (RFC 2544).
        let (third, fourth) = ((pid >> 6) & 0xff, (pid & 0x3f) << 2);
        let (near, far) =
            (format!("198.18.{third}.{}", fourth + 1), format!("198.18.{third}.{}", fourth + 2));
        let made = Self { name: name.clone(), near: near.clone() };
        ip(&["netns", "add", &name])?;
        let peer = format!("{cable}p");
        ip(&["link", "add", &cable, "type", "veth", "peer", "name", &peer, "netns", &name])?;
        ip(&["addr", "add", &format!("{near}/30"), "dev", &cable])?;
        ip(&["link", "set", &cable, "up"])?;
        ip(&["-n", &name, "addr", "add", &format!("{far}/30"), "dev", &peer])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        ip(&["-n", &name, "link", "set", &peer, "up"])?;
        Ok(made)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // With the near end the far one goes.
        let _ = ip(&["link", "del", &cable()]);
        let _ = ip(&["netns", "del", &self.name]);
    }
}

fn ip(args: &[&str]) -> anyhow::Result<()> {
    let done = Command::new("ip").args(args).output().context("run ip")?;
    ensure!(done.status.success(), "run ip {args:?}: {}", String::from_utf8_lossy(&done.stderr).trim());
    Ok(())
}

async fn cut(stage: &mut Stage) -> anyhow::Result<u32> {
    if !stage.reported(5).await {
        return Ok(0);
    }
    ip(&["link", "set", &cable(), "down"])?;
    tokio::time::sleep(Duration::from_secs(if stage.short { 8 } else { 40 })).await;
    ip(&["link", "set", &cable(), "up"])?;
    Ok(1)
}
