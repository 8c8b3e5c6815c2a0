#!/usr/bin/env python3
"""An oracle for findings: the raw advisories and the native version comparers against Strata's reports.

It shares no code and no table with Strata. Rules, from the OSV schema and the sources' own pages:

package    what the report lists: name, version, source name and source version (the same as the package's where the
           report says nothing). `packages.py` checks that list against the native tools.
keys       dpkg on Debian: `Debian:<major of VERSION_ID>`, by source name and source version.
           dpkg on Ubuntu: `Ubuntu:<release>`, `…:LTS` too for April of even years, by source name and source version;
           `Ubuntu:Pro:<release>:LTS` besides: where it lists the package for the same record it decides (its fix is
           higher than the free one, or the free one does not exist).
           python: `PyPI` by PEP 503 name. npm: `npm` by exact name. java: `Maven` by group:artifact. go: `Go`.
           Any other ecosystem is counted as not judged.
affected   the schema's evaluation: the version is in `versions`, or in a SEMVER or ECOSYSTEM range. Equality of listed
           versions is the scheme's (PEP 440's 1.0 is 1.0.0). GIT ranges are no ranges of versions.
undecided  a bound that decides is no version of the scheme: neither affected nor clear.
withdrawn  dropped. A record that stands in several zips counts once: the one modified last.
identity   the CVEs among the id, the aliases and the upstream list (in the id also with a source's prefix,
           `DEBIAN-CVE-…`): one finding for each. A record without: the one CVE that records sharing a name with it
           (aliases are symmetric) have, else its GHSA, else its id.

Exit code 1 when a finding is missing or extra.

    oracle.py --osv EXPORT --semver DIR [--maven JAR] REPORT.json…
"""

import argparse
import collections
import functools
import json
import re
import sys
import zipfile
from pathlib import Path

import compare

CVE = re.compile(r"(?:^|-)(CVE-\d{4}-\d+)$", re.IGNORECASE)


def cves(names):
    found = (CVE.search(name.strip()) for name in names)
    return {match.group(1).upper() for match in found if match}


def spelled(name):
    """GHSA identifiers are written in both cases."""
    return "GHSA-" + name[5:].lower() if name.upper().startswith("GHSA-") else name


class Advisories:
    """All records of an export, by ecosystem and package."""

    def __init__(self, export):
        self.records, self.unreadable = {}, 0
        for archive in sorted(Path(export).glob("*/all.zip")):
            self.read(archive)
        self.by_package = collections.defaultdict(list)
        self.by_name = collections.defaultdict(set)
        for record in self.records.values():
            if record.get("withdrawn"):
                continue
            for affected in record.get("affected") or []:
                package = affected.get("package") or {}
                key = package.get("ecosystem"), normal(package.get("ecosystem"), package.get("name"))
                self.by_package[key].append((record, affected))
            for name in self.names(record):
                self.by_name[name].add(record["id"])

    def read(self, archive):
        with zipfile.ZipFile(archive) as files:
            for name in files.namelist():
                try:
                    record = json.loads(files.read(name))
                    key, modified = record["id"], record.get("modified", "")
                except (ValueError, KeyError):
                    self.unreadable += 1
                    continue
                if key not in self.records or self.records[key].get("modified", "") < modified:
                    self.records[key] = record

    @staticmethod
    def names(record):
        return {spelled(name) for name in [record["id"], *(record.get("aliases") or [])]}

    def identities(self, record):
        found = cves([record["id"], *(record.get("aliases") or []), *(record.get("upstream") or [])])
        if found:
            return found
        names = self.names(record)
        around = {other for name in names for other in self.by_name[name]}
        shared = set()
        for other in around:
            shared |= cves([other, *(self.records[other].get("aliases") or [])])
        if len(shared) == 1:
            return shared
        return {min((name for name in names if name.startswith("GHSA-")), default=record["id"])}


def normal(ecosystem, name):
    if ecosystem == "PyPI" and name:
        return re.sub(r"[-_.]+", "-", name).lower()
    return name


def included(version, affected, comparer):
    """True, False, or None where it cannot be said."""
    listed = affected.get("versions") or []
    if version in listed or any(comparer(version, other) == 0 for other in listed):
        return True
    unknown = False
    for span in affected.get("ranges") or []:
        if span.get("type") == "GIT":
            continue
        answer = in_range(version, span.get("events") or [], comparer)
        if answer:
            return True
        unknown = unknown or answer is None
    return None if unknown else False


class Undecided(Exception):
    """A bound that is no version."""


def in_range(version, events, comparer):
    def order(a, b):
        if a == "0" or b == "0":
            return (a != "0") - (b != "0")
        answer = comparer(a, b)
        if answer is None:
            raise Undecided
        return answer

    points = [(kind, bound) for event in events for kind, bound in event.items()]
    try:
        limits = [bound for kind, bound in points if kind == "limit"]
        if limits and all(order(version, bound) >= 0 for bound in limits):
            return False
        steps = [point for point in points if point[0] != "limit"]
        steps.sort(key=functools.cmp_to_key(lambda a, b: order(a[1], b[1])))
        vulnerable = False
        for kind, bound in steps:
            place = 1 if bound == "0" else order(version, bound)
            if kind == "introduced" and place >= 0:
                vulnerable = True
            elif kind == "fixed" and place >= 0:
                vulnerable = False
            elif kind == "last_affected" and place > 0:
                vulnerable = False
        return vulnerable
    except Undecided:
        return None


