#!/usr/bin/env python3
"""An oracle for findings: the raw advisories and the native version comparers against Strata's reports.

It shares no code and no table with Strata. Rules, from the OSV schema and the sources' own pages:

package    what the report lists: name, version, source name and source version (the same as the package's where the
           report says nothing). `packages.py` checks that list against the native tools.
keys       dpkg on Debian: `Debian:<major of VERSION_ID>`, by source name and source version.
           dpkg on Ubuntu: `Ubuntu:<release>`, `…:LTS` too for April of even years, by source name and source version;
           `Ubuntu:Pro:<release>:LTS` besides: where it lists the package for the same record it decides (its fix is
           higher than the free one, or the free one does not exist).
           apk on Alpine: `Alpine:v<major>.<minor>`, on Wolfi: `Wolfi`, on Alpaquita: `Alpaquita:<release>`, by origin and
           the package's version.
           rpm on AlmaLinux: `AlmaLinux:<major>` by the package's own name; on Rocky: `Rocky Linux:<major>` and on Azure
           Linux: `Azure Linux:<major>` by source name. Packages of modules and others (`.module` in the version) do
           not answer for each other.
           The language registries by the package's name as the registry compares names; documents (`sbom-…`) alike.
           Any other ecosystem is counted as not judged.
affected   the schema's evaluation: the version is in `versions`, or in a SEMVER or ECOSYSTEM range. Equality of listed
           versions is the scheme's (PEP 440's 1.0 is 1.0.0). GIT ranges are no ranges of versions.
undecided  a bound or the version is none to the native comparer: what it says of it counts neither way.
withdrawn  dropped. What affects a package of an ecosystem stands in that ecosystem's own zip: databases that name their
           records by CVE have several records of one id, each about the packages of its zip.
identity   the CVEs among the id, the aliases and the upstream list (in the id also with a source's prefix,
           `DEBIAN-CVE-…`): one finding for each. A record without: the one CVE that records sharing one of these names
           have (aliases are symmetric; the upstream list of a record about one CVE names that flaw), else the GHSA
           among them, else its id. A record without a CVE whose upstream list has several names is about each of them.
           AlmaLinux and Rocky list the CVEs that they answer as related; without any, theirs are bug fixes.

Exit code 1 when a finding is missing or extra where the oracle can decide.

    oracle.py --osv EXPORT --semver DIR [--maven JAR] REPORT.json…
"""

import argparse
import collections
import functools
import importlib.util
import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import compare

# Ecosystem of the export and comparer of each ecosystem of a report that is a language's.
LANGUAGES = {
    "python": ("PyPI", "pypi"), "sbom-pypi": ("PyPI", "pypi"), "wheel": ("PyPI", "pypi"),
    "npm": ("npm", "npm"), "sbom-npm": ("npm", "npm"), "java": ("Maven", "maven"), "sbom-maven": ("Maven", "maven"),
    "go": ("Go", "go"), "sbom-golang": ("Go", "go"), "rust": ("crates.io", "semver"), "sbom-cargo": ("crates.io", "semver"),
    "gem": ("RubyGems", "gem"), "sbom-gem": ("RubyGems", "gem"), "composer": ("Packagist", "packagist"),
    "sbom-composer": ("Packagist", "packagist"), "dotnet": ("NuGet", "nuget"), "sbom-nuget": ("NuGet", "nuget"),
    "erlang": ("Hex", "semver"), "dart": ("Pub", "build"), "swift": ("SwiftURL", "semver"), "julia": ("Julia", "build"),
    "r": ("CRAN", "cran"),
}
RPM = {"almalinux": ("AlmaLinux", False), "rocky": ("Rocky Linux", True), "azurelinux": ("Azure Linux", True)}
ERRATA = ("AlmaLinux", "Rocky Linux")

CVE = re.compile(r"(?:^|-)(CVE-\d{4}-\d+)$", re.IGNORECASE)


def cves(names):
    found = (CVE.search(name.strip()) for name in names)
    return {match.group(1).upper() for match in found if match}


def spelled(name):
    """GHSA identifiers are written in both cases."""
    return "GHSA-" + name[5:].lower() if name.upper().startswith("GHSA-") else name


