//! Archives made here byte by byte, and nonsense.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;

/// One member: name, type flag, link target, content.
pub(in crate::source::archive) fn member(name: &[u8], kind: u8, link: &[u8], content: &[u8]) -> Vec<u8> {
    let mut block = vec![0_u8; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..107].copy_from_slice(b"0000644");
    block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link);
    block[257..263].copy_from_slice(b"ustar\0");
    block[148..156].copy_from_slice(b"        ");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.extend_from_slice(content);
    block.resize(block.len().div_ceil(512) * 512, 0);
    block
}

fn index(bytes: &[u8]) -> Result<TarIndex, TarError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    TarIndex::read(&file, u64::try_from(bytes.len()).unwrap())
}

#[test]
fn members_links_and_long_names() {
    let long = format!("{}/layer.tar", "d".repeat(150));
    let record = format!(" path={long}\n");
    let pax = format!("{}{record}", record.len() + 3);
    assert_eq!(pax.len(), record.len() + 3);
    let bytes = [
        member(b"./a/", b'5', b"", b""),
        member(b"./a/layer.tar", b'0', b"", b"hello"),
        member(b"b/layer.tar", b'2', b"../a/layer.tar", b""),
        member(b"c/layer.tar", b'1', b"a/layer.tar", b""),
        member(b"x", b'x', b"", pax.as_bytes()),
        member(b"short", b'0', b"", b"pax"),
        member(b"L", b'L', b"", b"gnu/long\0"),
        member(b"short2", b'0', b"", b"gnu"),
        member(b"loop", b'2', b"loop", b""),
        member(b"dev", b'3', b"", b""),
        member(b"twice", b'0', b"", b"1"),
        member(b"twice", b'0', b"", b"2"),
        member(b"../../etc/passwd", b'0', b"", b"up"),
        vec![0; 1024],
    ]
    .concat();
    let index = index(&bytes).unwrap();
    for name in ["a/layer.tar", "./a/layer.tar", "b/layer.tar", "c/layer.tar"] {
        assert_eq!(index.find(name).unwrap(), Range { offset: 1024, size: 5 }, "{name}");
    }
    assert_eq!(index.find(&long).unwrap().size, 3);
    assert_eq!(index.find("gnu/long").unwrap().size, 3);
    assert_eq!(index.find("etc/passwd").unwrap().size, 2);
    for (name, want) in [
        ("loop", "leads nowhere"),
        ("dev", "no regular file"),
        ("twice", "there twice"),
        ("short", "no member short"),
        ("a", "no member a"),
    ] {
        let error = index.find(name).unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
    }
}

#[test]
fn what_is_no_tar_is_refused() {
    let whole = member(b"a", b'0', b"", &[1; 600]);
    let mut wrong = whole.clone();
    wrong[0] = b'b';
    let mut negative = member(b"a", b'0', b"", b"");
    negative[124] = 0xff;
    for (bytes, want) in [
        (&whole[..700], "truncated: a ends"),
        (&[whole.clone(), vec![1; 100]].concat()[..], "truncated: a header"),
        (&wrong[..], "wrong checksum"),
        (&negative[..], "wrong checksum"),
        (b"", "truncated"),
        (&[7; 2048], "wrong checksum"),
    ] {
        let error = index(bytes).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    assert!(index(&whole).is_ok(), "end blocks may be missing");
}

#[test]
fn numbers() {
    for (field, want) in [
        (&b"0000644\0"[..], Some(0o644)),
        (b"      5 ", Some(5)),
        (b"\0\0\0\0", Some(0)),
        (b"\x80\0\0\0\0\0\0\0\0\0\x01\0", Some(256)),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        (b"9", None),
        (b"-1", None),
    ] {
        assert_eq!(number(field), want, "{field:?}");
    }
}

proptest! {
    #[test]
    fn nonsense_never_panics(head in proptest::collection::vec(any::<u8>(), 0..1500), tail in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = index(&[&head[..], &member(b"x", b'x', b"", &tail), &member(b"f", b'0', b"", b"1")].concat());
        let _ = index(&[&member(b"x", b'x', b"", &tail)[..], &member(b"f", b'0', b"", b"1")].concat());
    }
}
