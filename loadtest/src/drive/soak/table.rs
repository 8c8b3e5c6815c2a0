//! Whether memory grows: the last third of the time against the one before, and the slope of both.

use std::fmt::Write as _;

use super::memory::Memory;

/// A process and its memory, oldest first.
pub(super) struct Watched {
    pub(super) name: String,
    pub(super) memory: Memory,
    /// Seconds since the start, and KiB.
    pub(super) samples: Vec<(u64, u64)>,
}

/// How much more the last third of the time may need than the middle one. The first third warms up: in it everything is in use
/// for the first time.
const FLAT: f64 = 1.10;

/// A line for each process, and whether all are flat.
pub(super) fn table(watched: &[Watched]) -> (String, bool) {
    let mut flat = true;
    let mut text = format!(
        "{:<16}{:>9}{:>9}{:>9}{:>11}{:>11}{:>8}{:>10}\n",
        "process (MiB)", "start", "end", "most", "2nd third", "3rd third", "ratio", "MiB/hour"
    );
    for process in watched {
        let third = process.samples.len() / 3;
        let middle = mean(process.samples.iter().skip(third).take(third));
        let late = mean(process.samples.iter().skip(2 * third));
        let ratio = if middle > 0.0 { late / middle } else { f64::INFINITY };
        let good = ratio <= FLAT;
        flat &= good;
        let mib = |sample: Option<&(u64, u64)>| sample.map_or(0.0, |(_, kib)| *kib as f64 / 1024.0);
        let _ = writeln!(
            text,
            "{:<16}{:>9.1}{:>9.1}{:>9.1}{:>11.1}{:>11.1}{:>8.3}{:>10.2}  {}",
            process.name,
            mib(process.samples.first()),
            mib(process.samples.last()),
            mib(process.samples.iter().max_by_key(|(_, kib)| kib)),
            middle / 1024.0,
            late / 1024.0,
            ratio,
            slope(process.samples.get(third..).unwrap_or_default()) * 3_600.0 / 1024.0,
            if good { "flat" } else { "GROWS" },
        );
    }
    (text, flat)
}

fn mean<'a>(samples: impl Iterator<Item = &'a (u64, u64)>) -> f64 {
    let (sum, count) = samples.fold((0_u64, 0_u64), |(sum, count), (_, kib)| (sum + kib, count + 1));
    sum as f64 / count.max(1) as f64
}

/// KiB a second, by least squares.
fn slope(samples: &[(u64, u64)]) -> f64 {
    let count = samples.len().max(1) as f64;
    let (at, size) = samples
        .iter()
        .fold((0.0, 0.0), |(at, size), (second, kib)| (at + *second as f64, size + *kib as f64));
    let (at, size) = (at / count, size / count);
    let (mut above, mut below) = (0.0, 0.0);
    for (second, kib) in samples {
        let apart = *second as f64 - at;
        above += apart * (*kib as f64 - size);
        below += apart * apart;
    }
    if below > 0.0 { above / below } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(size: impl Fn(u64) -> u64) -> Watched {
        let samples = (0..30).map(|at| (at * 2, size(at))).collect();
        Watched { name: "x".to_owned(), memory: Memory::Resident(0), samples }
    }

    #[test]
    fn what_grows_is_found_and_warming_up_is_no_growth() {
        let warm = process(|at| if at < 10 { at * 100 } else { 1_000 });
        let leak = process(|at| 1_000 + at * 50);
        let shrinks = process(|at| 5_000 - at * 50);
        assert!(table(&[warm, shrinks]).1);
        let (text, flat) = table(&[leak]);
        assert!(!flat && text.contains("GROWS"), "{text}");
        assert!(!table(&[process(|_| 0)]).1, "nothing was measured");
    }

    #[test]
    fn the_slope_is_that_of_the_line() {
        for (size, expected) in
            [(&[(0, 5), (2, 5), (4, 5)][..], 0.0), (&[(0, 1), (2, 5), (4, 9)], 2.0), (&[], 0.0)]
        {
            assert!((slope(size) - expected).abs() < 1e-9, "{size:?}");
        }
    }
}
