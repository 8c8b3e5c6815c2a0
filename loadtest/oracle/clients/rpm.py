"""rpm: rpmbuild makes packages, rpm installs, upgrades and erases them in a root, and lists its database."""

import shutil
import sqlite3
from pathlib import Path

from .case import Case, need, put, run

#: name, epoch, version, release, further tags
PACKAGES = (
    ("plain", "", "1.0", "1", "Vendor: Red Hat, Inc."),
    ("epochal", "2", "1.0~rc1", "3.el9", "Vendor: Rocky Enterprise Software Foundation"),
    ("noarch", "", "20240101^git1", "1", "BuildArch: noarch"),
    ("modular", "", "5.4", "1.module+el8.5.0+1+abcdef01", "ModularityLabel: perl:5.4:8050020211109120218:ced681"),
    ("replaces", "", "2.0", "1", "Obsoletes: ancient < 3\nProvides: ancient = 3"),
    ("kernel-like", "", "5.14.0", "70.el9", "Provides: installonlypkg(kernel)"),
    ("kernel-like", "", "5.14.0", "162.el9", "Provides: installonlypkg(kernel)"),
    ("older", "1", "1.0", "1", "Vendor: AlmaLinux"),
    ("older", "1", "1.1", "1", "Vendor: AlmaLinux"),
    ("leaves", "", "0.1", "1", ""),
)
RELEASE = 'ID="rocky"\nVERSION_ID="9.3"\nPRETTY_NAME="Rocky Linux 9.3"\n'
SHAPE = r"%{NAME}\t%{EVR}\t%{ARCH}\t%{VENDOR}\t%{MODULARITYLABEL}\n"
FIELDS = "architecture", "properties.vendor", "properties.modularity"


def cases(work):
    need("rpm", "rpmbuild")
    built = build(work)
    for backend in ("sqlite", "ndb", "bdb"):
        if not writes(work / "rpm-try", backend):
            print(f"rpm {backend}: skipped, this rpm does not write that form of database", flush=True)
            continue
        for directory in ("var/lib/rpm", "usr/lib/sysimage/rpm"):
            root = install(work / f"rpm-{backend}-{directory.split('/')[0]}", built, backend, directory)
            yield case(f"rpm {backend} {directory}", root, backend, directory)
    yield unmerged(work, built)


def build(work):
    """The packages, in the order in which they are listed."""
    top = work / "rpmbuild"
    if not top.exists():
        for name, epoch, version, release, tags in PACKAGES:
            spec = f"Name: {name}\nVersion: {version}\nRelease: {release}\nSummary: none\nLicense: MIT\n{tags}\n"
            spec += f"Epoch: {epoch}\n" if epoch else ""
            spec += "%description\nnone\n%install\nmkdir -p %{buildroot}/usr/share/x\n"
            spec += "echo x > %{buildroot}/usr/share/x/%{name}-%{version}-%{release}\n%files\n/usr/share/x/*\n"
            file = put(top, {f"{name}.spec": spec}) / f"{name}.spec"
            run("rpmbuild", "-ba", "--define", f"_topdir {top}", file)
    files = []
    for name, _, version, release, _ in PACKAGES:
        files += (top / "RPMS").glob(f"*/{name}-{version}-{release}.*.rpm")
    return files


def command(root, backend, directory):
    return "rpm", "--root", root, "--dbpath", "/" + directory, "--define", f"_db_backend {backend}"


def writes(root, backend):
    """Whether rpm makes a database of that form: what it lacks, it replaces by an empty dummy with a warning."""
    shutil.rmtree(root, ignore_errors=True)
    (root / "var/lib/rpm").mkdir(parents=True)
    run(*command(root, backend, "var/lib/rpm"), "--initdb")
    return any(not file.name.startswith(".") for file in (root / "var/lib/rpm").iterdir())


def install(root, built, backend, directory):
    """Installs the first, upgrades one, erases one."""
    shutil.rmtree(root, ignore_errors=True)
    put(root, {"etc/os-release": RELEASE})
    rpm = command(root, backend, directory)
    upgrade = next(file for file in built if file.name.startswith("older-1.1"))
    first = [file for file in built if file != upgrade]
    run(*rpm, "--install", "--nodeps", "--noscripts", "--ignorearch", *first)
    run(*rpm, "--upgrade", "--nodeps", upgrade)
    run(*rpm, "--erase", "leaves")
    return root


def case(name, root, backend, directory):
    lines = run(*command(root, backend, directory), "-qa", "--qf", SHAPE).splitlines()
    native = {("rpm", *(part.replace("(none)", "") for part in line.split("\t"))) for line in lines}
    return Case(name, root, native, FIELDS, set())


def unmerged(work, built):
    """A database whose content stands in its write-ahead log alone: nothing can be listed, and that must be said."""
    root = install(work / "rpm-wal", built, "sqlite", "var/lib/rpm")
    database = root / "var/lib/rpm/rpmdb.sqlite"
    with sqlite3.connect(database) as whole:
        script = "\n".join(line for line in whole.iterdump())
    whole.close()
    for file in database.parent.iterdir():
        file.unlink()
    copied = work / "rpm-wal-copy"
    shutil.rmtree(copied, ignore_errors=True)
    copied.mkdir()
    written = sqlite3.connect(copied / database.name, isolation_level=None)
    written.execute("PRAGMA journal_mode=WAL")
    written.execute("PRAGMA wal_autocheckpoint=0")
    written.executescript(script)
    for file in Path(copied).iterdir():
        shutil.copyfile(file, database.parent / file.name)
    written.close()
    return Case("rpm unmerged log", root, set(), (), {"unreadable-database", "no-packages"})
