"""A root file system and what its native tool lists of it."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path


class Skip(Exception):
    """A client or its registry is not there."""


@dataclass
class Case:
    name: str
    root: Path
    #: (ecosystem, name, version, then the values of `fields`), of everything in the root
    native: set
    #: further fields of a package that count: `source_name`, `properties.vendor`
    fields: tuple = ()
    #: codes of the problems that the report must have, and no others
    problems: set = field(default_factory=lambda: {"unknown-distribution"})


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def run(*command, **options):
    """Runs a client and gives what it prints. A client that fails is a skip that says what it said."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace", **options}
    done = subprocess.run([str(word) for word in command], check=False, **options)
    if done.returncode:
        said = (done.stderr or done.stdout or "").strip().splitlines()
        raise Skip(f"{command[0]} {command[1]} failed: {said[-1] if said else done.returncode}")
    return done.stdout


def listed(image, case):
    """What the report lists, in the shape of `Case.native`."""
    return {
        (package["ecosystem"], package["name"], package["version"], *(value(package, key) for key in case.fields))
        for package in image["packages"]
    }


def value(package, key):
    for part in key.split("."):
        package = package.get(part) or {}
    if not package and key.startswith("source_"):
        return ""
    return package or ""


def put(root, files):
    """Writes text files below a directory, which is made."""
    for name, text in files.items():
        path = Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Path(root)


def once(root, make):
    """A directory that `make` fills, unless an earlier run did; never a half-filled one."""
    if not root.exists():
        begun = root.with_name(root.name + ".begun")
        shutil.rmtree(begun, ignore_errors=True)
        make(begun)
        begun.rename(root)
    return root


def copy(source, root, *paths):
    """Copies trees of one root to the same places in another."""
    for path in paths:
        target = Path(root) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(Path(source) / path, target, symlinks=True)
    return Path(root)
