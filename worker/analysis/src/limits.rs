//! The bounds on hostile input. Every one is named, and a layer that meets one says so.

/// Bounds on what one layer may make the analysis do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Uncompressed bytes of one layer.
    pub layer_bytes: u64,
    /// Entries of one layer's tar.
    pub layer_entries: u64,
    /// Uncompressed bytes for each compressed byte, beyond the first 64 MiB.
    pub ratio: u64,
    /// Bytes of one wanted file that is kept in memory.
    pub file_bytes: u64,
    /// Bytes of one wanted file that is spooled, where the caller lends a spool.
    pub spool_bytes: u64,
    /// Bytes of all wanted files that are in memory at once.
    pub budget_bytes: u64,
    /// Bytes of an entry's path, and of a link's target.
    pub path_bytes: usize,
    /// Wanted files, links and deletions of one layer.
    pub records: usize,
    /// Bytes of the paths and targets of these, together.
    pub text_bytes: usize,
    /// Packages of one layer.
    pub packages: usize,
    /// Depth of archives within archives.
    pub nesting: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            layer_bytes: 64 << 30,
            layer_entries: 20_000_000,
            ratio: 1_100,
            // Programs of 100 to 150 MB are common: Node, Kubernetes' own.
            file_bytes: 192 << 20,
            spool_bytes: 2 << 30,
            budget_bytes: 256 << 20,
            path_bytes: 4_096,
            records: 1_000_000,
            text_bytes: 64 << 20,
            packages: 500_000,
            nesting: 8,
        }
    }
}
