"""Rust: a program built by cargo-auditable, and the list that it carries, which must hold all that `cargo tree` lists.

The list is longer than the tree: cargo-auditable takes some procedural macros, and optional crates that nothing turns
on, for parts of the program. Strata says what the program says.
"""

import json
import os
import shutil
import zlib

from .case import Case, need, put, run

MANIFEST = """
[package]
name = "program"
version = "0.7.0-alpha.1"
edition = "2021"

[dependencies]
serde_json = "1"
regex = { version = "1", default-features = false, features = ["std"] }
rand = "0.8"
itoa = "0.4"
url = "2"
serde = { version = "1", features = ["derive"] }
local = { path = "local" }

[target.'cfg(windows)'.dependencies]
windows-sys = "0.59"

[build-dependencies]
cc = "1"

[dev-dependencies]
hex = "0.4"
"""
LOCAL = '[package]\nname = "local"\nversion = "9.9.9"\nedition = "2021"\n'
MAIN = """
fn main() {
    let text = serde_json::json!({"random": rand::random::<u8>(), "here": local::HERE}).to_string();
    println!("{} {:?}", regex::Regex::new("a+").unwrap().is_match(&text), url::Url::parse("a:b"));
}
"""
#: a procedural macro runs in the compiler: it and what it needs are not in the program
EDGES = "normal,no-proc-macro"


def cases(work):
    need("cargo", "objcopy", "strip")
    place = work / "rust-build"
    path = f"{work / 'cargo/bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CARGO_TARGET_DIR": str(work / "cargo-target")}
    if not shutil.which("cargo-auditable", path=path):
        run("cargo", "install", "--debug", "--locked", "--root", work / "cargo", "cargo-auditable", env=environment)
    put(place, {"Cargo.toml": MANIFEST, "src/main.rs": MAIN, "build.rs": "fn main() {}\n"})
    put(place, {"local/Cargo.toml": LOCAL, "local/src/lib.rs": 'pub const HERE: &str = "here";\n'})
    run("cargo", "auditable", "build", "-q", cwd=place, env=environment)
    tree = run("cargo", "tree", "-e", EDGES, "--prefix", "none", "-f", "{p}", cwd=place, env=environment)
    compiled = {tuple(line.split(" ")[:2]) for line in tree.splitlines() if line}

    built = work / "cargo-target/debug/program"
    native = carried(built, place / "list")
    # What the list lacks would be missed, so it counts as native all the same.
    native |= {("rust", name, version.removeprefix("v")) for name, version in compiled}
    for name, strip in (("rust auditable", False), ("rust auditable, stripped", True)):
        root = work / name.replace(" ", "-")
        shutil.rmtree(root, ignore_errors=True)
        (root / "usr/local/bin").mkdir(parents=True)
        shutil.copy(built, root / "usr/local/bin/program")
        if strip:
            run("strip", root / "usr/local/bin/program")
        yield Case(name, root, native)

    root = work / "rust-lock"
    shutil.rmtree(root, ignore_errors=True)
    (root / "srv").mkdir(parents=True)
    shutil.copy(place / "Cargo.lock", root / "srv/Cargo.lock")
    tree = run("cargo", "metadata", "--format-version", "1", cwd=place, env=environment)
    yield Case("rust lock", root, locked(tree))


def carried(program, place):
    """The program's own list, without what only ran while it was built."""
    run("objcopy", "-O", "binary", "--only-section=.dep-v0", "--set-section-flags", ".dep-v0=alloc", program, place)
    packages = json.loads(zlib.decompress(place.read_bytes()))["packages"]
    return {("rust", package["name"], package["version"]) for package in packages if package.get("kind") != "build"}


def locked(text):
    return {("rust", package["name"], package["version"]) for package in json.loads(text)["packages"]}
