//! A disk that is full where large files are put.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::{
    chaos::{Fault, Stage},
    servers::is_root,
};

pub(super) const FULL: Fault = Fault {
    name: "spool-full",
    breaks: "no room in the spool of the workers for 6 s (2 s in the short form)",
    cannot: || (!is_root()).then(|| "a file system in memory needs root".to_owned()),
    prepare: |layout| {
        let mount = Mount::new()?;
        layout.spool = Some(mount.directory.path().to_owned());
        Ok(Box::new(mount))
    },
    strike: |stage| Box::pin(fill(stage)),
    ..Fault::NONE
};

/// A small file system in memory; it goes when it is dropped.
struct Mount {
    directory: TempDir,
}

impl Mount {
    fn new() -> anyhow::Result<Self> {
        let directory = TempDir::new().context("make a directory")?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64m,mode=1777", "strata-spool"]).arg(directory.path());
        let done = mount.output().context("run mount")?;
        ensure!(done.status.success(), "run mount: {}", String::from_utf8_lossy(&done.stderr).trim());
        Ok(Self { directory })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.directory.path()).status();
    }
}

/// Fills the file system to its last byte, and makes room again.
async fn fill(stage: &mut Stage) -> anyhow::Result<u32> {
    if !stage.reported(3).await {
        return Ok(0);
    }
    let filler = stage.cluster.spool().join("filler");
    let full = fs::write(&filler, vec![0; 80 << 20]);
    ensure!(full.is_err(), "fill the spool");
    tokio::time::sleep(Duration::from_secs(if stage.short { 2 } else { 6 })).await;
    fs::remove_file(&filler).context("make room in the spool")?;
    Ok(1)
}
