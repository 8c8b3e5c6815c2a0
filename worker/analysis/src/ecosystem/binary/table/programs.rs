//! Products that are Go programs: their modules tell them from other programs of the same file name, and most tell the
//! version, too. What is said of variables is from the products' sources and was seen in their binaries.

use super::super::signature::{
    Name::Is,
    Row,
    Variable::{After, Before, Near, NearBuild},
    product,
};

/// Every product, by name.
pub(super) static TABLE: &[Row] = &[
    product("alertmanager", "prometheus:alertmanager", 3)
        .named(&[Is("alertmanager"), Is("prometheus-alertmanager")])
        .built_from(&["github.com/prometheus/alertmanager"])
        .listed("alertmanager"),
    product("argo-cd", "argoproj:argo_cd", 3)
        .named(&[Is("argocd"), Is("argocd-server")])
        .built_from(&["github.com/argoproj/argo-cd"])
        .listed("argo-cd"),
    product("buildah", "buildah_project:buildah", 3)
        .named(&[Is("buildah")])
        .built_from(&["github.com/containers/buildah"]),
    product("caddy", "caddyserver:caddy", 3)
        .named(&[Is("caddy")])
        .built_from(&["github.com/caddyserver/caddy"])
        .kept(&[Before("localhost:2019")]),
    product("consul", "hashicorp:consul", 3)
        .named(&[Is("consul")])
        .built_from(&["github.com/hashicorp/consul"])
        .kept(&[NearBuild, Before("")])
        .listed("consul"),
    product("containerd", "linuxfoundation:containerd", 3)
        .named(&[Is("containerd")])
        .built_from(&["github.com/containerd/containerd"]),
    product("coredns", "linuxfoundation:coredns", 3)
        .named(&[Is("coredns")])
        .built_from(&["github.com/coredns/coredns"]),
    product("cosign", "sigstore:cosign", 3)
        .named(&[Is("cosign")])
        .built_from(&["github.com/sigstore/cosign"])
        .listed("cosign"),
    product("docker", "docker:docker", 3)
        .named(&[Is("dockerd")])
        .built_from(&["github.com/docker/docker", "github.com/moby/moby"]),
    product("docker-cli", "docker:command_line_interface", 3)
        .named(&[Is("docker")])
        .built_from(&["github.com/docker/cli"])
        .listed("docker-cli"),
    product("etcd", "etcd:etcd", 3)
        .named(&[Is("etcd"), Is("etcdctl"), Is("etcdutl")])
        .built_from(&["go.etcd.io/etcd", "github.com/etcd-io/etcd", "github.com/coreos/etcd"])
        .kept(&[After("3.0.0")])
        .listed("etcd"),
    product("gitea", "gitea:gitea", 3)
        .named(&[Is("gitea")])
        .built_from(&["code.gitea.io/gitea", "gitea.dev"])
        .listed("gitea"),
    product("grafana", "grafana:grafana", 3)
        .named(&[Is("grafana"), Is("grafana-server")])
        .built_from(&["github.com/grafana/grafana"])
        .listed("grafana"),
    product("helm", "helm:helm", 3)
        .named(&[Is("helm")])
        .built_from(&["helm.sh/helm", "k8s.io/helm"])
        .listed("helm"),
    product("hugo", "gohugo:hugo", 3).named(&[Is("hugo")]).built_from(&["github.com/gohugoio/hugo"]),
    product("influxdb", "influxdata:influxdb", 3)
        .named(&[Is("influxd")])
        .built_from(&["github.com/influxdata/influxdb"])
        .listed("influxdb"),
    product("kubernetes", "kubernetes:kubernetes", 3)
        .named(&[Is("kubectl"), Is("kubelet"), Is("kube-apiserver"), Is("kube-proxy"), Is("kube-scheduler")])
        .built_from(&["k8s.io/kubernetes"]),
    product("minio", "minio:minio", 3)
        .named(&[Is("minio")])
        .built_from(&["github.com/minio/minio"])
        .listed("minio"),
    product("nats", "linuxfoundation:nats-server", 3)
        .named(&[Is("nats-server")])
        .built_from(&["github.com/nats-io/nats-server"])
        .listed("nats"),
    product("node-exporter", "prometheus:node_exporter", 3)
        .named(&[Is("node_exporter"), Is("prometheus-node-exporter")])
        .built_from(&["github.com/prometheus/node_exporter"]),
    product("nomad", "hashicorp:nomad", 3)
        .named(&[Is("nomad")])
        .built_from(&["github.com/hashicorp/nomad"])
        .kept(&[NearBuild]),
    product("oauth2-proxy", "oauth2_proxy_project:oauth2_proxy", 3)
        .named(&[Is("oauth2-proxy")])
        .built_from(&["github.com/oauth2-proxy/oauth2-proxy"])
        .listed("oauth2-proxy"),
    product("openbao", "openbao:openbao", 3)
        .named(&[Is("bao")])
        .built_from(&["github.com/openbao/openbao"])
        .kept(&[NearBuild])
        .listed("openbao"),
    product("podman", "podman_project:podman", 3)
        .named(&[Is("podman")])
        .built_from(&["github.com/containers/podman"]),
    product("prometheus", "prometheus:prometheus", 3)
        .named(&[Is("prometheus")])
        .built_from(&["github.com/prometheus/prometheus"])
        .listed("prometheus"),
    product("rclone", "rclone:rclone", 3)
        .named(&[Is("rclone")])
        .built_from(&["github.com/rclone/rclone"])
        .listed("rclone"),
    product("registry", "distribution:distribution", 3)
        .named(&[Is("registry"), Is("docker-registry")])
        .built_from(&["github.com/distribution/distribution", "github.com/docker/distribution"]),
    product("restic", "restic:restic", 3).named(&[Is("restic")]).built_from(&["github.com/restic/restic"]),
    product("runc", "linuxfoundation:runc", 3)
        .named(&[Is("runc")])
        .built_from(&["github.com/opencontainers/runc"]),
    product("syncthing", "syncthing:syncthing", 3)
        .named(&[Is("syncthing")])
        .built_from(&["github.com/syncthing/syncthing"])
        .listed("syncthing"),
    product("telegraf", "influxdata:telegraf", 3)
        .named(&[Is("telegraf")])
        .built_from(&["github.com/influxdata/telegraf"]),
    product("terraform", "hashicorp:terraform", 3)
        .named(&[Is("terraform")])
        .built_from(&["github.com/hashicorp/terraform"]),
    product("traefik", "traefik:traefik", 3)
        .named(&[Is("traefik")])
        .built_from(&["github.com/traefik/traefik", "github.com/containous/traefik"])
        .kept(&[NearBuild, Near("I don't remember exactly")]),
    product("vault", "hashicorp:vault", 3)
        .named(&[Is("vault")])
        .built_from(&["github.com/hashicorp/vault"])
        .kept(&[NearBuild])
        .listed("vault"),
];
