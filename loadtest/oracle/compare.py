"""Native version comparers: each answers -1, 0 or 1, or None for a text that is no version of its kind.

deb    `dpkg --compare-versions`; a text that dpkg calls bad syntax is no version
pypi   `packaging.version`
npm    `node-semver` in one node process, a line in and a line out
maven  `ComparableVersion` of Maven's own artifact library, when it is given
"""

import json
import subprocess

from packaging.version import InvalidVersion, Version

NODE = """
const semver = require(process.argv[1]);
require('readline').createInterface({input: process.stdin}).on('line', line => {
  const [a, b] = JSON.parse(line);
  let answer = null;
  try { answer = semver.compare(a, b); } catch (error) { answer = null; }
  console.log(JSON.stringify(answer));
});
"""


class Memory:
    """Remembers answers: advisories share their bounds."""

    def __init__(self):
        self.known = {}
        self.asked = 0

    def __call__(self, a, b):
        if (a, b) not in self.known:
            self.asked += 1
            self.known[a, b] = self.compare(a, b)
        return self.known[a, b]


class Deb(Memory):
    def holds(self, a, relation, b):
        run = subprocess.run(
            ["dpkg", "--compare-versions", a, relation, b], stderr=subprocess.PIPE, check=False
        )
        if run.returncode not in (0, 1) or run.stderr:
            return None
        return run.returncode == 0

    def compare(self, a, b):
        less = self.holds(a, "lt", b)
        if less is None or less:
            return None if less is None else -1
        return 0 if self.holds(a, "eq", b) else 1


class Pypi(Memory):
    def compare(self, a, b):
        try:
            a, b = Version(a), Version(b)
        except InvalidVersion:
            return None
        return (a > b) - (a < b)


class Npm(Memory):
    def __init__(self, semver):
        super().__init__()
        self.node = subprocess.Popen(
            ["node", "-e", NODE, semver], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def compare(self, a, b):
        self.node.stdin.write(json.dumps([a, b]) + "\n")
        self.node.stdin.flush()
        return json.loads(self.node.stdout.readline())


class Go(Npm):
    """Go's versions are semantic versions with a `v`; the toolchain's `go1.22rc1` has no third part to spell."""

    def compare(self, a, b):
        return super().compare(a.removeprefix("v").removeprefix("go"), b.removeprefix("v").removeprefix("go"))


class Maven(Memory):
    """One call compares a chain of versions; `learn` asks for many pairs at once."""

    MAIN = "org.apache.maven.artifact.versioning.ComparableVersion"

    def __init__(self, jar):
        super().__init__()
        self.jar = jar

    def learn(self, pairs):
        pairs = [pair for pair in dict.fromkeys(pairs) if pair not in self.known]
        for at in range(0, len(pairs), 5000):
            some = pairs[at : at + 5000]
            chain = [version for pair in some for version in pair]
            run = subprocess.run(
                ["java", "-XX:TieredStopAtLevel=1", "-cp", self.jar, self.MAIN, *chain],
                stdout=subprocess.PIPE, text=True, check=True,
            )
            signs = [line.split()[1] for line in run.stdout.splitlines() if line.startswith("   ")]
            assert len(signs) == len(chain) - 1, "an answer for each neighbour"
            self.asked += len(some)
            for pair, sign in zip(some, signs[::2]):
                self.known[pair] = {"<": -1, "==": 0, ">": 1}[sign]

    def compare(self, a, b):
        self.learn([(a, b)])
        return self.known[a, b]