class Advisories:
    """All records of an export, by ecosystem and package."""

    def __init__(self, exports):
        self.count, self.unreadable = 0, 0
        self.by_package = collections.defaultdict(list)
        self.known = collections.defaultdict(set)
        for archive in sorted(place for export in exports for place in Path(export).glob("*/all.zip")):
            with zipfile.ZipFile(archive) as files:
                for name in files.namelist():
                    self.read(archive.parent.name, files.read(name))

    def read(self, ecosystem, text):
        try:
            record = json.loads(text)
            record["id"]
        except (ValueError, KeyError):
            self.unreadable += 1
            return
        self.count += 1
        if record.get("withdrawn"):
            return
        names, found = self.names(record), self.cves(record)
        if len(found) == 1:
            for name in names | {spelled(name) for name in record.get("upstream") or []}:
                self.known[name] |= found
        if ecosystem in ERRATA and not found and re.match("..[BE]A", record["id"]):
            return
        for affected in record.get("affected") or []:
            package = affected.get("package") or {}
            if (package.get("ecosystem") or "").split(":")[0] == ecosystem:
                key = package["ecosystem"], normal(package["ecosystem"], package.get("name"))
                self.by_package[key].append((record, affected))

    @staticmethod
    def names(record):
        return {spelled(name) for name in [record["id"], *(record.get("aliases") or [])]}

    @staticmethod
    def cves(record):
        found = cves([record["id"], *(record.get("aliases") or []), *(record.get("upstream") or [])])
        first = ((record.get("affected") or [{}])[0].get("package") or {}).get("ecosystem") or ""
        if not found and first.split(":")[0] in ERRATA:
            return cves(record.get("related") or [])
        return found

    def identities(self, record):
        found = self.cves(record)
        if found:
            return found
        upstream = {spelled(name) for name in record.get("upstream") or []}
        if len(upstream) > 1:
            best = lambda name: min(self.known[name]) if len(self.known[name]) == 1 else name
            return {best(name) for name in upstream}
        names = self.names(record) | upstream
        shared = [self.known[name] for name in names if len(self.known[name]) == 1]
        if shared and len(set.union(*shared)) == 1:
            return shared[0]
        return {min((name for name in names if name.startswith("GHSA-")), default=record["id"])}


def normal(ecosystem, name):
    if ecosystem == "PyPI" and name:
        return re.sub(r"[-_.]+", "-", name).lower()
    if ecosystem in ("NuGet", "Packagist") and name:
        return name.lower()
    return name


def modular(version):
    return ".module_" in version or ".module+" in version


def of_module(affected):
    bounds = [bound for span in affected.get("ranges") or [] for event in span["events"] for bound in event.values()]
    return any(map(modular, bounds))


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


class Found:
    """Findings of one package: identity → records."""

    def __init__(self):
        self.sure, self.undecided = {}, {}


class Oracle:
    def __init__(self, advisories, comparers):
        self.advisories, self.comparers = advisories, comparers
        self.judged, self.not_judged = collections.Counter(), collections.Counter()

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
        if kind == "apk":
            name, release = package.get("source_name") or package["name"], distribution["version"].split(".")
            ecosystems = {"wolfi": ["Wolfi"], "alpaquita": ["Alpaquita:" + release[0]]}.get(distribution["id"], [])
            if distribution["id"] == "alpine":
                ecosystems = [f"Alpine:v{release[0]}.{release[1]}"]
            return ecosystems, name, package["version"], "apk"
        if kind == "rpm" and distribution["id"] in RPM:
            ecosystem, by_source = RPM[distribution["id"]]
            name = (by_source and package.get("source_name")) or package["name"]
            version = (by_source and package.get("source_version")) or package["version"]
            return [f"{ecosystem}:{distribution['version'].split('.')[0]}"], name, version, "rpm"
        if kind not in LANGUAGES:
            return [], package["name"], package["version"], ""
        ecosystem, comparer = LANGUAGES[kind]
        return [ecosystem], normal(ecosystem, package["name"]), package["version"], comparer

    def findings(self, package, distribution):
        ecosystems, name, version, scheme = self.keys(package, distribution)
        comparer = self.comparers.get(scheme)
        if comparer is None:
            self.not_judged[package["ecosystem"]] += 1
            return Found()
        self.judged[package["ecosystem"]] += 1
        listed = [
            (ecosystem, *entry) for ecosystem in ecosystems for entry in self.advisories.by_package[ecosystem, name]
        ]
        answers, records = collections.defaultdict(dict), {}
        for ecosystem, record, affected in listed:
            if ecosystem.split(":")[0] in ERRATA and of_module(affected) != modular(version):
                continue
            answer = included(version, affected, comparer)
            known = answers[record["id"]].get(ecosystem, False)
            # Several entries of one record: yes, then unknown, then no.
            answers[record["id"]][ecosystem] = known if known or answer is False else answer
            records[record["id"]] = record
        found = Found()
        for identifier, by_ecosystem in answers.items():
            paid = [answer for ecosystem, answer in by_ecosystem.items() if ecosystem.startswith("Ubuntu:Pro:")]
            values = paid or list(by_ecosystem.values())
            for identity in self.advisories.identities(records[identifier]):
                if any(values):
                    found.sure.setdefault(identity, []).append(identifier)
                elif None in values:
                    found.undecided.setdefault(identity, []).append(identifier)
        return found

    def prepare(self, packages):
        """Maven's comparer starts a machine for each call: it is asked for all pairs of an image at once."""
        pairs = []
        for package in packages:
            if package["ecosystem"] in ("java", "sbom-maven"):
                pairs += maven_pairs(package["version"], self.advisories.by_package["Maven", package["name"]])
        if "maven" in self.comparers:
            self.comparers["maven"].learn(pairs)


