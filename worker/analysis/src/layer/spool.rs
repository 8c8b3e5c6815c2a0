//! Where wanted files wait that are too large for memory. The core opens no file: its caller may lend it a place.

use std::io;

/// A place for large files, lent by the caller: an unlinked temporary file, read back as mapped bytes.
pub trait Spool: Sync {
    /// Starts an empty file.
    ///
    /// # Errors
    /// When there is no room for it.
    fn create(&self) -> io::Result<Box<dyn SpoolFile>>;
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
