package = "LPeg"
version = "1.0.2-1"
source = {
   url = "http://example.org/lpeg-1.0.2.tar.gz",
   version = "9"
}
