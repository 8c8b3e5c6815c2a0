#!/usr/bin/env python3
"""Judges the table of products by their binaries on real ones, without any of Strata's code.

usage: binaries.py STRATA DATABASE DIRECTORY

DIRECTORY holds unpacked Debian packages, each in a directory of the name of its file (`dpkg -x x_1.2-3_amd64.deb x_1.2-3_amd64`).
All of them go into one image that has no package database, so that only signatures can tell what they are. For each
product that Strata finds, the version must be the upstream part of the package's; packages that bring a program or a library
but no product are listed last: they are what the table lacks.
"""
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile


def upstream(version):
    """`1:2.3.4+dfsg-5+deb12u1` is 2.3.4 of upstream."""
    version = version.replace("%3a", ":").split(":")[-1].rsplit("-", 1)[0]
    version = version.rsplit("+really", 1)[-1]
    return re.split(r"\+(?:dfsg|ds|deb|git)|~", version)[0]


def is_binary(path):
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def pack(directory, image):
    """Every ELF file of every package, below the package's name."""
    packages = {}
    with tarfile.open(image, "w") as tar:
        for package in sorted(os.listdir(directory)):
            for base, _, names in os.walk(os.path.join(directory, package)):
                for name in names:
                    path = os.path.join(base, name)
                    if is_binary(path):
                        packages.setdefault(package, 0)
                        packages[package] += 1
                        tar.add(path, os.path.relpath(path, directory))
    return packages


def layout(directory, target):
    """An OCI layout of one layer."""
    import hashlib

    blobs = os.path.join(target, "blobs", "sha256")
    os.makedirs(blobs)
    layer = os.path.join(target, "layer.tar")
    packages = pack(directory, layer)
    with open(layer, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = os.path.getsize(layer)
    os.rename(layer, os.path.join(blobs, digest))

    def put(value, media):
        data = json.dumps(value).encode()
        name = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, name), "wb") as file:
            file.write(data)
        return {"mediaType": media, "digest": "sha256:" + name, "size": len(data)}

    kind = "application/vnd.oci.image."
    rootfs = {"type": "layers", "diff_ids": ["sha256:" + digest]}
    config = put({"architecture": "amd64", "os": "linux", "rootfs": rootfs}, kind + "config.v1+json")
    layers = [{"mediaType": kind + "layer.v1.tar", "digest": "sha256:" + digest, "size": size}]
    manifest = {"schemaVersion": 2, "mediaType": kind + "manifest.v1+json", "config": config, "layers": layers}
    manifest = put(manifest, kind + "manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "binaries"}
    for name, value in [("index.json", {"schemaVersion": 2, "manifests": [manifest]}), ("oci-layout", {"imageLayoutVersion": "1.0.0"})]:
        with open(os.path.join(target, name), "w") as file:
            json.dump(value, file)
    return packages


def main():
    strata, database, directory = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        target = os.path.join(scratch, "layout")
        packages = layout(directory, target)
        report = os.path.join(scratch, "report.json")
        command = [strata, "scan", "--db", database, "--cache-dir", os.path.join(scratch, "cache"), "-q", "--format", "json"]
        subprocess.run(command + ["-o", report, f"oci:{target}:binaries"], check=True)
        with open(report) as file:
            found = json.load(file)
    right = wrong = 0
    told = set()
    for package in found["images"][0]["packages"]:
        if package["ecosystem"] != "binary":
            continue
        deb = package["file"].split("/", 1)[0]
        told.add(deb)
        expected = upstream(deb.split("_")[1]) if "_" in deb else ""
        # A distribution's own count may stand in the binary, too: `2.6.12-1+deb12u4`.
        version = re.split(r"[-+](?:dfsg|ds|\d+\+deb)", package["version"])[0]
        if not expected or version == expected or expected.startswith(version + "."):
            right += 1
            print(f"right  {package['name']} {package['version']}  {package['file']}  {package['purl']}")
        else:
            wrong += 1
            print(f"WRONG  {package['name']} {package['version']}, the package is {expected}  {package['file']}")
    for package in sorted(set(packages) - told):
        print(f"none   {package}")
    print(f"{right} right, {wrong} wrong; {len(set(packages) - told)} packages without a product")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
