"""Debian and Ubuntu: debootstrap makes the root, dpkg-query lists it."""

import os
import shutil

import packages

from .case import Case, Skip, copy, need, once, put, run

SUITES = "bookworm", "trixie", "bullseye", "jammy"
FIELDS = "source_name", "source_version"


def cases(work):
    need("debootstrap", "dpkg-query")
    if os.geteuid():
        raise Skip("debootstrap wants to be root")
    for suite in SUITES:
        try:
            root = bootstrap(work, suite)
        except Skip as reason:
            print(f"debian {suite}: skipped, {reason}", flush=True)
            continue
        yield case(f"debian {suite}", root)
    yield case("debian states", states(work))
    yield case("debian status.d", fragments(work))
    yield case("debian tools", tools(work))


def case(name, root):
    rows = packages.dpkg(root)
    native = {("dpkg", package, version, *source(package, version, *rest)) for package, version, *rest in rows}
    return Case(name, root, native, FIELDS, set())


def source(package, version, name, of):
    """A report leaves out what is the package's own."""
    return "" if name == package else name, "" if of == version else of


def bootstrap(work, suite):
    """The root of a suite. Ubuntu's is signed by keys that Debian carries in a package."""

    def make(root):
        options = ["--keyring", keyring(work)] if suite == "jammy" else []
        run("debootstrap", "--variant=minbase", *options, suite, root)

    return once(work / suite, make)


def keyring(work):
    def make(place):
        root = bootstrap(work, "trixie")
        inside(root, "sh", "-c", "cd /tmp && apt-get -q update && apt-get -q download ubuntu-keyring")
        (archive,) = (root / "tmp").glob("ubuntu-keyring_*.deb")
        run("dpkg-deb", "--extract", archive, place)
        archive.unlink()

    return once(work / "keyring", make) / "usr/share/keyrings/ubuntu-archive-keyring.gpg"


def inside(root, *command):
    """Runs a command within a root, with this machine's name servers."""
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    environment = {"DEBIAN_FRONTEND": "noninteractive", "HOME": "/root", "LC_ALL": "C.UTF-8"}
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    return run("chroot", root, *command, env={**environment, **path})


def states(work):
    """Packages that are removed with their configuration left, held, and unpacked but not configured."""

    def make(root):
        run("cp", "-a", bootstrap(work, "bookworm"), root)
        inside(root, "apt-mark", "hold", "bash")
        inside(root, "dpkg", "--force-all", "--remove", "login")
        inside(root, "dpkg", "--force-all", "--purge", "tzdata")
        inside(root, "sh", "-c", "dpkg --force-all --unpack /var/cache/apt/archives/passwd_*.deb")
        inside(root, "sh", "-c", "echo hostname deinstall | dpkg --set-selections")

    return once(work / "states", make)


def fragments(work):
    """An image without dpkg: each package's stanza is a file of its own, beside the digests of its files."""

    def make(root):
        whole = bootstrap(work, "bookworm")
        put(root, {"etc/os-release": (whole / "etc/os-release").read_text()})
        for stanza in (whole / "var/lib/dpkg/status").read_text().strip().split("\n\n")[::4]:
            name = stanza.split("\n", 1)[0].removeprefix("Package: ")
            lines = [line for line in stanza.splitlines() if not line.startswith("Status:")]
            put(root, {f"var/lib/dpkg/status.d/{name}": "\n".join(lines) + "\n"})
            put(root, {f"var/lib/dpkg/status.d/{name}.md5sums": "0123456789abcdef0123456789abcdef  usr/bin/x\n"})

    return once(work / "fragments", make)


CLIENTS = "ruby composer php-zip luarocks lua5.3 r-base-core r-cran-jsonlite erlang-base python3-pip npm".split()


def tools(work):
    """A root with the clients that this machine may lack, each from its Debian package, which owns all their files."""

    def make(root):
        run("cp", "-a", bootstrap(work, "bookworm"), root)
        inside(root, "apt-get", "-q", "update")
        inside(root, "apt-get", "-q", "install", "-y", "--no-install-recommends", *CLIENTS)

    return once(work / "tools", make)


def workshop(work):
    """The same root once more, to work in. Its files are links: clients write new ones, and change none of those."""
    return once(work / "workshop", lambda root: run("cp", "-al", tools(work), root))


def part(work, name, *paths):
    """Trees of the workshop, without dpkg's database: what packages own counts like the rest."""
    root = work / name
    shutil.rmtree(root, ignore_errors=True)
    return copy(workshop(work), root, *paths)
