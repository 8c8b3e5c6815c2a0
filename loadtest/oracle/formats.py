#!/usr/bin/env python3
"""Strata's output formats against the readers and validators that others made for them.

One scan writes every format; each is then read by something that shares no code with Strata:

    json       jsonschema, with client/cli/schema/strata-1.schema.json
    trivy      the fields and the count that jq filters for Trivy's schema 2 rely on
    sarif      the SARIF SDK's Multitool (--multitool PROGRAM)
    gitlab     jsonschema, with what schema 15.0.7 requires; the trivy document must fail it
    cyclonedx  cyclonedx-python-lib's strict validator, 1.6
    spdx       spdx-tools' parser and validator, 2.3
    junit      junitparser
    markdown, csv, openvex   structure; csv by Python's own reader
    html       headless Chromium: search, filters, sorting; no request but the file itself

What is absent is skipped and named. The exit code is 1 when a document is refused.

    formats.py STRATA DATABASE IMAGE… [--multitool PROGRAM] [--chromium PROGRAM] [--keep DIRECTORY]
"""

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = "json", "trivy", "sarif", "gitlab", "cyclonedx", "spdx", "junit", "markdown", "html", "csv", "openvex"
SCHEMA = Path(__file__).resolve().parents[2] / "client/cli/schema/strata-1.schema.json"


class Skip(Exception):
    """Something that judges is not on this machine."""


def need(name):
    """A module from PyPI, or a skip that names its package."""
    try:
        module = __import__(name)
    except ImportError as error:
        raise Skip(f"there is no Python package {error.name}") from error
    return module


def text(**more):
    return {"type": "string", "minLength": 1, **more}


def record(required, **properties):
    return {"type": "object", "required": required, "properties": properties}


