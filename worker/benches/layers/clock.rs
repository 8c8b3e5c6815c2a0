//! Time on the wall and on the processors.

use std::{fs, time::Instant};

/// Seconds of both kinds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Took {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

/// Measures one piece of work of this process, all its threads counted.
pub(crate) fn took<T>(work: impl FnOnce() -> T) -> (Took, T) {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let value = work();
    (Took { wall: start.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu }, value)
}

/// proc(5), `/proc/self/stat`: fields 14 and 15 in ticks, of which Linux shows 100 a second on every platform that we build for.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    [11, 12].iter().map(|at| fields.get(*at).unwrap().parse::<f64>().unwrap() / 100.0).sum()
}
