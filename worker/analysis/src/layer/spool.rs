//! Where large wanted files wait. The core opens no file and maps no memory: its caller may lend it places.

use std::io;

/// Places for large files, lent by the caller.
pub trait Spool: Sync {
    /// Starts an empty file that is too large for memory: an unlinked temporary one, read back as mapped bytes.
    ///
    /// # Errors
    /// When there is no room for it.
    fn create(&self) -> io::Result<Box<dyn SpoolFile>>;

    /// Starts an empty file in memory, of at most so many bytes. It takes no more than is written to it.
    ///
    /// # Errors
    /// When there is no memory for it.
    fn memory(&self, bytes: usize) -> io::Result<Box<dyn SpoolFile>>;
}

/// A file that is being written.
pub trait SpoolFile: io::Write {
    /// All is written: gives the content back. It is freed when the answer is dropped.
    ///
    /// # Errors
    /// When the content cannot be read back.
    fn finish(self: Box<Self>) -> io::Result<Content>;
}

/// The content of a spooled file.
pub type Content = Box<dyn AsRef<[u8]> + Send + Sync>;
