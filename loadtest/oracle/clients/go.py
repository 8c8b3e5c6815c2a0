"""Go: programs for several systems; `go version -m -json` lists the modules in them."""

import json
import os
import shutil

from .case import Case, need, put, run

MODULE = """module example.test/Program

go 1.21

require (
	example.test/local v1.4.0
	github.com/google/uuid v1.3.0
	github.com/pkg/errors v0.9.0
	golang.org/x/text v0.14.0
)

replace example.test/local => ./local

replace github.com/pkg/errors v0.9.0 => github.com/pkg/errors v0.9.1
"""
MAIN = """package main

import (
	"fmt"

	"example.test/local"
	"github.com/google/uuid"
	"github.com/pkg/errors"
	"golang.org/x/text/language"
)

var version = "unset"

func main() {
	fmt.Println(local.Here, uuid.New(), errors.New(version), language.English)
}
"""
FILES = {
    "go.mod": MODULE,
    "main.go": MAIN,
    "local/go.mod": "module example.test/local\n\ngo 1.21\n",
    "local/local.go": 'package local\n\nconst Here = "here"\n',
}
#: name, system, processor, options
BUILDS = (
    ("elf", "linux", "amd64", ()),
    ("elf-stripped", "linux", "arm64", ("-trimpath", "-ldflags=-s -w")),
    ("elf-big-endian", "linux", "s390x", ()),
    ("pie", "linux", "amd64", ("-buildmode=pie",)),
    ("pe.exe", "windows", "amd64", ()),
    ("mach-o", "darwin", "arm64", ()),
    ("linked", "linux", "amd64", ("-ldflags=-X main.version=v1.2.3",)),
)


def cases(work):
    need("go", "git")
    place = work / "go-build"
    shutil.rmtree(place, ignore_errors=True)
    put(place, FILES)
    run("go", "mod", "tidy", cwd=place)
    for name, system, processor, options in BUILDS:
        yield built(work, place, name, system, processor, ("-buildvcs=false", *options))
    commit = ["git", "-c", "user.name=x", "-c", "user.email=x@example.test"]
    run("git", "init", "-q", cwd=place)
    run("git", "add", ".", cwd=place)
    run(*commit, "commit", "-q", "-m", "x", cwd=place)
    yield built(work, place, "commit", "linux", "amd64", ("-buildvcs=true",))
    run("git", "tag", "v0.3.1", cwd=place)
    yield built(work, place, "tag", "linux", "amd64", ("-buildvcs=true",))
    put(place, {"main.go": MAIN + "\n"})
    yield built(work, place, "modified", "linux", "amd64", ("-buildvcs=true",))


def built(work, place, name, system, processor, options):
    root = work / f"go-{name}"
    shutil.rmtree(root, ignore_errors=True)
    program = root / "usr/local/bin" / name
    environment = {**os.environ, "GOOS": system, "GOARCH": processor, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}
    run("go", "build", *options, "-o", program, ".", cwd=place, env=environment)
    return Case(f"go {name}", root, native(program, options))


def native(program, options):
    text = run("go", "version", "-m", "-json", program)
    build = json.JSONDecoder().raw_decode(text)[0]
    build = build.get("BuildInfo", build)
    main = build["Main"]["Version"]
    linked = [option.split("main.version=")[1] for option in options if "main.version=" in option]
    # A development build has no version of its own: what its linker was told counts instead.
    found = {("go", build["Main"]["Path"], linked[0] if linked and main == "(devel)" else main)}
    found.add(("go", "stdlib", build["GoVersion"].removeprefix("go")))
    for module in build["Deps"]:
        replaced = module.get("Replace") or {}
        # A directory replaces the content, and says neither a name nor a version of its own.
        chosen = replaced if replaced.get("Version") else module
        found.add(("go", chosen["Path"], chosen["Version"]))
    return found
