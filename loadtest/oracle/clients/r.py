"""R: the packages of Debian's R, and what `installed.packages` lists of them."""

from .case import Case
from .debian import inside, part, workshop

SCRIPT = 'p <- installed.packages(); cat(paste(p[, "Package"], p[, "Version"]), sep = "\\n")'


def cases(work):
    lines = inside(workshop(work), "Rscript", "-e", SCRIPT).splitlines()
    native = {("r", *line.split(" ")) for line in lines if line}
    yield Case("r packages", part(work, "r", "usr/lib/R/library", "usr/lib/R/site-library"), native)
