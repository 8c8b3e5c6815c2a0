//! How reports are compressed. A stored report is zstd over the encoded message, and so is a parcel's.

use std::io::Read as _;

use prost::Message as _;
use strata_proto::{
    content,
    outline::MOST_ASKED_BYTES,
    v1::{Parcel, Report},
};

use super::content::Content;

/// Upper limit of one report's encoded size in bytes: some hundred thousand packages.
pub const MOST_BYTES: u64 = 256 << 20;
const LEVEL: i32 = 3;

/// A report that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BadReport {
    /// Not zstd, or cut short.
    #[error("decompress a report: {0}")]
    Compression(#[from] std::io::Error),
    /// Not a report's encoding.
    #[error("decode a report: {0}")]
    Encoding(#[from] prost::DecodeError),
    /// Not what was put down.
    #[error("read a parcel: it is damaged")]
    Damaged,
    /// More than [`MOST_BYTES`].
    #[error("decompress a report: it has more than {MOST_BYTES} bytes")]
    TooLarge,
}

/// Encodes and compresses a report.
///
/// # Errors
/// When the compressor fails, for want of memory.
pub fn pack(report: &Report) -> Result<Vec<u8>, BadReport> {
    Ok(zstd::bulk::compress(&report.encode_to_vec(), LEVEL)?)
}

/// Reads what [`pack`] wrote.
///
/// # Errors
/// When the bytes are no compressed report, or one that is larger than [`MOST_BYTES`].
pub fn unpack(bytes: &[u8]) -> Result<Report, BadReport> {
    let mut plain = Vec::new();
    zstd::stream::read::Decoder::new(bytes)?.take(MOST_BYTES + 1).read_to_end(&mut plain)?;
    if u64::try_from(plain.len()).map_or(true, |length| length > MOST_BYTES) {
        return Err(BadReport::TooLarge);
    }
    Ok(Report::decode(plain.as_slice())?)
}

/// Reads a parcel. What a worker of this version put together is taken as it is: the report itself is not looked at.
///
/// # Errors
/// As [`unpack`]; [`BadReport::Damaged`] when the report is not the one that was put down.
pub fn open_parcel(bytes: &[u8]) -> Result<Content, BadReport> {
    let Parcel { report_zstd, asked, content_length, content_key, summary, vulnerabilities, packages } =
        Parcel::decode(bytes)?;
    let asked = Some(asked).filter(|asked| (1..=MOST_ASKED_BYTES).contains(&asked.len()));
    let (Some(summary), 1..) = (summary, content_length) else {
        return Content::of(unpack(&report_zstd)?, asked);
    };
    let mut body = report_zstd;
    let length = usize::try_from(content_length).ok().filter(|length| *length <= body.len());
    body.truncate(length.ok_or(BadReport::Damaged)?);
    let key = content::key(&body, asked.as_deref().unwrap_or_default());
    if content_key != key {
        return Err(BadReport::Damaged);
    }
    let mut content = Content { body, asked, summary, vulnerabilities, packages, key };
    content.tidy();
    Ok(content)
}

#[cfg(test)]
mod tests {
    use strata_proto::v1::{Package, ReportSummary};

    use super::*;

    fn report() -> Report {
        Report {
            image_digest: "sha256:image".to_owned(),
            database_digest: "sha256:database".to_owned(),
            database_modified: "2026-01-01".to_owned(),
            packages: vec![Package { name: "zlib".to_owned(), ..Package::default() }],
            ..Report::default()
        }
    }

    /// As workers put them together.
    fn parcel() -> Parcel {
        let Content { body, asked, summary, vulnerabilities, packages, key } =
            Content::of(report(), Some(b"asked".to_vec())).expect("packed");
        let content_length = u64::try_from(body.len()).expect("a length");
        let database = pack(&content::take_database(&mut report())).expect("packed");
        Parcel {
            report_zstd: [body, database].concat(),
            asked: asked.unwrap_or_default(),
            content_length,
            content_key: key.to_vec(),
            summary: Some(summary),
            vulnerabilities,
            packages,
        }
    }

    #[test]
    fn a_parcel_is_the_same_whoever_put_it_together() {
        let want = Content::of(report(), Some(b"asked".to_vec())).expect("packed");
        assert_eq!(open_parcel(&parcel().encode_to_vec()).expect("opened"), want);
        let whole = pack(&report()).expect("packed");
        for report_zstd in [whole, parcel().report_zstd] {
            let earlier = Parcel { report_zstd, asked: b"asked".to_vec(), ..Parcel::default() };
            assert_eq!(open_parcel(&earlier.encode_to_vec()).expect("opened"), want);
        }
    }

    #[test]
    fn what_only_the_archive_knows_is_taken_from_no_parcel() {
        let mut told = parcel();
        if let Some(summary) = &mut told.summary {
            *summary = ReportSummary {
                report_id: "another".to_owned(),
                references: vec!["r.example/a:1".to_owned()],
                number: 7,
                ..summary.clone()
            };
        }
        told.packages.extend(told.packages.clone());
        let want = open_parcel(&parcel().encode_to_vec()).expect("opened");
        assert_eq!(open_parcel(&told.encode_to_vec()).expect("opened"), want);
    }

    #[test]
    fn what_was_changed_on_the_way_is_damaged() {
        type Edit = fn(&mut Parcel);
        let edits: [Edit; 5] = [
            |parcel| parcel.content_length += 1,
            |parcel| parcel.content_length = u64::MAX,
            |parcel| parcel.report_zstd.reverse(),
            |parcel| parcel.asked.push(0),
            |parcel| parcel.content_key.clear(),
        ];
        for edit in edits {
            let mut changed = parcel();
            edit(&mut changed);
            let opened = open_parcel(&changed.encode_to_vec());
            assert!(matches!(opened, Err(BadReport::Damaged)), "{opened:?}");
        }
        assert!(open_parcel(&Parcel::default().encode_to_vec()).is_err(), "nothing is no report");
    }
}
