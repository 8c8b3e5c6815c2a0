"""npm: projects with scopes, nesting, aliases and workspaces, and a global prefix; `npm ls --all` lists them."""

import json
import shutil

from .case import Case, need, put, run

#: two releases of one package that must nest, a scope, an alias, a package that bundles others
NEEDED = {
    "express": "4.18.2",
    "debug": "4.3.4",
    "@babel/code-frame": "7.22.13",
    "old-lodash": "npm:lodash@3.10.1",
    "lodash": "4.17.21",
    "member": "1.0.0",
}
PROJECT = {"name": "application", "version": "3.2.1", "workspaces": ["packages/*"], "dependencies": NEEDED}
MEMBER = {"name": "member", "version": "1.0.0", "dependencies": {"ms": "2.0.0", "@sindresorhus/is": "4.6.0"}}
SCOPED = {"name": "@own/other", "version": "0.0.1-beta.1+5", "dependencies": {"semver": "5.7.2"}}


def cases(work):
    need("npm")
    root = work / "npm-project"
    shutil.rmtree(root, ignore_errors=True)
    put(root, {"srv/app/package.json": json.dumps(PROJECT)})
    put(root, {"srv/app/packages/member/package.json": json.dumps(MEMBER)})
    put(root, {"srv/app/packages/other/package.json": json.dumps(SCOPED)})
    install = "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"
    run(*install, cwd=root / "srv/app")
    yield Case("npm project", root, native(root / "srv/app"))

    root = work / "npm-global"
    shutil.rmtree(root, ignore_errors=True)
    prefix = root / "usr/local"
    prefix.mkdir(parents=True)
    run(*install, "--global", "--prefix", prefix, "npm@10.2.4", "@vue/compiler-sfc@3.3.4")
    yield Case("npm global", root, native(root, "--global", "--prefix", prefix))


def native(directory, *options):
    """Names, versions and places of the whole tree, without the root that stands for a global prefix."""
    tree = json.loads(run("npm", "ls", "--all", "--long", "--json", *options, cwd=directory))
    found = set()
    walk(tree, found)
    return found


def walk(node, found):
    if node.get("name") and node.get("version") and node.get("path"):
        found.add(("npm", node["name"], node["version"]))
    for below in (node.get("dependencies") or {}).values():
        walk(below, found)