def gitlab_schema():
    """What GitLab's container scanning schema 15.0.7 requires."""
    moment = text(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$")
    tool = record(["id", "name", "version", "vendor"], id=text(), name=text(), version=text(),
                  vendor=record(["name"], name=text()))
    url = text(pattern="^(https?|ftp)://.+")
    scan = record(
        ["analyzer", "end_time", "scanner", "start_time", "status", "type"],
        analyzer=tool, scanner=tool, start_time=moment, end_time=moment,
        status={"enum": ["success", "failure"]}, type={"enum": ["container_scanning"]},
        messages={"type": "array", "items": record(["level", "value"], value=text(),
                                                   level={"enum": ["info", "warn", "fatal"]})},
    )
    dependency = record(["package", "version"], version={"type": "string"},
                        package=record(["name"], name={"type": "string"}))
    location = record(["dependency", "operating_system", "image"], dependency=dependency,
                      operating_system=text(), image=text(), default_branch_image=text(maxLength=255))
    vulnerability = record(
        ["id", "identifiers", "location"],
        id=text(), name={"type": "string", "maxLength": 255}, location=location,
        description={"type": "string", "maxLength": 1048576}, solution={"type": "string", "maxLength": 7000},
        severity={"enum": ["Info", "Unknown", "Low", "Medium", "High", "Critical"]},
        identifiers={"type": "array", "minItems": 1, "items": record(
            ["type", "name", "value"], type=text(), name=text(), value=text(), url=url)},
        links={"type": "array", "items": record(["url"], url=url)},
    )
    return record(["scan", "version", "vulnerabilities"], scan=scan,
                  version=text(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$"),
                  vulnerabilities={"type": "array", "items": vulnerability})


def refused(schema, document):
    """The first few reasons of a JSON Schema validator."""
    validator = need("jsonschema").validators.validator_for(schema)(schema)
    return [f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in
            list(validator.iter_errors(document))[:5]]


class Judge:
    """The documents of one scan."""

    def __init__(self, place, options):
        self.place, self.options = place, options
        self.findings = [finding for image in self.read("json")["images"] for finding in image["findings"]
                         if "suppressed" not in finding]

    def path(self, name):
        return self.place / f"report.{name}"

    def read(self, name):
        return json.loads(self.path(name).read_bytes())

    def count(self, found):
        return [] if found == len(self.findings) else [f"{found} findings, {len(self.findings)} in json"]

    def json(self):
        return refused(json.loads(SCHEMA.read_bytes()), self.read("json"))

    def trivy(self):
        document = self.read("trivy")
        wrong = [] if document["SchemaVersion"] == 2 and document["ArtifactType"] == "container_image" else ["head"]
        found = [one for group in document["Results"] for one in group.get("Vulnerabilities", [])]
        for one in found:
            missing = {"VulnerabilityID", "PkgName", "InstalledVersion", "Severity", "Layer"} - set(one)
            wrong += [f"{one.get('VulnerabilityID')}: no {missing}"] if missing else []
        return wrong[:5] + self.count(len(found))

    def sarif(self):
        program = self.options.multitool
        if not program:
            raise Skip("no --multitool")
        environment = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
        run = subprocess.run([program, "validate", self.path("sarif")], capture_output=True, text=True, env=environment)
        said = [line for line in run.stdout.splitlines() if re.search(r"\): (error|warning) ", line)]
        if "1 files scanned" not in run.stdout:
            return [f"the validator failed: {run.stdout[-300:]} {run.stderr[-300:]}"]
        found = [one for one in self.read("sarif")["runs"][0]["results"] if "suppressions" not in one]
        for line in sorted({re.sub(r"^.*?\): ", "", line)[:160] for line in said if ": warning " in line})[:5]:
            print(f"    {line}")
        return [line[:300] for line in said if ": error " in line][:5] + self.count(len(found))

    def gitlab(self):
        schema, document = gitlab_schema(), self.read("gitlab")
        wrong = refused(schema, document)
        ids = [one["id"] for one in document["vulnerabilities"]]
        wrong += [] if len(set(ids)) == len(ids) else ["an identifier stands twice"]
        wrong += [] if refused(schema, self.read("trivy")) else ["the schema takes a document of another format"]
        return wrong + self.count(len(ids))

    def cyclonedx(self):
        need("cyclonedx")
        try:
            from cyclonedx.schema import SchemaVersion
            from cyclonedx.validation.json import JsonStrictValidator
            error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(self.path("cyclonedx").read_text())
        except ImportError as error:
            raise Skip(f"there is no Python package {error.name}") from error
        except Exception as error:
            if type(error).__name__ == "MissingOptionalDependencyException":
                raise Skip("cyclonedx-python-lib has no [validation] extra") from error
            raise
        document = self.read("cyclonedx")
        known = {document["metadata"].get("component", {}).get("bom-ref")}
        for component in document["components"]:
            known |= {component["bom-ref"]} | {part["bom-ref"] for part in component.get("components", [])}
        used = {one["ref"] for found in document["vulnerabilities"] for one in found["affects"]}
        return ([str(error)[:500]] if error else []) + ([f"no component {used - known}"] if used - known else [])

    def spdx(self):
        need("spdx_tools")
        from spdx_tools.spdx.parser.parse_anything import parse_file
        from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
        copy = self.place / "report.spdx.json"
        shutil.copyfile(self.path("spdx"), copy)
        document = parse_file(str(copy))
        return [error.validation_message[:300] for error in validate_full_spdx_document(document)[:5]]

    def junit(self):
        suites = need("junitparser").JUnitXml.fromfile(str(self.path("junit")))
        kinds = [type(result).__name__ for suite in suites for case in suite for result in case.result]
        cases = sum(1 for suite in suites for _ in suite)
        wrong = [] if suites.tests == cases else [f"{suites.tests} tests announced, {cases} there"]
        return wrong + self.count(kinds.count("Failure"))

    def markdown(self):
        document = self.path("markdown").read_text()
        lines = [line for line in document.splitlines() if line.startswith("| ")]
        wide = [line for line in lines if line.count("|") != 7]
        # Beyond this, a comment of a merge request is refused.
        long = [f"{len(document)} characters"] if len(document) > 1_000_000 else []
        return wide[:3] + long + ([] if lines or not self.findings else ["no finding is listed"])

    def csv(self):
        with open(self.path("csv"), newline="") as file:
            rows = list(csv.reader(file))
        width = {len(row) for row in rows}
        risky = [cell for row in rows for cell in row if cell[:1] in "=+-@" and cell[:1]]
        wrong = ([f"rows of {width} cells"] if len(width) != 1 else []) + risky[:3]
        suppressed = rows[0].index("suppressed")
        return wrong + self.count(sum(row[0] == "finding" and not row[suppressed] for row in rows))

    def openvex(self):
        document = self.read("openvex")
        needs = {"affected": "action_statement", "not_affected": "impact_statement"}
        wrong = [one for one in document["statements"] if needs.get(one["status"], "status") not in one]
        head = {"@context", "@id", "author", "timestamp", "version", "statements"} - set(document)
        return [str(one)[:200] for one in wrong[:3]] + ([f"no {head}"] if head else [])

    def html(self):
        program = self.options.chromium or shutil.which("chromium")
        if not program:
            raise Skip("there is no chromium")
        from browser import Page
        page = Page(program, self.path("html"))
        try:
            return self.look_at(page)
        finally:
            page.screenshot(self.place / "report.png")
            page.close()

    def look_at(self, page):
        wrong = [f"it asks for {url}" for url in page.requests if not url.startswith("file://")]
        wrong += [f"it says {message}" for message in page.messages]
        rows = "Array.from(document.querySelectorAll('#findings tbody tr'))"
        shown = f"{rows}.filter((row) => !row.hidden && row.offsetHeight > 0)"
        total = page.value(f"{rows}.length")
        if page.value(f"{shown}.length") != total or total < len(self.findings):
            wrong.append(f"{total} rows")
        page.value("(() => { const box = document.getElementById('search'); box.value = 'no-such-thing-at-all';"
                   " box.dispatchEvent(new Event('input')); })()")
        wrong += [] if page.value(f"{shown}.length") == 0 else ["search finds what is not there"]
        name = self.findings[0]["id"] if self.findings else ""
        page.value(f"(() => {{ const box = document.getElementById('search'); box.value = {json.dumps(name)};"
                   " box.dispatchEvent(new Event('input')); })()")
        found = page.value(f"{shown}.length")
        matching = page.value(f"{shown}.every((row) => row.textContent.includes({json.dumps(name)}))")
        wrong += [] if matching and (found or not name) else [f"search for {name} shows {found} rows"]
        page.value("(() => { const box = document.getElementById('search'); box.value = '';"
                   " box.dispatchEvent(new Event('input')); })()")
        for column, key in ((1, "Number(row.cells[1].dataset.sort)"), (2, "row.cells[2].textContent")):
            order = []
            for _ in range(2):
                page.value(f"document.querySelectorAll('#findings th button')[{column}].click()")
                order.append(page.value(f"{rows}.map((row) => {key})"))
            wrong += [] if order[0] == order[1][::-1] or sorted(map(str, order[0])) == sorted(map(str, order[1])) \
                and order[0][0] == order[1][-1] else [f"column {column} does not sort"]
            if column == 1 and order[0] != sorted(order[0], reverse=True):
                wrong.append("risk does not sort the greatest first")
        page.value("document.querySelectorAll('#findings th button')[1].click()")
        page.value("(() => { for (const box of document.querySelectorAll('input.severity')) { box.checked = box.value"
                   " === '5'; box.dispatchEvent(new Event('input')); } })()")
        critical = sum(finding["severity"] == "CRITICAL" for finding in self.findings)
        counted = page.value(f"{shown}.filter((row) => !row.classList.contains('suppressed')).length")
        wrong += [] if counted == critical else [f"{counted} critical rows, {critical} in json"]
        page.value("(() => { for (const box of document.querySelectorAll('input.severity')) { box.checked = true;"
                   " box.dispatchEvent(new Event('input')); } })()")
        return wrong


def main():
    parser = argparse.ArgumentParser(description="Strata's formats against other readers")
    for name in ("strata", "database"):
        parser.add_argument(name)
    parser.add_argument("images", nargs="+")
    for name in ("--multitool", "--chromium", "--keep"):
        parser.add_argument(name)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        place = Path(options.keep or directory)
        place.mkdir(parents=True, exist_ok=True)
        outputs = [word for name in NAMES for word in ("-o", f"{name}={place / f'report.{name}'}")]
        command = [options.strata, "scan", "--db", options.database, "--cache-dir", place / "cache", *options.images]
        run = subprocess.run([*command, *outputs, "--db-max-age", "none"], capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(f"the scan ended with {run.returncode}: {run.stderr[-2000:]}")
        judge, bad = Judge(place, options), False
        print(f"{len(options.images)} arguments, {len(judge.findings)} findings")
        for name in NAMES:
            try:
                wrong = getattr(judge, name)()
                print(f"{name}: {'REFUSED' if wrong else 'good'}", *wrong, sep="\n    ")
                bad |= bool(wrong)
            except Skip as skip:
                print(f"{name}: SKIPPED, {skip}")
    sys.exit(bad)


if __name__ == "__main__":
    main()
