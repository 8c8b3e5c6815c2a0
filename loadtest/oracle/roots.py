#!/usr/bin/env python3
"""Strata's package lists against the native tools, on root file systems that the ordinary package clients make.

Each client of `clients/` installs into a temporary directory, packs the result as an image, and says what its own tool
lists of it. Everything that Strata reports of the image counts, whatever the ecosystem, and so do its problems.

One line for each case: how many packages the native tool lists, how many Strata, how many are missing and extra.
A case whose client or registry is absent says so. The exit code is 1 when anything differs.

    roots.py [--strata PROGRAM] [--keep DIRECTORY] [CLIENT…]
"""

import argparse
import importlib
import shutil
import sys
import tempfile
from pathlib import Path

from clients import image
from clients.case import Skip, listed

CLIENTS = "debian", "rpm", "python", "npm", "ruby", "php", "rust", "go", "java", "r", "lua", "erlang"

#: says that the database has nothing on the packages: this one has nothing on any
ASSESSMENT = "no-advisories"


def compare(strata, database, case, place):
    """Prints the case's line; whether anything differs."""
    layout = place / "layout"
    image.write(case.root, layout)
    report = image.scan(strata, database, layout)
    shutil.rmtree(layout)
    found = listed(report, case)
    missing, extra = case.native - found, found - case.native
    counts = f"{len(case.native)} native, {len(found)} strata, {len(missing)} missing, {len(extra)} extra"
    print(f"{case.name}: {counts}", flush=True)
    for word, packages in (("missing", missing), ("extra", extra)):
        for package in sorted(packages):
            print(" ", word, *(part or "-" for part in package))
    said = [problem for problem in report["problems"] if problem["code"] != ASSESSMENT]
    problems = {problem["code"] for problem in said}
    for problem in said:
        if problem["code"] not in case.problems:
            print("  problem", problem["code"], problem.get("file", ""), problem["message"])
    for code in sorted(case.problems - problems):
        print("  no problem", code)
    return bool(missing or extra or problems != case.problems)


def main():
    arguments = argparse.ArgumentParser(description="Compare Strata's package lists with the native tools'.")
    program = Path(__file__).resolve().parents[2] / "target/debug/strata"
    arguments.add_argument("--strata", default=program, help="the program (default: the debug build)")
    arguments.add_argument("--keep", help="work in this directory and keep it: what stands there is used again")
    arguments.add_argument("client", nargs="*", help=f"of {', '.join(CLIENTS)} (default: all)")
    options = arguments.parse_args()
    if unknown := set(options.client) - set(CLIENTS):
        arguments.error(f"no client is called {', '.join(sorted(unknown))}")
    different = 0
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(options.keep or scratch).resolve()
        database = image.database(options.strata, scratch)
        for client in options.client or CLIENTS:
            cases = importlib.import_module(f"clients.{client}").cases(work)
            try:
                for case in cases:
                    with tempfile.TemporaryDirectory() as place:
                        different += compare(options.strata, database, case, Path(place))
            except Skip as reason:
                print(f"{client}: skipped, {reason}", flush=True)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
