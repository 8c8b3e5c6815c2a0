package = "with-dash"
version = "0.2.rc1-3"
source = { url = "." }
build = { type = "builtin", modules = { ["m"] = "m.lua" } }
