//! Where images come from: registries, docker-archives, OCI layouts and archives.
