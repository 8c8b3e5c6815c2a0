//! Writes the first corpus of every target below the given directory: `<directory>/<target>/<number>`. Further arguments
//! are directories of other files, real package databases say, that become seeds wherever a target can use them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use strata_analysis::ecosystem;
use strata_analysis_fuzz::{seeds, targets};

/// Larger files make a fuzzer slow.
const MOST: u64 = 512 << 10;

fn main() {
    let mut arguments = env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("the directory of the corpora"));
    for (name, _) in targets::TABLE {
        let corpus = directory.join(name);
        fs::create_dir_all(&corpus).expect("a corpus");
        for (number, seed) in seeds::of(name).into_iter().enumerate() {
            fs::write(corpus.join(format!("seed-{number:04}")), seed).expect("a seed");
        }
    }
    let mut count = 0;
    for root in arguments {
        foreign(Path::new(&root), Path::new(&root), &directory, &mut count);
    }
}

fn foreign(root: &Path, at: &Path, directory: &Path, count: &mut usize) {
    for entry in fs::read_dir(at).expect("a directory") {
        let entry = entry.expect("an entry");
        let (path, meta) = (entry.path(), entry.metadata().expect("its size"));
        if meta.is_dir() {
            foreign(root, &path, directory, count);
        } else if meta.is_file() && meta.len() <= MOST {
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            for (target, seed) in uses(&name, &fs::read(&path).expect("a file")) {
                *count += 1;
                fs::write(directory.join(target).join(format!("foreign-{count:05}")), seed).expect("a seed");
            }
        }
    }
}

/// What a file from elsewhere is a seed of: the target's name and the seed.
fn uses(path: &str, content: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let name = path.rsplit('/').next().expect("a name");
    let candidate = ecosystem::Candidate { path, name, size: content.len() as u64, executable: true };
    let mut seeds = Vec::new();
    for family_name in seeds::FAMILIES {
        for (number, row) in seeds::family(family_name).into_iter().enumerate() {
            let place = seeds::paths(row.name).iter().position(|known| known.ends_with(name));
            if place.is_some() || (row.wants)(candidate) == ecosystem::Want::Whole {
                seeds.push((*family_name, seeds::file(number, place.unwrap_or(0), content)));
            }
        }
    }
    if content.get(257..262) == Some(b"ustar") || content.starts_with(b"\x1f\x8b") {
        seeds.push(("layer", content.to_vec()));
    }
    seeds
}
