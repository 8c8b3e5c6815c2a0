"""Ruby: gems that `gem build` makes, installed beside Debian's default gems; `gem list` lists them."""

import re

from .case import Case, put
from .debian import inside, part, workshop

#: name, version, platform
GEMS = (
    ("plain", "1.0.0", "ruby"),
    ("plain", "1.1.0.pre2", "ruby"),
    ("under_score-and-dash", "0.0.1", "ruby"),
    ("native", "2.3.4", "x86_64-linux"),
)
PLACES = (
    "usr/lib/ruby",
    "usr/lib/x86_64-linux-gnu/rubygems-integration",
    "usr/share/rubygems-integration",
    "var/lib/gems",
)


def cases(work):
    root = workshop(work)
    for name, version, platform in GEMS:
        attributes = f's.name = "{name}"; s.version = "{version}"; s.platform = "{platform}"; s.summary = "x"; '
        text = f'Gem::Specification.new {{ |s| {attributes} s.authors = ["x"]; s.files = [] }}\n'
        put(root / "root/gems", {f"{name}-{version}.gemspec": text})
        inside(root, "sh", "-c", f"cd /root/gems && gem build -q --force {name}-{version}.gemspec")
    inside(root, "sh", "-c", "gem install -q --local --no-document --force /root/gems/*.gem")
    lines = inside(root, "gem", "list", "--local", "--all").splitlines()
    native = {("gem", *found) for line in lines for found in versions(line)}
    image = part(work, "ruby", *PLACES)
    # A gem carries an extension of an editor, whose manifest is npm's to list.
    for manifest in image.glob("**/package.json"):
        manifest.unlink()
    yield Case("ruby gems", image, native)


def versions(line):
    """`name (default: 1.0, 0.9 x86_64-linux)`."""
    found = re.fullmatch(r"(\S+) \((.*)\)", line.strip())
    if not found:
        return
    for entry in found[2].split(", "):
        yield found[1], entry.removeprefix("default: ").split(" ")[0]
