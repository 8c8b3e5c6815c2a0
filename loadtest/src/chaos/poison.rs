//! A layer that kills whoever reads it.

use std::{collections::BTreeMap, fs, net::SocketAddr, process::Command};

use crate::content::{Expected, ExpectedImage};

/// An image whose last layer no other has.
pub(super) fn choose(expected: &Expected) -> Option<&ExpectedImage> {
    let mut images_of = BTreeMap::new();
    for layer in expected.images.iter().flat_map(|image| &image.layers) {
        *images_of.entry(layer).or_insert(0) += 1;
    }
    let alone =
        |image: &&ExpectedImage| image.layers.last().is_some_and(|layer| images_of.get(layer) == Some(&1));
    let middle = expected.images.len() / 2;
    expected.images.iter().skip(middle).find(alone)
}

/// SIGKILL to the one of these processes that has this connection. True when there was one.
pub(super) fn kill_client(pids: &[u32], client: SocketAddr, server: SocketAddr) -> bool {
    let Some(socket) = socket_of(client, server).map(|inode| format!("socket:[{inode}]")) else {
        return false;
    };
    for pid in pids {
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        let mut targets = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        if targets.any(|target| target.to_str() == Some(&socket)) {
            let sent = Command::new("kill").args(["-s", "KILL", &pid.to_string()]).status();
            return sent.is_ok_and(|status| status.success());
        }
    }
    false
}

/// The inode of the client's end of a connection, as the kernel tells.
fn socket_of(client: SocketAddr, server: SocketAddr) -> Option<String> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let (local, remote) = (format!(":{:04X}", client.port()), format!(":{:04X}", server.port()));
    table.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (from, to) = (words.nth(1)?, words.next()?);
        (from.ends_with(&local) && to.ends_with(&remote)).then(|| words.nth(6).map(str::to_owned))?
    })
}
