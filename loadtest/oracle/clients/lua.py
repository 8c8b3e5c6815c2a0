"""Lua: rocks made from local specifications; `luarocks list` lists them."""

from .case import Case, put
from .debian import inside, part, workshop

ROCKS = ("plain", "1.0-1"), ("with-dash", "0.2.rc1-3"), ("plain", "2.0-2")


def cases(work):
    root = workshop(work)
    for name, version in ROCKS:
        text = f'package = "{name}"\nversion = "{version}"\nsource = {{ url = "." }}\n'
        text += 'build = { type = "builtin", modules = { ["m"] = "m.lua" } }\n'
        rock = f"{name}-{version}"
        put(root / "root/rocks" / rock, {f"{rock}.rockspec": text, "m.lua": "return 1\n"})
        make = "luarocks --tree /usr/local make --keep --force *.rockspec"
        inside(root, "sh", "-c", f"cd /root/rocks/{rock} && {make}")
    lines = inside(root, "luarocks", "--tree", "/usr/local", "list", "--porcelain").splitlines()
    native = {("lua", *line.split("\t")[:2]) for line in lines}
    yield Case("lua rocks", part(work, "lua", "usr/local/lib/luarocks"), native)