class Oracle:
    def __init__(self, advisories, comparers):
        self.advisories, self.comparers = advisories, comparers
        self.undecided, self.judged, self.not_judged = set(), collections.Counter(), collections.Counter()

    def keys(self, package, distribution):
        """Ecosystems, name, version and comparer of a package."""
        kind = package["ecosystem"]
        if kind == "dpkg":
            name = package.get("source_name") or package["name"]
            version = package.get("source_version") or package["version"]
            release = distribution["version"]
            ecosystems = []
            if distribution["id"] == "debian":
                ecosystems = ["Debian:" + release.split(".")[0]]
            if distribution["id"] == "ubuntu":
                year, month = release.split(".")[:2]
                ecosystems = [f"Ubuntu:{year}.{month}"]
                if month == "04" and int(year) % 2 == 0:
                    ecosystems += [f"Ubuntu:{year}.{month}:LTS", f"Ubuntu:Pro:{year}.{month}:LTS"]
            return ecosystems, name, version, "deb"
        language = {"python": ("PyPI", "pypi"), "npm": ("npm", "npm"), "java": ("Maven", "maven"), "go": ("Go", "go")}
        if kind not in language:
            return [], package["name"], package["version"], ""
        ecosystem, comparer = language[kind]
        return [ecosystem], normal(ecosystem, package["name"]), package["version"], comparer

    def findings(self, package, distribution):
        ecosystems, name, version, scheme = self.keys(package, distribution)
        comparer = self.comparers.get(scheme)
        if comparer is None:
            self.not_judged[package["ecosystem"]] += 1
            return {}
        self.judged[package["ecosystem"]] += 1
        listed = [
            (ecosystem, *entry) for ecosystem in ecosystems for entry in self.advisories.by_package[ecosystem, name]
        ]
        if scheme == "maven":
            comparer.learn(maven_pairs(version, listed))
        answers = collections.defaultdict(dict)
        for ecosystem, record, affected in listed:
            answer = included(version, affected, comparer)
            known = answers[record["id"]].get(ecosystem, False)
            # Several entries of one record: yes, then unknown, then no.
            answers[record["id"]][ecosystem] = known if known or answer is False else answer
        found = {}
        for identifier, by_ecosystem in answers.items():
            paid = [answer for ecosystem, answer in by_ecosystem.items() if ecosystem.startswith("Ubuntu:Pro:")]
            values = paid or list(by_ecosystem.values())
            if any(values):
                for identity in self.advisories.identities(self.advisories.records[identifier]):
                    found.setdefault(identity, []).append(identifier)
            elif None in values:
                self.undecided.add((package["name"], package["version"], identifier))
        return found


def maven_pairs(version, listed):
    pairs = []
    for _, _, affected in listed:
        bounds = [b for span in affected.get("ranges") or [] for event in span["events"] for b in event.values()]
        bounds = [bound for bound in bounds if bound != "0"]
        pairs += [(version, other) for other in bounds + (affected.get("versions") or [])]
        pairs += [(a, b) for a in bounds for b in bounds]
    return pairs


def main():
    arguments = argparse.ArgumentParser(description="Compare Strata's findings with an independent oracle.")
    arguments.add_argument("--osv", required=True, help="directory of an OSV export: <Ecosystem>/all.zip")
    arguments.add_argument("--semver", required=True, help="directory of node-semver")
    arguments.add_argument("--maven", help="Maven's artifact library (a jar); without it java is not judged")
    arguments.add_argument("reports", nargs="+", help="documents of `strata scan --format json`")
    options = arguments.parse_args()

    advisories = Advisories(options.osv)
    print(f"{len(advisories.records)} records, {advisories.unreadable} unreadable")
    comparers = {"deb": compare.Deb(), "pypi": compare.Pypi(), "npm": compare.Npm(options.semver)}
    comparers["go"] = compare.Go(options.semver)
    if options.maven:
        comparers["maven"] = compare.Maven(options.maven)
    oracle = Oracle(advisories, comparers)
    differences = 0
    for path in options.reports:
        for image in json.loads(Path(path).read_text())["images"]:
            differences += judge(image, oracle)
    print("judged " + ", ".join(f"{count} {kind}" for kind, count in sorted(oracle.judged.items())))
    if oracle.not_judged:
        print("not judged: " + ", ".join(f"{count} {kind}" for kind, count in oracle.not_judged.items()))
    print("comparisons: " + ", ".join(f"{kind} {comparer.asked}" for kind, comparer in comparers.items()))
    for name, version, identifier in sorted(oracle.undecided):
        print(f"undecided: {identifier} for {name} {version}")
    return 1 if differences else 0


def judge(image, oracle):
    label = (image.get("references") or [image["digest"]])[0]
    label = label if isinstance(label, str) else json.dumps(label)
    expected, reasons = set(), {}
    for package in image["packages"]:
        for identity, why in oracle.findings(package, image.get("distribution") or {}).items():
            expected.add((package["name"], package["version"], identity))
            reasons[package["name"], package["version"], identity] = why
    reported = {(finding["package"], finding["installed_version"], finding["id"]) for finding in image["findings"]}
    missing, extra = expected - reported, reported - expected
    print(f"{label}: {len(expected)} expected, {len(reported)} reported, {len(missing)} missing, {len(extra)} extra")
    for finding in sorted(missing):
        print("  missing", *finding, "by", ", ".join(reasons[finding]))
    advisory = {(f["package"], f["installed_version"], f["id"]): f["advisory"] for f in image["findings"]}
    for finding in sorted(extra):
        print("  extra", *finding, "by", advisory[finding])
    return len(missing) + len(extra)


if __name__ == "__main__":
    sys.exit(main())
