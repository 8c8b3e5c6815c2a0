//! Completions, manual pages, and the configuration as it is shown: all from the grammar of the command line.

use std::{fs, process::Command};

use tempfile::TempDir;

use crate::{
    access::run_with,
    servers,
    strata::{Run, User},
};

#[test]
fn bash_takes_the_completions_and_completes() {
    let user = User::without_database();
    for shell in ["bash", "zsh", "fish"] {
        let script = user.run(&["completions", shell]);
        script.expect(0, &["sweep", "fail-on"]);
    }
    let directory = TempDir::new().expect("a directory");
    let script = directory.path().join("strata.bash");
    fs::write(&script, user.run(&["completions", "bash"]).out).expect("written");
    Run::of(servers::output(Command::new("bash").arg("-n").arg(&script))).expect(0, &[]);
    for (words, expected) in [
        ("strata sw", "sweep"),
        ("strata sweep --since", "--since-last"),
        ("strata db bu", "build"),
        ("strata completions fi", "fish"),
    ] {
        let count = words.split(' ').count() - 1;
        let typed = words.rsplit(' ').next().expect("a word");
        let line = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD={count}; \
             _strata strata '{typed}' ''; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let answer = Run::of(servers::output(Command::new("bash").args(["--norc", "-c", &line])));
        let words: Vec<&str> = answer.expect(0, &[]).out.split_whitespace().collect();
        assert!(words.contains(&expected), "{line}: {words:?} {}", answer.err);
    }
    user.run(&["completions", "cmd"]).expect(2, &["cmd"]);
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let user = User::without_database();
    user.run(&["man"]).expect(0, &[".TH strata 1", "SYNOPSIS", "Exit codes"]);
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("man1");
    user.run(&["man", "--dir", path.to_str().expect("a path")]).expect(0, &[]);
    let page =
        |name: &str| fs::read_to_string(path.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(page("strata.1").contains(".TH strata 1"));
    assert!(page("strata-scan.1").contains("fail\\-on"));
    assert!(page("strata-db-build.1").contains(".TH"));
}

#[test]
fn the_configuration_counts_and_is_shown() {
    let user = User::without_database();
    let place = user.home.path().join(".config/strata");
    fs::create_dir_all(&place).expect("a directory");
    let file = place.join("config.toml");
    fs::write(&file, "db-max-age = '2d'\n[scan]\nfail-on = 'high'\n").expect("written");
    let shown = run_with(
        &user,
        &["config", "show", "scan", "--severity", "LOW"],
        &[("STRATA_DB_MAX_AGE", "36h"), ("STRATA_TOKEN", "s3cret"), ("STRATA_SERVER", "https://u:s3cret@h")],
    );
    let has = |words: &[&str]| {
        let found = shown.out.lines().any(|line| line.split_whitespace().eq(words.iter().copied()));
        assert!(found, "{words:?} is not in {}", shown.out);
    };
    shown.expect(0, &[]);
    has(&["severity", "LOW", "flag"]);
    has(&["db-max-age", "36h", "environment", "STRATA_DB_MAX_AGE"]);
    has(&["fail-on", "high", &format!("{}:3:1", file.display())]);
    has(&["format", "table", "default"]);
    assert!(!shown.out.contains("s3cret"), "{}", shown.out);

    // It counts: the command fails as the file says before anything else can.
    fs::write(&file, "[scan]\nfail-on = 'awful'\n").expect("written");
    user.run(&["scan", "127.0.0.1:1/app:1"]).expect(2, &["awful"]);
    fs::write(&file, "[scan]\nfail-onn = 'high'\n").expect("written");
    let broken = user.run(&["scan", "127.0.0.1:1/app:1"]);
    broken
        .expect(2, &["config.toml:2:1: `fail-onn` is no option of `strata scan`", "did you mean `fail-on`?"]);
    // Another file, or none.
    user.run(&["--config", "/dev/null", "scan", "127.0.0.1:1/app:1"]).expect(2, &["advisory database"]);
    run_with(&user, &["scan", "a:1"], &[("STRATA_CONFIG", "/nowhere.toml")]).expect(2, &["/nowhere.toml"]);
    user.run(&["config", "show", "nothing"]).expect(2, &["`fail-onn`"]);
}
