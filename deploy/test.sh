#!/usr/bin/env bash
# The test command: installs the real servers that the tests start, then checks form, lints and runs every test.
#
#   deploy/test.sh
#
# Servers come from Debian's packages (installed with root or sudo where they are missing), grpcio, grpcio-tools and
# kubernetes-validate from Python's registry into target/python. Nothing else is needed but a Rust toolchain; with helm and docker
# compose on the path more of deploy/ is checked. What is left out says so.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$1"; }

say "servers"
packages=()
command -v nats-server >/dev/null || packages+=(nats-server)
command -v redis-server >/dev/null || packages+=(redis-server)
command -v docker-registry >/dev/null || packages+=(docker-registry)
command -v skopeo >/dev/null || packages+=(skopeo)
command -v valgrind >/dev/null || packages+=(valgrind)
python3 -c 'import yaml' 2>/dev/null || packages+=(python3-yaml)
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || packages+=(postgresql)
if [ ${#packages[@]} -gt 0 ]; then
  run=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "error: install ${packages[*]} from Debian's packages: this needs root" >&2; exit 2; }
    run=(sudo)
  fi
  "${run[@]}" apt-get update -qq
  # The packages' own services are not wanted: the tests start their own on free ports.
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
# Only the check of the alert rules wants it, so nothing fails where it cannot be had.
if ! command -v promtool >/dev/null; then
  run=()
  [ "$(id -u)" = 0 ] || run=(sudo -n)
  { "${run[@]}" apt-get update -qq \
    && timeout 300 "${run[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends prometheus; } \
    >/dev/null 2>&1 || echo "SKIPPED: promtool cannot be installed here"
fi
nats-server --version
redis-server --version | cut -d' ' -f1-3
docker-registry --version
skopeo --version
ls -d /usr/lib/postgresql/*/bin

# The test of a client in another language generates one with Python; without these packages it says that it is left out.
if ! { target/python/bin/python -c 'import grpc, grpc_tools.protoc' || python3 -c 'import grpc, grpc_tools.protoc'; } 2>/dev/null; then
  { python3 -m venv target/python \
    && timeout 300 target/python/bin/pip install -q --disable-pip-version-check --only-binary :all: grpcio grpcio-tools; } >/dev/null 2>&1 \
    && echo "target/python: grpcio and grpcio-tools" \
    || echo "SKIPPED: grpcio and grpcio-tools cannot be installed here"
fi

# The chart's rendering is held against Kubernetes' schemas by the same Python.
if command -v helm >/dev/null && ! { target/python/bin/python -c 'import kubernetes_validate, yaml' || python3 -c 'import kubernetes_validate'; } 2>/dev/null; then
  { { [ -x target/python/bin/python ] || python3 -m venv target/python; } \
    && timeout 300 target/python/bin/pip install -q --disable-pip-version-check --only-binary :all: kubernetes-validate pyyaml; } >/dev/null 2>&1 \
    && echo "target/python: kubernetes-validate" \
    || echo "SKIPPED: kubernetes-validate cannot be installed here"
fi

say "form"
cargo fmt --all --check

say "lints"
cargo clippy --locked --workspace --all-targets -- -D warnings

# Fails where a piece of the core takes a tenth more instructions than it did, and says how to accept that.
say "instructions"
cargo run --locked --quiet --profile counts -p strata-counts -- check

say "tests"
cargo test --locked --workspace --no-fail-fast
