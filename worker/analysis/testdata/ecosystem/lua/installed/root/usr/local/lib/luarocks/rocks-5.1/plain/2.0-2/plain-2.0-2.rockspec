package = "plain"
version = "2.0-2"
source = { url = "." }
build = { type = "builtin", modules = { ["m"] = "m.lua" } }
