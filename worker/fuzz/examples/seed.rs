//! Writes the first corpus of every target below the given directory: `<directory>/<target>/<number>`.

use std::{env, fs, path::PathBuf};

use strata_worker_fuzz::{seeds, targets};

fn main() {
    let directory = PathBuf::from(env::args().nth(1).expect("the directory of the corpora"));
    for (name, _) in targets::TABLE {
        let corpus = directory.join(name);
        fs::create_dir_all(&corpus).expect("a corpus");
        for (number, seed) in seeds::of(name).into_iter().enumerate() {
            fs::write(corpus.join(format!("seed-{number:04}")), seed).expect("a seed");
        }
    }
}
