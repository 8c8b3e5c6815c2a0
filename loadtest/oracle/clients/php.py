"""PHP: Composer installs packages from directories and archives; `composer show` lists them."""

import json
import shutil
import zipfile

from .case import Case, copy, put
from .debian import inside, workshop

MANIFESTS = {
    "vendor/plain": {"version": "1.2.3"},
    "vendor/with-v": {"version": "v2.0.0-RC1", "require": {"vendor/plain": "^1.0"}},
    "other/replaces": {"version": "3.0.1", "replace": {"other/part": "self.version"}},
    "other/development": {"version": "dev-main"},
}
ARCHIVED = {"name": "archived/thing", "version": "4.5.6", "type": "library"}


def cases(work):
    root = workshop(work)
    for name, manifest in MANIFESTS.items():
        put(root / "root/packages", {f"{name}/composer.json": json.dumps({"name": name, **manifest})})
    put(root, {"root/archives/none": ""})
    with zipfile.ZipFile(root / "root/archives/thing.zip", "w") as archive:
        archive.writestr("composer.json", json.dumps(ARCHIVED))
    paths = {"type": "path", "url": "/root/packages/*/*", "options": {"symlink": False}}
    project = {
        "name": "own/application",
        "repositories": [paths, {"type": "artifact", "url": "/root/archives"}, {"packagist": False}],
        "require": {"vendor/with-v": "*", "other/replaces": "*", "archived/thing": "*"},
        "require-dev": {"other/development": "*"},
        "minimum-stability": "dev",
    }
    put(root, {"srv/php/composer.json": json.dumps(project)})
    inside(root, "composer", "--no-interaction", "--quiet", "--working-dir=/srv/php", "update")
    shown = json.loads(inside(root, "composer", "--working-dir=/srv/php", "show", "--format=json"))
    # A development branch is shown with its commit, which a directory has none of.
    native = {("composer", package["name"], package["version"].split(" ")[0]) for package in shown["installed"]}
    image = work / "php"
    shutil.rmtree(image, ignore_errors=True)
    yield Case("php composer", copy(root, image, "srv/php"), native)

    installed = image / "srv/php/vendor/composer/installed.json"
    installed.write_text(json.dumps(json.loads(installed.read_text())["packages"]))
    yield Case("php composer 1", image, native)


