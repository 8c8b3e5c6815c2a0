//! The distribution's identity, from os-release and the older release files.
