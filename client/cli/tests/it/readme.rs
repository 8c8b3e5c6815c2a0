//! The README's commands. A block of shell commands says by the mark before it how it is tested: `run` executes it line by
//! line with stand-ins for the registry; `parse` is for what needs a network or a machine of one's own: every command of
//! `strata` there, and in every other block of commands, must be one that the executable takes.

use std::{fs, process::Command};

use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage},
    registry::Options,
};
use tempfile::TempDir;

use crate::{
    black_box::{Beside, serve},
    servers::{self, free_port, skipped},
    strata::{Run, User, root},
};

/// One block of commands.
#[derive(Debug)]
struct Block {
    /// What the mark says: `run laptop`, `parse`; empty where there is none.
    mark: String,
    lines: Vec<String>,
}

impl Block {
    fn verb(&self) -> &str {
        self.mark.split(' ').next().unwrap_or_default()
    }
}

/// Every block that is fenced as shell, with its mark, and every indented one that holds a command of ours.
fn blocks() -> Vec<Block> {
    let text = fs::read_to_string(root().join("README.md")).expect("README.md");
    let (mut blocks, mut mark, mut fenced, mut indented) = (Vec::new(), String::new(), None, Vec::new());
    for line in text.lines() {
        if let Some(lines) = &mut fenced {
            match line {
                "```" => {
                    let lines = fenced.take().expect("open");
                    blocks.push(Block { mark: std::mem::take(&mut mark), lines });
                }
                line => Vec::push(lines, line.to_owned()),
            }
            continue;
        }
        if let Some(command) = line.strip_prefix("    ") {
            indented.push(command.to_owned());
            continue;
        }
        if !indented.is_empty() {
            blocks.push(Block { mark: "parse".to_owned(), lines: std::mem::take(&mut indented) });
        }
        if let Some(said) = line.strip_prefix("<!-- test: ").and_then(|rest| rest.strip_suffix(" -->")) {
            said.clone_into(&mut mark);
        } else if line == "```sh" {
            fenced = Some(Vec::new());
        }
    }
    assert!(fenced.is_none(), "a block does not end");
    blocks
}

/// The words of a line as a shell has them: quotes go, and what follows a `#`, a pipe, an `&` or a `>` is another matter.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '#' | '|' | '&' | ';' | ')' | '>') if word.is_empty() || c != '#' => break,
            (None, ' ') => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            (_, c) => word.push(c),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// The grammar, where what a variable may say need not be said.
fn grammar() -> clap::Command {
    fn eased(command: clap::Command) -> clap::Command {
        let eased_arg = |arg: clap::Arg| if arg.get_env().is_some() { arg.required(false) } else { arg };
        command.mut_args(eased_arg).mut_subcommands(eased)
    }
    eased(strata_cli::config::grammar())
}

#[test]
fn every_command_in_the_readme_is_one() {
    let mut seen = 0;
    for block in blocks() {
        assert!(
            ["run", "parse"].contains(&block.verb()),
            "a block of commands says how it is tested: {block:?}"
        );
        for line in &block.lines {
            let command = line.trim_start_matches("scan=$(");
            if !command.starts_with("strata ") {
                continue;
            }
            if let Err(error) = grammar().try_get_matches_from(words(command)) {
                // Which server is what a variable may say.
                let said = error.to_string();
                assert!(said.contains("not provided:\n  --server <URL>\n"), "README.md: `{line}`: {said}");
            }
            seen += 1;
        }
    }
    assert!(seen > 15, "only {seen} commands were found");
}

/// `team/app:1` with an old lodash, at the place of `registry.example:5000`.
fn registry() -> Beside {
    let mut fixed = Fixed::new();
    let lodash = br#"{"name":"lodash","version":"4.17.4"}"#;
    let files: [(&str, &[u8]); 2] = [
        ("etc/os-release", b"ID=debian\nVERSION_ID=\"12\"\n"),
        ("app/node_modules/lodash/package.json", lodash),
    ];
    let layers = [Blob::of_files(&files, Compression::Gzip).expect("a layer")];
    fixed.image(&FixedImage {
        repository: "team/app",
        tag: "1",
        layers: &layers,
        arch: Arch::Amd64,
        docker: false,
    });
    serve(fixed, Options::default())
}

