use super::{Outline, joined};
use crate::database::{
    Database,
    build::tests::{compile, simple},
};

#[test]
fn keys_that_share_their_bits_share_their_hash() {
    let together = joined(vec![(7, 1), (9, 3), (7, 2)]);
    assert_eq!((together.len(), together[0].0, together[1]), (2, 7, (9, 3)));
    assert_eq!(joined(vec![(7, 2), (7, 1)]), together[..1], "in any order");
    for other in [vec![(7, 1)], vec![(7, 1), (7, 3)], vec![(7, 1), (7, 2), (7, 2)]] {
        assert_ne!(joined(other)[0], together[0]);
    }
}

#[test]
fn an_outline_does_not_depend_on_what_else_is_in_the_file() {
    let one = |fixed: &str| simple("CVE-2024-1", "npm", "a", fixed);
    // Numbers of texts, advisories and flaws are others in the larger file.
    let more = [simple("CVE-2020-1", "npm", "0", "9.9"), simple("CVE-2024-2", "PyPI", "a", "1.0.0")];
    let small = compile(&[one("1.0.0")]);
    let large = compile(&[more[0].clone(), one("1.0.0"), more[1].clone()]);
    let fixed = compile(&[more[0].clone(), one("1.0.1"), more[1].clone()]);
    let entries =
        |bytes: &[u8]| Outline::of(&Database::open(bytes).expect("whole")).expect("readable").entries;
    let (small, large, fixed) = (entries(&small), entries(&large), entries(&fixed));
    assert!(large.is_sorted_by(|a, b| a.0 < b.0));
    assert!(small.iter().all(|entry| large.contains(entry)), "the smaller file's are in the larger one's");
    let differ: Vec<_> = large.iter().zip(&fixed).filter(|(a, b)| a != b).collect();
    assert_eq!((large.len(), fixed.len(), differ.len()), (small.len() + 3, small.len() + 3, 1));
}
