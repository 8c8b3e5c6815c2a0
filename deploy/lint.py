#!/usr/bin/env python3
"""Reads everything in deploy/ as its reader would, and says what is wrong.

Always: YAML and JSON parse; values fit their schema's keys; every metric that a dashboard or an alert names is one that the
code exports; every alert has its paragraph in the runbook and its test; Dockerfile and compose file keep the rules of
containers.py. With the tools at hand: the chart is rendered and linted by helm, and what it renders is held against
Kubernetes' schemas by kubernetes-validate; the alert rules are checked and run by promtool, the units by systemd-analyze, the
compose file by docker compose. A tool that is not there is named.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

import containers

try:
    import kubernetes_validate
except ImportError:
    kubernetes_validate = None

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
CHART = HERE / "helm" / "strata"
problems = []


def wrong(what):
    problems.append(what)


def run(*command, env=None):
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode != 0:
        wrong(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout


def tool(name, what):
    found = shutil.which(name)
    if not found:
        print(f"skipped: {what}: there is no {name}")
    return found


def exported():
    text = "".join((ROOT / crate / "src" / "measure.rs").read_text() for crate in ("worker", "coordinator"))
    return set(re.findall(r'"(strata_[a-z_]+)"', text))


def named(expressions):
    text = " ".join(expressions)
    names = set(re.findall(r"\bstrata_[a-z_]+", text))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def expressions(alerts, dashboard):
    for group in alerts["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def chart_files():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    same_keys("values", values, schema)
    yaml.safe_load((CHART / "Chart.yaml").read_text())


def same_keys(path, values, schema):
    """Every default has its line in the schema, and every required key its default."""
    known = schema.get("properties")
    if not isinstance(values, dict) or known is None:
        return
    for key in values.keys() - known.keys():
        wrong(f"{path}.{key} is not in values.schema.json")
    for key in set(schema.get("required", [])) - values.keys():
        wrong(f"{path}.{key} is required and has no default")
    for key in values.keys() & known.keys():
        same_keys(f"{path}.{key}", values[key], known[key])


def metrics_and_runbook():
    alerts = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    dashboard = json.loads((HERE / "dashboards" / "strata.json").read_text())
    for name in sorted(named(expressions(alerts, dashboard)) - exported()):
        wrong(f"no role exports {name}, which a dashboard or an alert names")
    headings = set(re.findall(r"^### (\w+)$", (HERE / "RUNBOOK.md").read_text(), re.M))
    rules = {rule["alert"] for group in alerts["groups"] for rule in group["rules"]}
    trials = yaml.safe_load((HERE / "alerts.test.yaml").read_text())["tests"]
    tried = {trial["alertname"] for test in trials for trial in test["alert_rule_test"] if trial.get("exp_alerts")}
    for name in sorted(rules - tried):
        wrong(f"no test makes the alert {name} ring")
    for name in sorted(rules ^ headings):
        wrong(f"the alert {name} is in only one of alerts.yaml and RUNBOOK.md")


RENDERINGS = [
    [],
    ["--set", "scaling.kind=keda", "--set", "nats.monitoring=nats.example:8222"],
    ["--set", "scaling.kind=hpa", "--set", "nightly.registries={registry.example,other.example/team}"],
    ["--set", "coordinator.tlsSecret=tls", "--set", "worker.registrySecret=logins", "--set", "database.reference=oci://registry.example/db:1,database.registrySecret=one,database.caSecret=ca"],
    ["--set", "metrics.podMonitor=true,metrics.prometheusRule=true,nightly.tokenSecret=token,nightly.registries={registry.example}"],
    ["--set", "coordinator.tlsSecret=tls,coordinator.bootstrapTokenSecret=first,webhooks.enabled=true", "--set-json", 'webhooks.from=[{"ipBlock":{"cidr":"192.0.2.0/24"}}]'],
    ["--set", "webhooks.enabled=true,webhooks.inTheClear=true,webhooks.oidc.audience=here,webhooks.oidc.accounts={push@project.example},webhooks.ingress.enabled=true,webhooks.ingress.host=hooks.example,webhooks.ingress.tlsSecret=cert,webhooks.ingress.className=c"],
    ["--set-json", 'networkPolicy.servers=[{"namespaceSelector":{}}]', "--set", "worker.slots=4,worker.drainSeconds=300"],
    ["--set", "clusterKeySecret=key,coordinator.tlsSecret=tls,nightly.caSecret=ca,nightly.registries={registry.example}", "--set-json", 'extraVolumes=[{"name":"ca","secret":{"secretName":"ca"}}]', "--set-json", 'extraVolumeMounts=[{"name":"ca","mountPath":"/ca"}]'],
]
# What a rendering has besides what every one has.
SCALERS = {"scaling.kind=keda": "ScaledObject", "scaling.kind=hpa": "HorizontalPodAutoscaler"}
# Kubernetes' own names have 63 characters; a CronJob's 52, since its jobs' are longer.
LONGEST = {"CronJob": 52}


def rendered(helm):
    for options in RENDERINGS:
        text = run(helm, "template", "release", str(CHART), "--kube-version", "1.30.0", *options)
        documents = [document for document in yaml.safe_load_all(text) if document]
        kinds = {document["kind"] for document in documents}
        for kind in ("Deployment", "Service", "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget"):
            if kind not in kinds:
                wrong(f"helm template {options}: there is no {kind}")
        for document in documents:
            hardened(document, options)
            consistent(document, options)
        exposed(documents, options)
        drained(documents, options)
        for option, kind in SCALERS.items():
            if (option in options) != (kind in kinds):
                wrong(f"helm template {options}: {kind} and {option} do not go together")
        covered(documents, options)
        known_to_kubernetes(documents, options)
    long = yaml.safe_load_all(run(helm, "template", "r" * 53, str(CHART), "--kube-version", "1.30.0", "--set", "nightly.registries={a,b}"))
    for document in long:
        if len(document["metadata"]["name"]) > LONGEST.get(document["kind"], 63):
            wrong(f"{document['kind']} {document['metadata']['name']}: the name is too long")
    refused = subprocess.run([helm, "template", "release", str(CHART), "--kube-version", "1.30.0", "--set", "scaling.kind=magic"], capture_output=True)
    if refused.returncode == 0:
        wrong("helm takes a value that the schema forbids")
    run(helm, "lint", "--strict", str(CHART))


def drained(documents, options):
    """The worker is told how long it may drain, and its pod waits longer."""
    worker = next(one for one in documents if one["kind"] == "Deployment" and one["metadata"]["name"].endswith("-worker"))
    pod = worker["spec"]["template"]["spec"]
    said = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}.get("STRATA_DRAIN_SECONDS")
    if said is None or int(said) + 10 > pod["terminationGracePeriodSeconds"]:
        wrong(f"helm template {options}: a drain of {said} s in {pod['terminationGracePeriodSeconds']} s")


def covered(documents, options):
    """Budgets and policies select the pods of one role each, and no selector selects nothing."""
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in documents if one["kind"] == "Deployment"]
    for document in documents:
        spec = document.get("spec", {})
        chosen = {"PodDisruptionBudget": "selector", "NetworkPolicy": "podSelector"}.get(document["kind"])
        labels = spec[chosen]["matchLabels"].items() if chosen else None
        if chosen and sum(labels <= pod.items() for pod in pods) != 1:
            wrong(f"helm template {options}: {document['kind']} {document['metadata']['name']} does not select one role")
    for kind in ("PodDisruptionBudget", "NetworkPolicy"):
        if sum(document["kind"] == kind for document in documents) != 2:
            wrong(f"helm template {options}: not every role has its {kind}")


def known_to_kubernetes(documents, options):
    """Every field is one that Kubernetes knows; KEDA's and the Prometheus operator's kinds are not Kubernetes'."""
    if kubernetes_validate is None:
        return
    for document in documents:
        if "coreos.com" in document["apiVersion"] or "keda.sh" in document["apiVersion"]:
            continue
        try:
            kubernetes_validate.validate(document, "1.30", strict=True)
        except Exception as error:  # every kind of error that it has is a problem of the document
            wrong(f"helm template {options}: {document['kind']} {document['metadata']['name']}: {error}")