/// Runs the block of that name line by line in a directory of its own; the exit code, and all that was said.
fn run(
    name: &str,
    user: &User,
    prepare: impl FnOnce(&Beside, &TempDir),
    environment: &[(&str, &str)],
) -> Run {
    let marked = |block: &Block| block.verb() == "run" && block.mark.split(' ').nth(1) == Some(name);
    let block =
        blocks().into_iter().find(marked).unwrap_or_else(|| panic!("README.md has no block `run {name}`"));
    let (beside, place) = (registry(), TempDir::new().expect("a directory"));
    prepare(&beside, &place);
    let address = environment.iter().find(|(name, _)| *name == "STRATA_LISTEN").map(|(_, address)| *address);
    let port = address.and_then(|address| address.rsplit(':').next()).unwrap_or_default();
    let mut script = String::from("set -euo pipefail\n");
    for line in &block.lines {
        let line = line
            .replace("registry.example:5000", &beside.registry.host())
            .replace("127.0.0.1:7400", address.unwrap_or("127.0.0.1:7400"))
            .replace("deploy/dev/", &format!("{}/deploy/dev/", root().display()));
        script.push_str(&format!("echo \"+ {}\" >&2\n{line}\n", line.replace(['"', '$', '`', '\\'], "'")));
        if line.starts_with("strata coordinator") {
            // A person does not type faster than it starts.
            script.push_str(&format!(
                "for i in $(seq 600); do (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.1; done\n"
            ));
        }
    }
    let executable = std::path::Path::new(env!("CARGO_BIN_EXE_strata")).parent().expect("a directory");
    let path = format!("{}:{}", executable.display(), std::env::var("PATH").unwrap_or_default());
    let mut command: Command = user.command(&[]);
    let set: Vec<_> =
        command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    command = Command::new("bash");
    command.env_clear().envs(set.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let end = "trap 'kill -KILL $(jobs -p) 2>/dev/null || true; wait || true' EXIT\n";
    command.args(["-c", &format!("{end}{script}")]).current_dir(place.path()).env("PATH", path);
    Run::of(servers::output(command.envs(environment.iter().copied())))
}

#[test]
fn the_laptops_quick_start_runs() {
    let user = User::new();
    let archives = |beside: &Beside, place: &TempDir| {
        for (to, name) in [("docker-archive", "image.tar"), ("oci", "layout:1")] {
            let copied = Command::new("skopeo")
                .args(["--insecure-policy", "copy", "-q", "--src-tls-verify=false"])
                .arg(format!("docker://{}/team/app:1", beside.registry.host()))
                .arg(format!("{to}:{}/{name}", place.path().display()))
                .output()
                .expect("install Debian's package skopeo");
            assert!(copied.status.success(), "skopeo: {}", String::from_utf8_lossy(&copied.stderr));
        }
    };
    let run = run("laptop", &user, archives, &[]);
    run.expect(0, &["+ strata scan", "CVE-2019-10744", "1 enumerated", "reports"]);
}

#[test]
fn the_pipelines_quick_start_runs_and_fails_as_it_should() {
    let user = User::new();
    let run = run("pipeline", &user, |_, _| (), &[]);
    run.expect(1, &["+ strata scan", "CVE-2019-10744"]);
}

#[test]
fn the_clusters_quick_start_runs() {
    if skipped("the README's cluster") {
        return;
    }
    let user = User::new();
    let directory = TempDir::new().expect("a directory");
    let ports = [free_port(), free_port(), free_port(), free_port()].map(|port| port.to_string());
    let [listen, nats, redis, postgres] = ports.each_ref();
    let address = format!("127.0.0.1:{listen}");
    let place = directory.path().display().to_string();
    let environment = [
        ("STRATA_LISTEN", address.as_str()),
        ("STRATA_PORT", listen),
        ("NATS_PORT", nats),
        ("REDIS_PORT", redis),
        ("POSTGRES_PORT", postgres),
        ("STRATA_DEV_DIR", &place),
    ];
    let database = user.database();
    let copied = |_: &Beside, place: &TempDir| {
        fs::copy(database, place.path().join("advisories.strata")).expect("copied");
    };
    let run = run("cluster", &user, copied, &environment);
    // Whatever went wrong, nothing stays behind.
    let down = root().join("deploy/dev/down.sh");
    let _ = servers::output(Command::new("bash").arg(down).arg(directory.path()));
    run.expect(0, &["+ strata worker", "completed", "1 enumerated", "team/app:1"]);
}
