package = "plain"
version = "1.0-1"
source = { url = "." }
build = { type = "builtin", modules = { ["m"] = "m.lua" } }
