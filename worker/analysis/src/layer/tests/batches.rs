//! Layers with more wanted files than are parsed at once.

use super::{limits::MemorySpool, manifest, packages};
use crate::{
    layer::{index, index_with},
    limits::Limits,
    model::Inventory,
    testing::Archive,
};

/// Small files, larger ones and a few that have memory of their own; the first path comes again at the end.
fn many() -> Vec<u8> {
    let mut archive = Archive::default();
    for number in 0..2_500 {
        let room = match number % 500 {
            7 => 3 << 20,
            number if number % 50 == 9 => 90 << 10,
            _ => 0,
        };
        let content = manifest(&format!("p{number:04}")) + &" ".repeat(room);
        archive = archive.file(&format!("d{number:04}/package.json"), content);
    }
    archive.file("d0000/package.json", manifest("again")).file("e/package.json", "no manifest").end()
}

/// What waits for nobody: a pool of one thread, on which everything is parsed where it was found.
fn in_one_thread(tar: &[u8], limits: &Limits) -> Inventory {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| index(&mut &*tar, limits)).unwrap()
}

#[test]
fn the_inventory_does_not_depend_on_who_parses() {
    let tar = many();
    let limits = Limits::default();
    let expected = in_one_thread(&tar, &limits);
    let names = packages(&expected);
    assert_eq!(names.len(), 2_500);
    assert_eq!(names.first().unwrap(), "d0000/package.json again");
    assert_eq!(names.last().unwrap(), "d2499/package.json p2499");
    assert_eq!(expected.problems.len(), 1);
    for _ in 0..3 {
        assert_eq!(index(&mut &*tar, &limits).unwrap(), expected);
    }
    let spool = MemorySpool::default();
    assert_eq!(index_with(&mut &*tar, &limits, &spool).unwrap(), expected);
    assert_eq!((spool.created(), spool.lent()), (0, 5));
    let tight = Limits { budget_bytes: 4 << 20, ..limits };
    assert_eq!(index_with(&mut &*tar, &tight, &MemorySpool::default()).unwrap(), expected);
}

#[test]
fn what_is_left_out_does_not_depend_on_who_parses() {
    let tar = many();
    let limits = Limits { packages: 700, ..Limits::default() };
    let expected = in_one_thread(&tar, &limits);
    // The first path is replaced at the end, before or after its first content has taken room.
    assert!((699..=700).contains(&packages(&expected).len()));
    for _ in 0..3 {
        assert_eq!(index(&mut &*tar, &limits).unwrap(), expected);
    }
}
