//! What processes use: memory and processor time, as the kernel counts them (`proc(5)`).

use std::{fs, path::Path, time::Duration};

use anyhow::Context as _;

/// Clock ticks of a second: the same on every Linux that there is for us.
const TICKS: u64 = 100;

/// Resident memory of a process now, in KiB.
pub(crate) fn resident(pid: u32) -> anyhow::Result<u64> {
    status(pid, "VmRSS:")
}

/// The most that it ever was, in KiB.
pub(crate) fn most_resident(pid: u32) -> anyhow::Result<u64> {
    status(pid, "VmHWM:")
}

/// The most that this process ever was begins again from what it is now (`proc_pid_clear_refs(5)`).
pub(crate) fn forget_most_resident() -> anyhow::Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("begin to count memory again")
}

/// Processor time so far of one thread, whose directory below `/proc` this is.
pub(crate) fn processor_of_thread(directory: &Path) -> anyhow::Result<Duration> {
    let text = fs::read_to_string(directory.join("schedstat")).context("look at a thread")?;
    let nanoseconds = text.split_whitespace().next().and_then(|number| number.parse().ok());
    nanoseconds.map(Duration::from_nanos).context("read a thread's time")
}

/// Processor time so far of all threads that a process has now, finer than [`processor`] tells.
pub(crate) fn processor_of_threads(pid: u32) -> anyhow::Result<Duration> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).context("look at a process's threads")?;
    // One that ends meanwhile is not counted.
    Ok(threads.flatten().filter_map(|thread| processor_of_thread(&thread.path()).ok()).sum())
}

/// Resident memory that it shares with no other, in KiB.
pub(crate) fn private(pid: u32) -> anyhow::Result<u64> {
    status(pid, "RssAnon:")
}

/// Resident memory of its mappings of deleted files of that many bytes, in KiB: such is the database that a worker maps.
pub(crate) fn mapped(pid: u32, bytes: u64) -> anyhow::Result<u64> {
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).context("look at a process's mappings")?;
    Ok(mapped_in(&maps, bytes))
}

/// See `proc_pid_smaps(5)`: a line with the range and the file's name, then its figures.
fn mapped_in(maps: &str, bytes: u64) -> u64 {
    const PAGE: u64 = 4096;
    let (mut is_it, mut sum) = (false, 0);
    for line in maps.lines() {
        let range = line.split_whitespace().next().and_then(|range| range.split_once('-'));
        let ends = range.and_then(|(from, to)| {
            Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
        });
        if let Some((from, to)) = ends {
            is_it = line.ends_with(" (deleted)") && to.saturating_sub(from) == bytes.next_multiple_of(PAGE);
        } else if let Some(rss) = line.strip_prefix("Rss:").filter(|_| is_it) {
            sum += rss.trim().trim_end_matches("kB").trim().parse().unwrap_or(0);
        }
    }
    sum
}

fn status(pid: u32, field: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("look at a process")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("find its memory")?;
    line.trim().trim_end_matches("kB").trim().parse().context("read its memory")
}

/// Processor time of a process so far, user and system.
pub(crate) fn processor(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("look at a process")?;
    // Its name is in parentheses and may hold anything: user and system time are the 14th and 15th fields.
    let (_, after) = stat.rsplit_once(')').context("read a process's state")?;
    let times = after.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = times.collect::<Result<Vec<_>, _>>().context("read a process's times")?.iter().sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}

/// The same with all its children, also those that it waited for: a server that gives each connection a process.
pub(crate) fn processor_of_family(pid: u32) -> anyhow::Result<Duration> {
    let mut ticks = fields(pid)?.iter().skip(11).take(4).sum::<u64>();
    for entry in fs::read_dir("/proc").context("look at all processes")? {
        let name = entry.context("look at all processes")?.file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // One that ended meanwhile is in its parent's sum the next time.
        let Ok(fields) = fields(child) else { continue };
        if fields.get(1) == Some(&u64::from(pid)) {
            ticks += fields.iter().skip(11).take(2).sum::<u64>();
        }
    }
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}

/// What follows a process's name: its state as 0, its parent, and so on. Negative numbers are 0 as well.
fn fields(pid: u32) -> anyhow::Result<Vec<u64>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("look at a process")?;
    let (_, after) = stat.rsplit_once(')').context("read a process's state")?;
    Ok(after.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_of_one_size() {
        let maps = "\
7f00-8f00 r--s 00000000 fe:00 12  /tmp/#12 (deleted)
Size:                  4 kB
Rss:                   3 kB
7f0000000000-7f0000003000 r--s 00000000 fe:00 13  /tmp/#13 (deleted)
Rss:                   8 kB
Pss:                   8 kB
7f0000004000-7f0000007000 r-xp 00000000 fe:00 14  /lib/some.so
Rss:                  12 kB
";
        for (bytes, kib) in [(4096, 3), (8193, 8), (12_288, 8), (12_289, 0), (0, 0)] {
            assert_eq!(mapped_in(maps, bytes), kib, "{bytes}");
        }
    }

    #[test]
    fn this_process() {
        let pid = std::process::id();
        let resident = resident(pid).expect("memory");
        assert!(resident > 0 && most_resident(pid).expect("memory") >= resident);
        // In this order: time goes on meanwhile.
        let alone = processor(pid).expect("time");
        assert!(processor_of_family(pid).expect("time") >= alone);
        assert!(processor(0).is_err());
        forget_most_resident().expect("a file of its own");
        let own = fs::read_link("/proc/thread-self").expect("a name");
        let thread = processor_of_thread(&Path::new("/proc").join(own)).expect("time");
        assert!(thread > Duration::ZERO && thread < Duration::from_secs(3600));
        assert!(processor_of_threads(pid).expect("time") >= thread && processor_of_threads(0).is_err());
    }
}
