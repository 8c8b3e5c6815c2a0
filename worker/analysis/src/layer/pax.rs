//! PAX extended headers (POSIX.1-2001): records of `LENGTH KEY=VALUE\n` that override the next entry's header.

use super::sparse::Sparse;

/// What the records say of the next entry. A key whose value is empty leaves the header's own value.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// Sparse formats 0.0, 0.1 and 1.0 of GNU tar.
    pub(super) sparse: Option<Sparse>,
}

/// Parts of a sparse description, in whatever order they come.
#[derive(Default)]
struct SparseRecords {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    major: Option<u64>,
    seen: bool,
    offset: Option<u64>,
    map: Vec<(u64, u64)>,
}

/// Reads all records. The error is a sentence's end.
pub(super) fn read(mut bytes: &[u8]) -> Result<Records, &'static str> {
    let mut records = Records::default();
    let mut sparse = SparseRecords::default();
    while !bytes.is_empty() {
        let (key, value, rest) = record(bytes).ok_or("has a PAX record that is malformed")?;
        bytes = rest;
        if value.is_empty() {
            continue;
        }
        match key {
            b"path" => records.path = Some(name(value)?),
            b"linkpath" => records.link = Some(name(value)?),
            b"size" => records.size = Some(decimal(value).ok_or("has a PAX size that is no number")?),
            _ => {
                if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    sparse.read(key, value).ok_or("has a PAX sparse record that is malformed")?;
                }
            }
        }
    }
    sparse.finish(&mut records);
    Ok(records)
}

/// Decimal digits only.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// Splits off the first record: key, value, rest.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(bytes.get(..blank)?)?).ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let body = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    if equals == 0 {
        return None;
    }
    Some((body.get(..equals)?, body.get(equals + 1..)?, rest))
}

fn name(value: &[u8]) -> Result<Vec<u8>, &'static str> {
    if value.contains(&0) { Err("has a PAX name with a zero byte") } else { Ok(value.to_vec()) }
}

impl SparseRecords {
    fn read(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        self.seen = true;
        match key {
            b"name" => self.name = Some(name(value).ok()?),
            b"size" | b"realsize" => self.size = Some(decimal(value)?),
            b"major" => self.major = Some(decimal(value)?),
            b"offset" => self.offset = Some(decimal(value)?),
            b"numbytes" => self.map.push((self.offset.take()?, decimal(value)?)),
            b"map" => {
                let mut numbers = value.split(|byte| *byte == b',');
                while let Some(offset) = numbers.next() {
                    self.map.push((decimal(offset)?, decimal(numbers.next()?)?));
                }
            }
            _ => {}
        }
        Some(())
    }

    fn finish(self, records: &mut Records) {
        let Some(size) = self.size.filter(|_| self.seen) else { return };
        if let Some(name) = self.name {
            records.path = Some(name);
        }
        let map = if self.major == Some(1) { None } else { Some(self.map) };
        records.sparse = Some(Sparse { size, map });
    }
}

#[cfg(test)]
mod tests {
    use super::{decimal, read};

    #[test]
    fn records_override_and_malformed_ones_are_refused() {
        let records = read(b"12 path=a/b\n11 size=12\n12 comment=\n").unwrap();
        assert_eq!(records.path.as_deref(), Some(&b"a/b"[..]));
        assert_eq!(records.size, Some(12));
        assert!(records.sparse.is_none());
        for bad in
            [&b"12 path=a/b"[..], b"x path=a\n", b"99 path=a\n", b"8 path\n", b"9 path=\0\n", b"5 =x\n"]
        {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    /// Writes records with their lengths.
    fn records(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (key, value) in pairs {
            let rest = key.len() + value.len() + 3;
            let length = (rest..).find(|length| rest + length.to_string().len() == *length).unwrap();
            bytes.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
        }
        bytes
    }

    #[test]
    fn sparse_records() {
        let map = [("GNU.sparse.size", "99"), ("GNU.sparse.map", "0,5,90,9")];
        let pairs = [
            ("GNU.sparse.size", "99"),
            ("GNU.sparse.offset", "0"),
            ("GNU.sparse.numbytes", "5"),
            ("GNU.sparse.offset", "90"),
            ("GNU.sparse.numbytes", "9"),
        ];
        for old in [&map[..], &pairs] {
            let sparse = read(&records(old)).unwrap().sparse.unwrap();
            assert_eq!((sparse.size, sparse.map), (99, Some(vec![(0, 5), (90, 9)])));
        }
        let one = [("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "99"), ("GNU.sparse.name", "x")];
        let records = read(&records(&one)).unwrap();
        assert_eq!(records.path.as_deref(), Some(&b"x"[..]));
        assert_eq!(records.sparse.unwrap().map, None);
        assert_eq!(decimal(b"18446744073709551616"), None);
    }
}
