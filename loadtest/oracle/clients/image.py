"""An image of one directory, and what Strata says of it."""

import hashlib
import json
import os
import subprocess
import tarfile
from pathlib import Path

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def write(root, place):
    """Writes `root` as the one layer of an OCI layout at `place`."""
    blobs = Path(place) / "blobs/sha256"
    blobs.mkdir(parents=True)
    archive = blobs / "layer"
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as files:
        for name in sorted(os.listdir(root)):
            files.add(Path(root) / name, arcname=name)
    with open(archive, "rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    size = archive.stat().st_size
    archive.rename(blobs / digest)
    digest = "sha256:" + digest
    rootfs = {"type": "layers", "diff_ids": [digest]}
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(blobs, CONFIG, config),
        "layers": [{"mediaType": LAYER, "digest": digest, "size": size}],
    }
    described = blob(blobs, MANIFEST, manifest)
    described["annotations"] = {"org.opencontainers.image.ref.name": "root"}
    (Path(place) / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    (Path(place) / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def blob(blobs, kind, document):
    content = json.dumps(document).encode()
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(content)}


def scan(strata, database, place):
    """The report on the one image of a layout."""
    command = [strata, "scan", "--db", database, "--format", "json", "--quiet", f"oci:{place}:root"]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    (image,) = json.loads(run.stdout)["images"]
    return image


def database(strata, place):
    """Compiles a database of one advisory on nothing: inventories do not depend on it."""
    records = Path(place) / "records/Debian"
    records.mkdir(parents=True)
    package = {"ecosystem": "Debian:12", "name": "none"}
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]
    record = {"id": "NONE-1", "modified": "2024-01-01T00:00:00Z", "affected": [{"package": package, "ranges": ranges}]}
    (records / "NONE-1.json").write_text(json.dumps(record))
    output = Path(place) / "none.strata"
    command = [strata, "db", "build", "--from", records.parent, "--output", output]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return output