def hardened(document, options):
    """No container may be root, write to its image, or get a login that is not its own."""
    spec = document.get("spec", {})
    template = spec.get("template") or spec.get("jobTemplate", {}).get("spec", {}).get("template")
    if not template:
        return
    where = f"helm template {options}: {document['kind']} {document['metadata']['name']}"
    pod = template["spec"]
    if pod.get("automountServiceAccountToken") is not False or not pod["securityContext"].get("runAsNonRoot"):
        wrong(f"{where}: the pod is not hardened")
    for container in pod["containers"] + pod.get("initContainers", []):
        security = container.get("securityContext", {})
        if not security.get("readOnlyRootFilesystem") or security.get("allowPrivilegeEscalation") is not False:
            wrong(f"{where}: container {container['name']} is not hardened")
        mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
        if container["name"] == "coordinator" and "docker" in mounts:
            wrong(f"{where}: the coordinator is given the registries' logins")


def consistent(document, options):
    """Every mount has its volume, and every volume is mounted."""
    spec = document.get("spec", {})
    template = spec.get("template") or spec.get("jobTemplate", {}).get("spec", {}).get("template")
    if not template:
        return
    pod = template["spec"]
    containers = pod["containers"] + pod.get("initContainers", [])
    mounts = {mount["name"] for container in containers for mount in container.get("volumeMounts", [])}
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    if mounts != volumes:
        wrong(f"helm template {options}: {document['metadata']['name']}: mounts and volumes differ: {mounts ^ volumes}")


