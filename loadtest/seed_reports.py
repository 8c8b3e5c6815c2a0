#!/usr/bin/env python3
"""Puts reports into an empty SQLite archive, for searches over many: `seed_reports.py ARCHIVE.sqlite [NUMBER]`.

What is searched by is as in a registry: packages and vulnerabilities by Zipf's law, two references of each image, which a build of a commit
of its own told. The bodies are empty: a search reads summaries alone. Everything follows from a seed.
"""

import hashlib
import random
import sqlite3
import sys

PACKAGES, OF_EACH = 4_000, 40
VULNERABILITIES, FOUND = 6_000, 15
BEGIN_MS = 1_793_491_200_000


def field(number: int, value: str | bytes) -> bytes:
    """One text or message of a message (protocol buffers' wire format, type 2)."""
    raw = value.encode() if isinstance(value, str) else value
    size = [len(raw)] if len(raw) < 128 else [len(raw) & 127 | 128, len(raw) >> 7]
    assert len(raw) < 16384
    return bytes([number << 3 | 2, *size]) + raw


def build(database: sqlite3.Connection, number: int) -> str:
    """The scan of a build: `Scan` with the `SourceContext` of its request. Returns its id."""
    scan = f"01m{number:023}"
    commit = hashlib.sha1(str(number).encode()).hexdigest()
    repository = f"https://git.example/team-{number % 97}/service-{number // 10:06}"
    source = field(2, repository) + field(3, commit) + field(5, "main") + field(7, str(number))
    body = field(1, scan) + bytes([2 << 3, 2]) + field(3, field(9, source))
    database.execute(
        "INSERT INTO scans (id, state, body, source_commit, source_branch, source_build, source_repository, told)"
        " VALUES (?, 2, ?, ?, 'main', ?, ?, 1)",
        (scan, body, commit, str(number), repository),
    )
    return scan


def term(kind: int, text: str) -> int:
    """The number that stands for a text (`strata_proto::content::term`)."""
    return int.from_bytes(hashlib.sha256(bytes([kind]) + text.encode()).digest()[:8], "big", signed=True)


def main() -> None:
    path, reports = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    chance = random.Random(1)
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous = OFF")
    packages = [term(2, f"package-{number:04}") for number in range(1, PACKAGES + 1)]
    found = [term(1, f"CVE-2026-{number:05}") for number in range(1, VULNERABILITIES + 1)]
    of_package = [1 / number for number in range(1, PACKAGES + 1)]
    of_vulnerability = [1 / number for number in range(1, VULNERABILITIES + 1)]
    terms = chance.choices(packages, of_package, k=1_000_000), chance.choices(found, of_vulnerability, k=1_000_000)
    for number in range(1, reports + 1):
        image = "sha256:" + hashlib.sha256(str(number).encode()).hexdigest()
        report = hashlib.sha256(f"report {number}".encode()).hexdigest()
        summary = field(1, report) + field(2, image)
        database.execute(
            "INSERT INTO reports (number, id, image_digest, created_unix_ms, summary, content, vulnerabilities, packages)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (number, report, image, BEGIN_MS + number * 10, summary, number, 2 * number, 2 * number + 1),
        )
        database.execute("INSERT INTO contents (number, body) VALUES (?, x'')", (number,))
        name = f"registry.example:5000/team-{number % 97}/service-{number // 10:06}"
        scan = build(database, number)
        references = [(number, scan, f"{name}:1.0.{number % 10}"), (number, scan, f"{name}:build-{number}")]
        database.executemany("INSERT INTO report_references (report, scan, reference) VALUES (?, ?, ?)", references)
        at = chance.randrange(900_000)
        for place, (of_list, size) in enumerate([(terms[1], FOUND), (terms[0], OF_EACH)]):
            listed = sorted(set(of_list[at : at + size]))
            terms_of_list = b"".join(one.to_bytes(8, "big", signed=True) for one in listed)
            database.execute("INSERT INTO lists (number, terms) VALUES (?, ?)", (2 * number + place, terms_of_list))
            postings = [(one, 2 * number + place) for one in listed]
            database.executemany("INSERT INTO postings (term, list) VALUES (?, ?)", postings)
    database.commit()
    count = database.execute("SELECT count(*) FROM postings").fetchone()[0]
    print(f"{reports} reports, {count} postings")


if __name__ == "__main__":
    main()
