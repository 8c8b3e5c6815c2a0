"""Lua: rocks made from local specifications; `luarocks list` lists them."""

from .case import Case, put
from .debian import inside, part, tools

ROCKS = ("plain", "1.0-1"), ("with-dash", "0.2.rc1-3"), ("plain", "2.0-2")


def cases(work):
    root = tools(work)
    for name, version in ROCKS:
        text = f'package = "{name}"\nversion = "{version}"\nsource = {{ url = "." }}\n'
        text += 'build = { type = "builtin", modules = { ["m"] = "m.lua" } }\n'
        place = put(root / "root/rocks" / f"{name}-{version}", {f"{name}-{version}.rockspec": text, "m.lua": "return 1\n"})
        inside(root, "sh", "-c", f"cd /root/rocks/{place.name} && luarocks --tree /usr/local make --keep --force *.rockspec")
    lines = inside(root, "luarocks", "--tree", "/usr/local", "list", "--porcelain").splitlines()
    native = {("lua", *line.split("\t")[:2]) for line in lines}
    yield Case("lua rocks", part(work, "lua", "usr/local/lib/luarocks"), native)
