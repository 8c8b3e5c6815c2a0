//! Where the CPU time of a child of this program went, by the names of functions: perf(1) samples it from the moment at which its
//! layers are ready.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

/// What functions do, by what their names begin with or hold; the first that fits counts. The kernel's are in brackets.
const KINDS: [(&str, &[&str]); 5] = [
    ("decompression", &["zlib_rs", "flate2", "crc32", "ZSTD_", "HUF_", "FSE_", "XXH", "BIT_", "inflate"]),
    ("hashing", &["sha2", "sha256", "sha1", "sha512", "block_buffer"]),
    (
        "reading and copying",
        &[
            "memcpy",
            "memmove",
            "memset",
            "[copy_",
            "[_copy_",
            "[rep_movs",
            "recv",
            "[tcp_",
            "[sock_",
            "[skb",
            "bytes::",
            "ChunkReader",
        ],
    ),
    (
        "memory",
        &[
            "malloc",
            "_int_",
            "unlink_chunk",
            "cfree",
            "realloc",
            "[clear_page",
            "[asm_exc_page_fault",
            "page_fault",
            "alloc::",
        ],
    ),
    ("the kernel's own", &["["]),
];

/// Samples by kind, the most frequent first, and by name for those of no kind.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    all: u64,
    kinds: BTreeMap<&'static str, u64>,
    others: BTreeMap<String, u64>,
}

impl Shares {
    /// Runs the command, which says `ready` on its own stdout, waits for a line and then does what is measured. `None` where there
    /// is no perf, or it may not look.
    pub(crate) fn of(mut command: Command) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(said.next().unwrap().unwrap(), "ready");
        let made = Command::new("mkfifo").arg(at("control")).arg(at("answer")).status().unwrap();
        assert!(made.success(), "mkfifo");
        let perf = perf(&child, &at("samples"), &at("control"), &at("answer"));
        // Which also ends a child that nobody can look at.
        let Some(mut perf) = perf else {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        };
        writeln!(child.stdin.take().unwrap(), "go").unwrap();
        assert!(child.wait().unwrap().success());
        perf.wait().unwrap();
        let script = Command::new("perf")
            .args(["script", "-F", "ip,sym,dso", "-i"])
            .arg(at("samples"))
            .output()
            .unwrap();
        Some(Self::read(&String::from_utf8_lossy(&script.stdout)))
    }

    /// Of lines like `7f00aa name+0x12 (file)`.
    fn read(script: &str) -> Self {
        let mut shares = Self::default();
        for line in script.lines() {
            let Some((_, rest)) = line.trim().split_once(' ') else { continue };
            let (name, file) = rest.rsplit_once(" (").unwrap_or((rest, ""));
            let name =
                if file.contains("kernel") { format!("[{}]", name.trim()) } else { name.trim().to_owned() };
            shares.all += 1;
            let fits = |marks: &[&str]| marks.iter().any(|mark| name.contains(mark));
            match KINDS.iter().find(|(_, marks)| fits(marks)) {
                Some((kind, _)) => *shares.kinds.entry(kind).or_default() += 1,
                None => *shares.others.entry(name).or_default() += 1,
            }
        }
        shares
    }

    /// A line for each kind, and the ten functions of no kind that took most.
    pub(crate) fn lines(&self) -> Vec<String> {
        let percent = |samples: u64| 100.0 * samples as f64 / self.all.max(1) as f64;
        let of = |kind: &str| self.kinds.get(kind).copied().unwrap_or_default();
        let aim = KINDS.iter().take(3).map(|(kind, _)| of(kind)).sum();
        let mut lines = vec![format!(
            "decompression, hashing and reading: {:.1} % of the CPU, {} samples",
            percent(aim),
            self.all
        )];
        lines.extend(KINDS.iter().map(|(kind, _)| format!("  {kind}: {:.1} %", percent(of(kind)))));
        lines.push(format!("  all else: {:.1} %", percent(self.others.values().sum())));
        let mut others: Vec<_> = self.others.iter().collect();
        others.sort_by_key(|(_, samples)| std::cmp::Reverse(**samples));
        let most = others.into_iter().take(10);
        lines.extend(most.map(|(name, samples)| format!("    {name}: {:.1} %", percent(*samples))));
        lines
    }
}

/// Samples a process from now on, to its end.
fn perf(child: &Child, samples: &Path, control: &Path, answer: &Path) -> Option<Child> {
    let channel = format!("fifo:{},{}", control.display(), answer.display());
    let mut command = Command::new("perf");
    command
        .args(["record", "-q", "-F", "1999", "-D", "-1", "-p", &child.id().to_string(), "-o"])
        .arg(samples);
    let mut perf = command.args(["--control", &channel]).stderr(Stdio::null()).spawn().ok()?;
    // Opened for both, so that neither end waits for the other before it is there.
    let both = |path: &Path| -> File { OpenOptions::new().read(true).write(true).open(path).unwrap() };
    let (mut control, answer) = (both(control), both(answer));
    writeln!(control, "enable").unwrap();
    let mut answers = BufReader::new(answer).lines();
    loop {
        if perf.try_wait().unwrap().is_some() {
            return None;
        }
        // Once it runs it answers; where it ended meanwhile there would be no answer at all.
        if std::fs::metadata(samples).is_ok_and(|file| file.len() > 0) {
            let said = answers.next().unwrap().unwrap();
            assert!(said.contains("ack"), "{said}");
            return Some(perf);
        }
        std::thread::yield_now();
    }
}
