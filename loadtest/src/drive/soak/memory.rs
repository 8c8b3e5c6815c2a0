//! What a process holds in memory, as the kernel tells.

use std::fs;

use anyhow::Context as _;

use crate::drive::process;

/// How the memory of something is counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Memory {
    /// Resident memory of one process.
    Resident(u32),
    /// Private resident memory of a process and its children: PostgreSQL's processes share their buffers, and each would count them.
    PrivateOfAll(u32),
}

impl Memory {
    /// In KiB.
    pub(super) fn kib(self) -> anyhow::Result<u64> {
        match self {
            Self::Resident(pid) => process::resident(pid),
            Self::PrivateOfAll(parent) => {
                // Children come and go while they are looked at.
                let children = children(parent)?.into_iter().filter_map(|pid| process::private(pid).ok());
                Ok(process::private(parent)? + children.sum::<u64>())
            }
        }
    }
}

fn children(parent: u32) -> anyhow::Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let text = text.context("look at a process's children")?;
    Ok(text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_of_its_own() {
        let own = std::process::id();
        let resident = Memory::Resident(own).kib().expect("we run");
        let private = Memory::PrivateOfAll(own).kib().expect("we run");
        assert!(resident > 0 && private > 0 && private <= resident, "{private} of {resident}");
        assert!(Memory::Resident(u32::MAX).kib().is_err());
    }
}