def maven_pairs(version, listed):
    pairs = []
    for _, affected in listed:
        bounds = [b for span in affected.get("ranges") or [] for event in span["events"] for b in event.values()]
        bounds = [bound for bound in bounds if bound != "0"]
        pairs += [(version, other) for other in bounds + (affected.get("versions") or [])]
        pairs += [(a, b) for a in bounds for b in bounds if a != b]
    return pairs


def main():
    arguments = argparse.ArgumentParser(description="Compare Strata's findings with an independent oracle.")
    arguments.add_argument("--osv", required=True, action="append", help="directory of an OSV export: <Ecosystem>/all.zip")
    arguments.add_argument("--semver", required=True, help="directory of node-semver")
    arguments.add_argument("--maven", help="Maven's artifact library (a jar); without it java is not judged")
    arguments.add_argument("reports", nargs="+", help="documents of `strata scan --format json`")
    options = arguments.parse_args()

    advisories = Advisories(options.osv)
    print(f"{advisories.count} records, {advisories.unreadable} unreadable")
    semver = str(Path(options.semver).resolve())
    comparers = {"deb": compare.Deb(), "apk": compare.Apk(), "pypi": compare.Pypi()}
    comparers |= {"npm": compare.Npm(semver), "go": compare.Go(semver), "semver": compare.Npm(semver)}
    comparers |= {"build": compare.Npm(semver, "compareBuild"), "cran": compare.Cran()}
    tools = {"rpm": ("rpm", compare.Rpm), "gem": ("ruby", compare.Gem), "packagist": ("php", compare.Packagist)}
    comparers |= {name: start() for name, (tool, start) in tools.items() if shutil.which(tool)}
    if importlib.util.find_spec("univers"):
        comparers["nuget"] = compare.Nuget()
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
    return 1 if differences else 0


def judge(image, oracle):
    label = (image.get("references") or [image["digest"]])[0]
    label = label if isinstance(label, str) else json.dumps(label)
    oracle.prepare(image["packages"])
    expected, undecided = {}, {}
    for package in image["packages"]:
        found = oracle.findings(package, image.get("distribution") or {})
        key = package["name"], package["version"]
        expected |= {(*key, identity): why for identity, why in found.sure.items()}
        undecided |= {(*key, identity): why for identity, why in found.undecided.items()}
    reported = {(f["package"], f["installed_version"], f["id"]): f["advisory"] for f in image["findings"]}
    missing, extra = expected.keys() - reported, reported.keys() - expected.keys()
    beyond = extra & undecided.keys()
    extra -= beyond
    counts = f"{len(expected)} expected, {len(reported)} reported, {len(missing)} missing, {len(extra)} extra"
    print(f"{label}: {counts}, undecided: {len(undecided)}, of which reported {len(beyond)}")
    for finding in sorted(missing):
        print("  missing", *finding, "by", ", ".join(expected[finding]))
    for finding in sorted(extra):
        print("  extra", *finding, "by", reported[finding])
    return len(missing) + len(extra)


if __name__ == "__main__":
    sys.exit(main())
