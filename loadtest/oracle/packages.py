#!/usr/bin/env python3
"""Strata's package lists against the native tools, on the files of the image itself.

An image of an OCI layout is flattened into a temporary directory (whiteouts applied), then asked:

dpkg    `dpkg-query` on the image's own status file, and on its `status.d` fragments put together: name, version,
        source name and source version
python  `importlib.metadata` over each site-packages and dist-packages directory
npm     each package.json below a `node_modules`, and that of the application beside it, which has a name and a version

Files that belong to a dpkg package are that package's, and are expected to be absent from python and npm.

Exit code 1 when a package is missing or extra.

    packages.py LAYOUT TAG REPORT.json
"""

import argparse
import gzip
import importlib.metadata
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path


class Layout:
    def __init__(self, directory):
        self.directory = Path(directory)

    def blob(self, descriptor):
        return (self.directory / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()

    def layers(self, tag):
        index = json.loads((self.directory / "index.json").read_text())
        named = "org.opencontainers.image.ref.name"
        (manifest,) = [m for m in index["manifests"] if m.get("annotations", {}).get(named) == tag]
        return [self.blob(layer) for layer in json.loads(self.blob(manifest))["layers"]]


def flatten(layers, root):
    for layer in layers:
        if layer.startswith(b"\x1f\x8b"):
            layer = gzip.decompress(layer)
        with tarfile.open(fileobj=io.BytesIO(layer)) as files:
            members = files.getmembers()
            for member in members:
                whiteout(root, Path(member.name))
            for member in members:
                special = member.ischr() or member.isblk() or member.isfifo()
                if special or Path(member.name).name.startswith(".wh."):
                    continue
                place = root / member.name
                if (place.is_symlink() or place.is_file()) and not member.isdir():
                    place.unlink()
                member.mode |= 0o700
                files.extract(member, root, filter="tar", set_attrs=False)


def whiteout(root, name):
    if name.name == ".wh..wh..opq":
        shutil.rmtree(root / name.parent, ignore_errors=True)
    elif name.name.startswith(".wh."):
        place = root / name.parent / name.name[4:]
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def dpkg(root):
    with tempfile.TemporaryDirectory() as admin:
        texts = [path.read_text() for path in [root / "var/lib/dpkg/status"] if path.is_file()]
        fragments = sorted((root / "var/lib/dpkg/status.d").glob("*"))
        texts += [path.read_text() for path in fragments if path.suffix != ".md5sums"]
        status = "\n".join(text.strip("\n") + "\n" for text in texts)
        if fragments:
            status = "\n".join(with_status(part) for part in status.split("\n\n"))
        (Path(admin) / "status").write_text(status)
        shape = "${db:Status-Status}\t${binary:Package}\t${Version}\t${source:Package}\t${source:Version}\n"
        run = subprocess.run(
            ["dpkg-query", "--admindir", admin, "-W", "-f", shape], stdout=subprocess.PIPE, text=True, check=True
        )
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    return {(name.split(":")[0], *rest) for state, name, *rest in rows if state not in ("config-files", "not-installed")}


def with_status(paragraph):
    """The fragments of images without a package manager have no status, which dpkg-query wants to see."""
    lines = paragraph.strip("\n")
    return lines + ("\n" if "\nStatus:" in lines else "\nStatus: install ok installed\n")


def owned(root):
    files = set()
    for listing in (root / "var/lib/dpkg/info").glob("*.list"):
        files.update(listing.read_text().split("\n"))
    return files


def python(root):
    belongs = owned(root)
    found = set()
    for directory in [*root.glob("**/site-packages"), *root.glob("**/dist-packages")]:
        for distribution in importlib.metadata.distributions(path=[str(directory)]):
            place = "/" + str(distribution._path.relative_to(root))
            names = {place, place + "/METADATA", place + "/PKG-INFO"}
            if not names & belongs:
                found.add((distribution.metadata["Name"], distribution.version))
    return found


def npm(root):
    belongs, found = owned(root), set()
    patterns = "node_modules/*/package.json", "node_modules/@*/*/package.json"
    manifests = [manifest for pattern in patterns for manifest in root.glob("**/" + pattern)]
    applications = {place.parent / "package.json" for place in root.glob("**/node_modules")}
    for manifest in [*manifests, *(place for place in applications if place.is_file())]:
        manifest = manifest.resolve()
        if "/" + str(manifest.relative_to(root)) in belongs:
            continue
        document = json.loads(manifest.read_text())
        if document.get("name") and document.get("version"):
            found.add((document["name"], document["version"], str(manifest.relative_to(root))))
    return found


def main():
    arguments = argparse.ArgumentParser(description="Compare Strata's package lists with the native tools'.")
    for name in ("layout", "tag", "report"):
        arguments.add_argument(name)
    options = arguments.parse_args()
    (image,) = json.loads(Path(options.report).read_text())["images"]
    listed = {"dpkg": set(), "python": set(), "npm": set()}
    for package in image["packages"]:
        name, version = package["name"], package["version"]
        if package["ecosystem"] == "dpkg":
            source = package.get("source_name") or name, package.get("source_version") or version
            listed["dpkg"].add((name, version, *source))
        elif package["ecosystem"] == "python":
            listed["python"].add((name, version))
        elif package["ecosystem"] == "npm":
            listed["npm"].add((name, version, package["file"]))
    with tempfile.TemporaryDirectory() as place:
        root = Path(place).resolve()
        flatten(Layout(options.layout).layers(options.tag), root)
        native = {"dpkg": dpkg(root), "python": python(root), "npm": npm(root)}
    differences = 0
    for kind, expected in native.items():
        missing, extra = expected - listed[kind], listed[kind] - expected
        counts = f"{len(expected)} native, {len(listed[kind])} listed, {len(missing)} missing, {len(extra)} extra"
        print(f"{options.tag} {kind}: {counts}")
        for word, some in (("missing", missing), ("extra", extra)):
            for package in sorted(some):
                print(" ", word, *package)
        differences += len(missing) + len(extra)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
