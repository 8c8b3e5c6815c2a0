"""Native version comparers: each answers -1, 0 or 1, or None for a text that is no version of its kind.

deb    `dpkg --compare-versions`; a text that dpkg calls bad syntax is no version
pypi   `packaging.version`
npm    `node-semver` in one node process, a line in and a line out
maven  `ComparableVersion` of Maven's own artifact library, when it is given
rpm    `rpm.vercmp` of rpm's own Lua, in one rpm process
gem    `Gem::Version` in one ruby process
packagist  `Composer\\Semver` in one php process
semver `node-semver` too: what it does not read (two numbers, four numbers) is no version here
build  the same with `compareBuild`, for registries where builds count
apk    no tool of its own stands on other systems: the order as apk-package(5) has it, told again here
cran   no tool either: R's `package_version` as its manual has it, told again here
nuget  none that runs here: `univers`, an independent reading of NuGet's rules, when it is there
"""

import itertools
import json
import re
import subprocess

from packaging.version import InvalidVersion, Version

NODE = """
const semver = require(process.argv[1]), compare = semver[process.argv[2]];
require('readline').createInterface({input: process.stdin}).on('line', line => {
  const [a, b] = JSON.parse(line);
  let answer = null;
  try { answer = compare(a, b); } catch (error) { answer = null; }
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


class Apk(Memory):
    """Numbers, a letter, suffixes with numbers, a commit, a revision; what a version lacks is below what another has."""

    SUFFIXES = ["alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"]
    SHAPE = re.compile(
        r"(\d+)((?:\.\d+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*)(?:~([0-9a-f]+))?(?:-r(\d+))?"
    )

    def parts(self, text):
        """(kind, value); a kind with a higher number is lower where the other version has something else."""
        match = self.SHAPE.fullmatch(text)
        if match is None:
            return None
        first, numbers, letter, suffixes, commit, revision = match.groups()
        numbers = numbers.split(".")[1:]
        # Zeros in front make a number a fraction, where versions of apk differ.
        if any(number.startswith("0") and number != "0" for number in numbers):
            return None
        parts = [(0, int(first))] + [(1, int(number)) for number in numbers] + ([(2, letter)] if letter else [])
        for name, number in re.findall(r"_([a-z]+)(\d*)", suffixes):
            parts.append((3, self.SUFFIXES.index(name)))
            parts += [(4, int(number))] if number else []
        parts += [(5, commit)] if commit else []
        return parts + ([(6, int(revision))] if revision else [])

    def compare(self, a, b):
        a, b = self.parts(a), self.parts(b)
        if a is None or b is None:
            return None
        release = self.SUFFIXES.index("")
        for one, other in itertools.zip_longest(a, b, fillvalue=(7, 0)):
            if one[0] == other[0]:
                if one[1] != other[1]:
                    return 1 if one[1] > other[1] else -1
                continue
            if one[0] == 3 and one[1] < release:
                return -1
            if other[0] == 3 and other[1] < release:
                return 1
            return -1 if one[0] > other[0] else 1
        return 0


class Process(Memory):
    """A process that answers each line, a pair parted by a tab, with a line: a number, or nothing for no versions."""

    def __init__(self, *command):
        super().__init__()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def compare(self, a, b):
        if not a or not b or set(a + b) & set("\t\n"):
            return None
        self.process.stdin.write(f"{a}\t{b}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        return int(answer) if answer else None


class Rpm(Process):
    SCRIPT = """%{lua: for line in io.lines() do
        local a, b = line:match("^(.-)\t(.*)$")
        io.write(rpm.vercmp(a, b), "\\n") io.flush()
    end}"""

    def __init__(self):
        super().__init__("rpm", "--eval", self.SCRIPT)


class Gem(Process):
    SCRIPT = """
    $stdout.sync = true
    while line = $stdin.gets
      a, b = line.chomp.split("\t")
      known = Gem::Version.correct?(a) && Gem::Version.correct?(b)
      puts(known ? Gem::Version.new(a) <=> Gem::Version.new(b) : "")
    end
    """

    def __init__(self):
        super().__init__("ruby", "-e", self.SCRIPT)


class Packagist(Process):
    SCRIPT = r"""
    require "Composer/Semver/autoload.php";
    $parser = new Composer\Semver\VersionParser();
    while (($line = fgets(STDIN)) !== false) {
        [$a, $b] = explode("\t", rtrim($line, "\n"));
        try {
            [$a, $b] = [$parser->normalize($a), $parser->normalize($b)];
            $less = Composer\Semver\Comparator::lessThan($a, $b);
            echo $less ? -1 : (Composer\Semver\Comparator::equalTo($a, $b) ? 0 : 1), "\n";
        } catch (UnexpectedValueException $error) {
            echo "\n";
        }
    }
    """

    def __init__(self):
        super().__init__("php", "-r", self.SCRIPT)


class Cran(Memory):
    """Numbers parted by dots or hyphens; a version that only continues is above."""

    def compare(self, a, b):
        if not all(re.fullmatch(r"\d+([.-]\d+)*", version) for version in (a, b)):
            return None
        a, b = ([int(number) for number in re.split("[.-]", version)] for version in (a, b))
        return (a > b) - (a < b)


class Nuget(Memory):
    def compare(self, a, b):
        from univers.versions import NugetVersion

        try:
            a, b = NugetVersion(a), NugetVersion(b)
        except Exception:  # Its errors have no base of their own.
            return None
        return (a > b) - (a < b)


class Npm(Memory):
    def __init__(self, semver, function="compare"):
        super().__init__()
        self.node = subprocess.Popen(
            ["node", "-e", NODE, semver, function], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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
