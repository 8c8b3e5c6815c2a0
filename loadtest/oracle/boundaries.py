#!/usr/bin/env python3
"""Images whose packages stand on the boundaries of the advisories: food for `oracle.py`.

For each release or registry below, one image of an OCI layout holds its packages at versions that advisories name, and
at versions right before and after those. Real images meet a few boundaries; these meet as many as `--most` allows. The
choice is seeded, so that the same export gives the same images.

    boundaries.py --osv EXPORT --most 4000 LAYOUT
"""

import argparse
import collections
import hashlib
import io
import json
import random
import tarfile
import zipfile
from pathlib import Path
from urllib.parse import quote

from oracle import Advisories

RELEASES = {
    "debian-9": ("Debian:9",), "debian-11": ("Debian:11",), "debian-12": ("Debian:12",), "debian-13": ("Debian:13",),
    "ubuntu-14.04": ("Ubuntu:14.04:LTS", "Ubuntu:Pro:14.04:LTS"), "ubuntu-16.04": ("Ubuntu:16.04:LTS",),
    "ubuntu-19.10": ("Ubuntu:19.10",), "alpine-3.10": ("Alpine:v3.10",), "alpine-3.20": ("Alpine:v3.20",),
    "wolfi-20230201": ("Wolfi",), "alpaquita-23": ("Alpaquita:23",), "alpaquita-stream": ("Alpaquita:stream",),
    "almalinux-8.9": ("AlmaLinux:8",), "almalinux-9.3": ("AlmaLinux:9",), "rocky-8.9": ("Rocky Linux:8",),
    "rocky-9.3": ("Rocky Linux:9",), "azurelinux-3.0": ("Azure Linux:3",),
    "pypi": ("PyPI",), "npm": ("npm",), "maven": ("Maven",), "golang": ("Go",), "cargo": ("crates.io",),
    "gem": ("RubyGems",), "composer": ("Packagist",), "nuget": ("NuGet",), "julia": ("Julia",), "cran": ("CRAN",),
}
# How a version right before and one right after another are spelled.
AROUND = {"deb": ("~", "+b1"), "apk": ("1", "_p1", "_rc1"), "pypi": (".dev0", ".post1"), "npm": ("-0", "-zz"), "maven": ("-alpha", "-1"),
          "rpm": ("~rc1", "^1", ".1"), "golang": ("-0", "-rc.1", "+incompatible"), "cargo": ("-0", "-zz", "+1"),
          "gem": (".pre", ".1", ".0"), "composer": ("-beta1", "-p1", ".0.0"), "nuget": ("-Beta1", ".1", ".0"),
          "julia": ("-rc1", "+1"), "cran": ("-1", ".0")}


def versions(entries, around, choice):
    """Versions that entries name, and their neighbours: at most four."""
    named = set()
    for _, affected in entries:
        for span in affected.get("ranges") or []:
            if span["type"] != "GIT":
                named.update(bound for event in span["events"] for bound in event.values() if bound != "0")
        named.update((affected.get("versions") or [])[:3])
    named = sorted(named)
    chosen = choice.sample(named, min(2, len(named)))
    return sorted({*chosen, *(beside(version, choice.choice(around)) for version in chosen)})


def beside(version, suffix):
    """apk's suffixes stand before the revision, a digit makes the revision another one."""
    body, dash, revision = version.rpartition("-r")
    return body + suffix + dash + revision if dash and suffix.startswith("_") else version + suffix


def deb(name, version, number):
    text = f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
    return f"var/lib/dpkg/status.d/{number}", text.encode()


def apk(name, version, number):
    text = f"P:p{number}\nV:{version}\nA:x86_64\no:{name}\n\n"
    return "lib/apk/db/installed", text.encode()


def pypi(name, version, number):
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    return f"usr/lib/python3/site-packages/p{number}-{version}.dist-info/METADATA", text.encode()


def npm(name, version, number):
    text = json.dumps({"name": name, "version": version})
    return f"srv/{number}/node_modules/{name}/package.json", text.encode()


def maven(name, version, number):
    group, _, artifact = name.partition(":")
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as jar:
        place = zipfile.ZipInfo(f"META-INF/maven/{group}/{artifact}/pom.properties")
        jar.writestr(place, f"groupId={group}\nartifactId={artifact}\nversion={version}\n")
    return f"srv/{number}/{artifact}.jar", held.getvalue()