def exposed(documents, options):
    """Ports that services, policies and an Ingress name are ports of the coordinator; nobody reaches others."""
    by_kind = {}
    for document in documents:
        by_kind.setdefault(document["kind"], []).append(document)
    coordinator = next(one for one in by_kind["Deployment"] if one["metadata"]["name"].endswith("-coordinator"))
    container = coordinator["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"] for port in container["ports"]}
    offered = {port["name"] for service in by_kind["Service"] for port in service["spec"]["ports"]}
    targets = {port["targetPort"] for service in by_kind["Service"] for port in service["spec"]["ports"]}
    if not targets <= ports:
        wrong(f"helm template {options}: the service leads to {targets - ports}, which no container has")
    policy = next(one for one in by_kind["NetworkPolicy"] if one["metadata"]["name"].endswith("-coordinator"))
    allowed = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    if allowed != ports:
        wrong(f"helm template {options}: the policy lets in to {allowed}, the coordinator has {ports}")
    for ingress in by_kind.get("Ingress", []):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                if path["backend"]["service"]["port"]["name"] not in offered - {"grpc"}:
                    wrong(f"helm template {options}: the Ingress leads to no port of the service")
    said = " ".join(container["args"])
    for flag, named in (("--webhooks ", "webhooks"), ("--bootstrap-token-file ", "bootstrap")):
        mounted = any(mount["name"] == named for mount in container["volumeMounts"])
        if (flag in said) != mounted:
            wrong(f"helm template {options}: {flag.strip()} and its secret do not go together")


def container_files():
    compose = yaml.safe_load((HERE / "compose.yaml").read_text())
    for problem in containers.dockerfile((HERE / "Dockerfile").read_text()):
        wrong(f"Dockerfile: {problem}")
    for problem in containers.compose(compose):
        wrong(f"compose.yaml: {problem}")
    for problem in containers.ignored((ROOT / ".dockerignore").read_text(), {path.name for path in ROOT.iterdir() if path.name != "target"} - {".git"}):
        wrong(f".dockerignore: {problem}")
    for problem in containers.unseen():
        wrong(problem)
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0:
        environment = os.environ | {"STRATA_POSTGRES_PASSWORD": "x"}
        run(docker, "compose", "-f", str(HERE / "compose.yaml"), "config", "--quiet", env=environment)
    else:
        print("skipped: docker compose's own check of compose.yaml: there is no docker compose")


def alert_rules(promtool):
    run(promtool, "check", "rules", str(CHART / "files" / "alerts.yaml"))
    run(promtool, "test", "rules", str(HERE / "alerts.test.yaml"))


def units(analyze):
    with tempfile.TemporaryDirectory() as directory:
        for unit in sorted((HERE / "systemd").iterdir()):
            text = unit.read_text().replace("/usr/local/bin/strata", "/bin/true")
            pathlib.Path(directory, unit.name.replace("@.", "@x.")).write_text(text)
        names = sorted(str(path) for path in pathlib.Path(directory).iterdir())
        done = subprocess.run([analyze, "verify", "--man=no", *names], capture_output=True, text=True)
        ours = [line for line in done.stderr.splitlines() if "strata" in line]
        for line in ours:
            wrong(f"systemd-analyze: {line}")
        for service in (name for name in names if name.endswith(".service")):
            # Offline: the file alone is judged, 0 (nothing is left open) to 100.
            run(analyze, "security", "--offline=true", "--threshold=40", "--no-pager", service)


def main():
    chart_files()
    metrics_and_runbook()
    container_files()
    for compose in HERE.glob("*.yaml"):
        yaml.safe_load(compose.read_text())
    for stream in (HERE / "nats").glob("*.json"):
        json.loads(stream.read_text())
    if helm := tool("helm", "rendering the chart"):
        if kubernetes_validate is None:
            print("skipped: the chart against Kubernetes' schemas: there is no kubernetes-validate")
        rendered(helm)
    if promtool := tool("promtool", "checking the alert rules"):
        alert_rules(promtool)
    if analyze := tool("systemd-analyze", "checking the units"):
        units(analyze)
    for problem in problems:
        print(f"wrong: {problem}")
    print(f"{len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
