#!/usr/bin/env python3
"""Puts reports into an empty SQLite archive, for searches over many: `seed_reports.py ARCHIVE.sqlite [NUMBER]`.

What is searched by is as in a registry: packages and vulnerabilities by Zipf's law, two references of each image. The bodies are empty:
a search reads summaries alone. Everything follows from a seed.
"""

import hashlib
import random
import sqlite3
import sys

PACKAGES, OF_EACH = 4_000, 40
VULNERABILITIES, FOUND = 6_000, 15
BEGIN_MS = 1_793_491_200_000


def field(number: int, text: str) -> bytes:
    """One text of a message (protocol buffers' wire format, type 2)."""
    raw = text.encode()
    assert len(raw) < 128
    return bytes([number << 3 | 2, len(raw)]) + raw


def main() -> None:
    path, reports = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    chance = random.Random(1)
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous = OFF")
    names = [(number, 2, f"package-{number:04}") for number in range(1, PACKAGES + 1)]
    names += [(PACKAGES + number, 1, f"CVE-2026-{number:05}") for number in range(1, VULNERABILITIES + 1)]
    database.executemany("INSERT INTO terms (id, kind, text) VALUES (?, ?, ?)", names)
    packages = range(1, PACKAGES + 1)
    found = range(PACKAGES + 1, PACKAGES + VULNERABILITIES + 1)
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
        database.executemany("INSERT INTO lists (number) VALUES (?)", [(2 * number,), (2 * number + 1,)])
        name = f"registry.example:5000/team-{number % 97}/service-{number // 10:06}"
        references = [(number, "seeded", f"{name}:1.0.{number % 10}"), (number, "seeded", f"{name}:build-{number}")]
        database.executemany("INSERT INTO report_references (report, scan, reference) VALUES (?, ?, ?)", references)
        at = chance.randrange(900_000)
        for place, (of_list, size) in enumerate([(terms[1], FOUND), (terms[0], OF_EACH)]):
            listed = [(term, 2 * number + place) for term in set(of_list[at : at + size])]
            database.executemany("INSERT INTO postings (term, list) VALUES (?, ?)", listed)
    database.commit()
    count = database.execute("SELECT count(*) FROM postings").fetchone()[0]
    print(f"{reports} reports, {count} postings")


if __name__ == "__main__":
    main()
