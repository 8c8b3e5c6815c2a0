"""What a platform engineer asks of the Dockerfile and the compose file before either is let near a cluster."""
import re

# An exact version (three numbers, or a base's date), or a digest; `latest` and tags that move are neither.
EXACT = re.compile(r":[\w.-]*(\d+\.\d+\.\d+|\d+\.\d+-alpine\d+\.\d+|\d{8})[\w.-]*$")
DIGEST = re.compile(r"@sha256:([0-9a-f]{64})$")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|CREDENTIAL|PRIVATE_KEY", re.I)


def pinned(image):
    """Whether the name means one image only. A digest of one repeated figure is a placeholder, and pins nothing."""
    digest = DIGEST.search(image)
    if digest:
        return len(set(digest.group(1))) > 4
    return bool(EXACT.search(image))


def dockerfile(text):
    """Yields what is wrong with a Dockerfile."""
    lines = [line for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip() and not line.startswith("#")]
    words = [(line.split(None, 1)[0].upper(), line.split(None, 1)[1]) for line in lines]
    arguments = dict(rest.split("=", 1) for word, rest in words if word == "ARG" and "=" in rest)
    stages = [rest for word, rest in words if word == "FROM"]
    names = {stage.split()[-1] for stage in stages if " AS " in stage.upper()}
    if len(stages) < 2:
        yield "it has one stage: the toolchain would be in the image"
    for stage in stages:
        base = re.sub(r"\$\{(\w+)\}", lambda found: arguments.get(found.group(1), ""), stage.split()[0])
        if base not in names and not pinned(base):
            yield f"the base {base or stage} is not pinned"
    last = max(place for place, (word, _) in enumerate(words) if word == "FROM")
    users = [rest for word, rest in words[last:] if word == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1].strip()):
        yield f"the last USER is {users[-1:]}: it must be two numbers, neither of them 0"
    for word, rest in words:
        if word in ("ENV", "ARG") and SECRET.search(rest):
            yield f"{word} {rest}: what is secret stays in a layer"
        if word == "ADD":
            yield f"ADD {rest}: it unpacks and downloads; COPY does neither"
        if word in ("ENTRYPOINT", "CMD") and not rest.startswith("["):
            yield f"{word} {rest}: a shell would take the signals"


def compose(document):
    """Yields what is wrong with a compose file, merged by YAML already."""
    for name, service in document["services"].items():
        if "build" not in service and not pinned(service["image"]):
            yield f"{name}: {service['image']} is not pinned"
        if service.get("read_only") is not True:
            yield f"{name}: its root can be written"
        if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get("security_opt", []):
            yield f"{name}: it keeps capabilities"
        if service.get("privileged") or any("docker.sock" in str(volume) for volume in service.get("volumes", [])):
            yield f"{name}: it has the machine"
        if not service.get("healthcheck", {}).get("test"):
            yield f"{name}: nobody sees whether it works"
        for port in service.get("ports", []):
            if not str(port).startswith("127.0.0.1:"):
                yield f"{name}: port {port} is open to others"
        for variable, value in service.get("environment", {}).items():
            plain = re.search(r"://[^/@$]*:[^/@$]+@", str(value))
            if plain or (SECRET.search(variable) and not variable.endswith("_FILE") and "$" not in str(value)):
                yield f"{name}: {variable} has its secret in this file"
        for other in service.get("depends_on", {}):
            if other not in document["services"]:
                yield f"{name}: it waits for {other}, which is no service"
        for volume in service.get("volumes", []):
            source = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(volume)).split(":")[0]
            if not source.startswith((".", "/")) and source not in document["volumes"]:
                yield f"{name}: the volume {source} is not declared"
        for secret in service.get("secrets", []):
            if secret not in document.get("secrets", {}):
                yield f"{name}: the secret {secret} is not declared"


def ignored(text, needed):
    """Yields what a build's context would bring along, or lack."""
    lines = {line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")}
    for directory in (".git", "target", "deploy/data"):
        if directory not in lines:
            yield f"{directory} goes to whoever builds"
    for path in needed & lines:
        yield f"the build needs {path}"


# What must be found wrong: without these, a check that sees nothing would pass.
BAD_DOCKERFILES = [
    "FROM debian:bookworm-slim\nUSER 1:1\n",
    "FROM rust:1.95.0 AS build\nFROM debian:latest\nUSER 1:1\n",
    "FROM rust:1.95.0 AS build\nFROM debian@sha256:" + "0" * 64 + "\nUSER 1:1\n",
    "FROM rust:1.95.0 AS build\nUSER 1:1\nFROM debian:bookworm-20251229-slim\n",
    "FROM rust:1.95.0 AS build\nFROM debian:bookworm-20251229-slim\nUSER strata\n",
    "FROM rust:1.95.0 AS build\nFROM debian:bookworm-20251229-slim\nUSER 1:1\nENV DB_PASSWORD=x\n",
    "FROM rust:1.95.0 AS build\nFROM debian:bookworm-20251229-slim\nUSER 1:1\nENTRYPOINT strata\n",
]
BAD_SERVICES = [
    {"image": "nats:2-alpine"},
    {"read_only": False},
    {"cap_drop": []},
    {"volumes": ["/var/run/docker.sock:/var/run/docker.sock"]},
    {"healthcheck": {}},
    {"ports": ["7400:7400"]},
    {"environment": {"A": "postgres://user:word@host/db"}},
    {"environment": {"A_PASSWORD": "word"}},
    {"depends_on": {"nobody": {}}},
    {"volumes": ["data:/data"]},
    {"secrets": ["s"]},
]


def unseen():
    """Yields the bad examples that nothing is said of."""
    good = {
        "image": "nats:2.12.8-alpine",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "healthcheck": {"test": ["CMD", "x"]},
    }
    for text in BAD_DOCKERFILES:
        if not list(dockerfile(text)):
            yield f"nothing is said of the Dockerfile {text!r}"
    for said in compose({"services": {"good": good}, "volumes": {}}):
        yield f"a good service is blamed: {said}"
    for change in BAD_SERVICES:
        if not list(compose({"services": {"bad": good | change}, "volumes": {}})):
            yield f"nothing is said of a service with {change}"
