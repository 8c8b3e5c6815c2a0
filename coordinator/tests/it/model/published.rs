//! Databases that are texts.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    path::Path,
    sync::Arc,
};

use strata_coordinator::{
    databases::Publisher,
    ports::{DatabaseInfo, Databases, Inspector},
};
use strata_proto::outline::Outline;

/// A publisher that takes every file for a database: its name is its text.
pub(crate) fn databases(databases: impl Databases + 'static) -> Publisher {
    struct Text;
    impl Inspector for Text {
        fn inspect(&self, mut file: &File, _: &Path) -> Result<DatabaseInfo, String> {
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(|error| error.to_string())?;
            let mut words = text.split(' ').map(str::to_owned);
            let (digest, modified) =
                words.next().zip(words.next()).ok_or(format!("`{text}` is no database"))?;
            Ok(DatabaseInfo { digest, modified, size: text.len() as u64 })
        }
        fn scheme(&self) -> Option<u32> {
            Some(1)
        }
        /// The third word: a hash for each key, `1=7,2=9`.
        fn outline(&self, mut file: &File, _: &Path) -> Result<Outline, String> {
            let mut text = String::new();
            let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
            read.map_err(|error| error.to_string())?;
            let pairs = text.split(' ').nth(2).ok_or("it says nothing")?.split(',');
            let entries = pairs.filter_map(|pair| pair.split_once('='));
            let entries = entries.map(|(key, hash)| Some((key.parse().ok()?, hash.parse().ok()?)));
            Ok(Outline { scheme: 1, entries: entries.collect::<Option<_>>().ok_or("no numbers")? })
        }
    }
    Publisher::new(Arc::new(databases), Arc::new(Text), std::env::temp_dir(), 100)
}