def rpm(name, version, number):
    """A line of the manifest that images without a database carry; the source package is named like the package."""
    epoch, _, rest = version.rpartition(":")
    body, _, release = rest.rpartition("-")
    source = f"{name}-{body}-{release}.src.rpm"
    fields = name, rest, 0, 0, "(none)", epoch or "(none)", 0, "x86_64", epoch or "(none)", source
    return "var/lib/rpmmanifest/container-manifest-2", ("\t".join(map(str, fields)) + "\n").encode()


def document(kind):
    """A package of an embedded bill of materials."""

    def write(name, version, number):
        url = f"pkg:{kind}/{quote(name)}@{quote(version, safe='')}"
        text = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"purl": url}]})
        return f"srv/{number}/bom.json", text.encode()

    return write


def julia(name, version, number):
    text = f'[[deps.{name}]]\nuuid = "0"\nversion = "{version}"\n'
    return f"srv/{number}/Manifest.toml", text.encode()


def cran(name, version, number):
    text = f"Package: {name}\nVersion: {version}\nBuilt: R 4.2.2; ; 2024-01-01; unix\n"
    return f"usr/lib/R/{number}/library/{name}/DESCRIPTION", text.encode()


WRITERS = {"deb": deb, "apk": apk, "rpm": rpm, "pypi": pypi, "npm": npm, "maven": maven, "julia": julia, "cran": cran}
WRITERS |= {kind: document(kind) for kind in ("golang", "cargo", "gem", "composer", "nuget")}
KINDS = {"alpine": "apk", "wolfi": "apk", "alpaquita": "apk", "almalinux": "rpm", "rocky": "rpm", "azurelinux": "rpm"}


def files(release, ecosystems, advisories, most):
    kind = release if release in WRITERS else KINDS.get(release.split("-")[0], "deb")
    choice = random.Random(release)
    packages = collections.defaultdict(list)
    for (ecosystem, name), entries in advisories.by_package.items():
        if ecosystem in ecosystems and name and not set(name) & set(" \n\0"):
            packages[name] += entries
    names = sorted(packages)
    choice.shuffle(names)
    number = 0
    system, _, version = release.partition("-")
    system = system if version else "debian"
    yield "etc/os-release", f"ID={system}\nVERSION_ID={version or 12}\n".encode()
    contents = collections.defaultdict(bytes)
    for name in names:
        for version in versions(packages[name], AROUND[kind], choice):
            if kind == "rpm" and "-" not in version:
                continue
            if number < most and not set(version) & set("/\n\0"):
                place, content = WRITERS[kind](name, version, number)
                contents[place] += content
                number += 1
    yield from contents.items()


class Layout:
    def __init__(self, directory):
        self.directory = Path(directory)
        (self.directory / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        self.manifests = []

    def blob(self, content, media_type):
        digest = hashlib.sha256(content).hexdigest()
        (self.directory / "blobs/sha256" / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(content)}

    def image(self, tag, contents):
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w") as layer:
            for name, content in contents:
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                layer.addfile(entry, io.BytesIO(content))
        oci = "application/vnd.oci.image."
        layer = self.blob(held.getvalue(), oci + "layer.v1.tar")
        rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
        config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}
        config = self.blob(json.dumps(config).encode(), oci + "config.v1+json")
        manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": [layer]}
        entry = self.blob(json.dumps(manifest).encode(), oci + "manifest.v1+json")
        self.manifests.append({**entry, "annotations": {"org.opencontainers.image.ref.name": tag}})

    def finish(self):
        (self.directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (self.directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self.manifests}))


def main():
    arguments = argparse.ArgumentParser(description="Write images whose packages stand on advisories' boundaries.")
    arguments.add_argument("--osv", required=True, action="append", help="directory of an OSV export: <Ecosystem>/all.zip")
    arguments.add_argument("--most", type=int, default=4000, help="packages of each image")
    arguments.add_argument("layout", help="directory of the layout to write")
    options = arguments.parse_args()
    advisories, layout = Advisories(options.osv), Layout(options.layout)
    for release, ecosystems in RELEASES.items():
        layout.image(release, files(release, ecosystems, advisories, options.most))
    layout.finish()


if __name__ == "__main__":
    main()
