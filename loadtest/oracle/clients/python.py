"""Python: pip installs into environments and directories, and lists them."""

import json
import shutil
import sys

from .case import Case, need, put, run

#: names with dots, capitals and underscores; one that has only a source archive
WANTED = "zope.interface", "Jinja2", "ruamel.yaml", "jaraco.functools", "PyYAML", "typing_extensions", "docopt"
PROJECT = '[build-system]\nrequires = ["setuptools>=64"]\nbuild-backend = "setuptools.build_meta"\n'
METADATA = '[project]\nname = "Local_Project.x"\nversion = "1.0.post2"\n'
SETUP = "from setuptools import setup\nsetup(name='old.Style_pkg', version='0.1-rc.2', py_modules=['old'])\n"


def cases(work):
    need(sys.executable)
    root = environment(work / "python-venv")
    python = root / "venv/bin/python"
    run(python, "-m", "pip", "install", "-q", *WANTED)
    put(root, {"src/modern/pyproject.toml": PROJECT + METADATA, "src/modern/local/__init__.py": ""})
    run(python, "-m", "pip", "install", "-q", "--editable", root / "src/modern")
    yield Case("python venv and editable", root, native(python))

    root = environment(work / "python-old")
    python = root / "venv/bin/python"
    run(python, "-m", "pip", "install", "-q", "setuptools==57.5.0", "wheel==0.36.2")
    put(root, {"src/linked/setup.py": SETUP.replace("old", "linked"), "src/linked/linked.py": ""})
    put(root, {"src/packed/setup.py": SETUP.replace("old", "packed"), "src/packed/packed.py": ""})
    put(work / "python-build", {"flat/setup.py": SETUP.replace("old", "flat"), "flat/flat.py": ""})
    run(python, "setup.py", "-q", "develop", cwd=root / "src/linked")
    single = "--single-version-externally-managed", "--record", work / "python-build/record"
    run(python, "setup.py", "-q", "install", *single, cwd=work / "python-build/flat")
    run(python, "setup.py", "-q", "install", cwd=root / "src/packed")
    shutil.rmtree(root / "src/packed")
    yield Case("python egg-info, egg-link and egg", root, native(python))

    root = work / "python-target"
    shutil.rmtree(root, ignore_errors=True)
    place = root / "opt/app/vendor"
    run(python, "-m", "pip", "install", "-q", "--target", place, "requests==2.31.0", "Flask==3.0.0")
    yield Case("python target", root, native(python, "--path", place))


def environment(root):
    shutil.rmtree(root, ignore_errors=True)
    run(sys.executable, "-m", "venv", root / "venv")
    return root


def native(python, *options):
    packages = json.loads(run(python, "-m", "pip", "list", "--format", "json", *options))
    return {("python", package["name"], package["version"]) for package in packages}
