//! One input file, read: what the builder takes, and what `strata db update` keeps of a file that has not changed, so that only
//! changed files are read again. A part says in its first bytes by which build it was written; any other reads the file again.
//!
//! ```text
//! SHA-256 [32] of what follows    zstd of: heading text, records
//! record: name text, 0 and the reason why there is none, or 1 and the advisory
//! ```

mod decode;
mod encode;

use std::io::BufRead;

use rayon::prelude::*;

use super::{
    compact::{self, Prepared},
    source::Source,
};

/// Written into each part: raised when a reader or the encoding changes what a part holds.
const HEADING: &str = concat!("strata part 1, ", env!("CARGO_PKG_VERSION"));

/// A record's name, and the record or why there is none.
type Read = (String, Result<Prepared, String>);

/// The records of one file, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    pub(super) records: Vec<Read>,
}

impl Part {
    /// No record yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Records of it, those that cannot be read included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Adds records in OSV's JSON: (name, JSON). All cores read them; their order stays.
    pub fn add_batch(&mut self, records: &[(&str, &[u8])]) {
        let prepare = |(name, json): &(&str, &[u8])| ((*name).to_owned(), compact::prepare(json));
        self.records.par_extend(records.par_iter().map(prepare));
    }

    /// Adds a whole file of a source; `name` is the file's. Where it breaks off, that is a record of its own that cannot be
    /// read: what came before stays.
    pub fn add_file(&mut self, source: &Source, name: &str, input: &mut dyn BufRead) {
        let records = &mut self.records;
        let broken = source.read(input, name, &mut |own, record| {
            let name = if own.is_empty() { name.to_owned() } else { format!("{name}/{own}") };
            let prepared = record.map(|record| {
                // A record that was not JSON of its own is told from other versions of it by all that it says.
                let content = format!("{record:?}");
                compact::prepare_record(record, source.name, content.as_bytes())
            });
            records.push((name, prepared));
        });
        if let Err(reason) = broken {
            self.records.push((name.to_owned(), Err(format!("the rest of the file: {reason}"))));
        }
    }

    /// The part as bytes that [`Self::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode::encode(HEADING, &self.records)
    }

    /// Reads bytes that [`Self::encode`] made. `None` when they are damaged or of another build.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        decode::decode(HEADING, bytes).map(|records| Self { records })
    }
}

#[cfg(test)]
mod tests {
    use super::Part;
    use crate::database::Builder;

    const RECORDS: [&str; 3] = [
        r#"{"id": "GHSA-aaaa-bbbb-cccc", "modified": "2024-01-02T03:04:05Z", "aliases": ["CVE-2024-1"], "summary": "One",
            "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            "affected": [{"package": {"ecosystem": "npm", "name": "a"}, "versions": ["0.1.0"], "ranges": [{"type": "SEMVER",
            "events": [{"introduced": "1.0.0"}, {"last_affected": "1.2.0"}, {"introduced": "2.0.0"}, {"limit": "3.0.0"}]}]}]}"#,
        r#"{"id": "ALSA-1", "withdrawn": "2024-01-02T03:04:05Z", "affected": [{"package": {"ecosystem": "AlmaLinux:8",
            "name": "b"}, "ecosystem_specific": {"urgency": "low"}, "ranges": [{"type": "ODD"}, {"type": "GIT"}, {"type": "ECOSYSTEM",
            "events": [{"introduced": "0"}, {"fixed": "1-1.module_el8"}]}]}]}"#,
        "no JSON",
    ];

    fn part() -> Part {
        let mut part = Part::new();
        part.add_batch(&RECORDS.map(|json| ("name", json.as_bytes())));
        part
    }

    #[test]
    fn parts_survive_the_round_trip() {
        let part = part();
        assert_eq!(part.records[2].1.as_ref().map_err(|reason| reason.starts_with("not JSON")), Err(true));
        assert_eq!(Part::decode(&part.encode()), Some(part.clone()));
        let built = |part| {
            let mut builder = Builder::new();
            builder.add_part(part);
            let built = builder.finish().unwrap();
            (built.bytes, built.statistics)
        };
        let again = Part::decode(&part.encode()).unwrap();
        assert_eq!(built(part), built(again));
    }

    #[test]
    fn what_was_changed_or_cut_off_is_no_part() {
        let bytes = part().encode();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Part::decode(&changed), None, "{at}");
            assert_eq!(Part::decode(&bytes[..at]), None, "{at}");
        }
        assert_eq!(super::decode::decode("another build", &bytes), None);
    }
}
