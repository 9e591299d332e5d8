# shellcheck shell=bash disable=SC2034 # read by the other parts
# Where things are kept; the names, ports and networks of the cluster. Nothing listens beyond
# loopback and the cluster's own bridge.

REPOSITORY=$(cd "$HERE/../../.." && pwd)
: "${TESTBED_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/testbed}"
: "${TESTBED_RUN:=$TESTBED_CACHE/run}"
BIN=$TESTBED_CACHE/bin
# containerd 2 and its shim, apart from the older pair that the Docker engine must find on PATH
CONTAINERD_BIN=$TESTBED_CACHE/containerd
CLI_PLUGINS=$TESTBED_CACHE/docker-cli/cli-plugins
GATEWAY_API=$TESTBED_CACHE/gateway-api.yaml

: "${CONTEXT:=kind-venturebots}" # by a name kind-* skaffold knows a kind cluster
: "${CNI_BIN:=/usr/lib/cni}"
CLUSTER=$TESTBED_RUN/cluster
PKI=$CLUSTER/pki
AUDIT_LOG=$TESTBED_RUN/log/audit.log
BRIDGE=k8s-nodes
# As many as there were, unless told: a node's pods and volumes outlive a stop.
: "${NODES:=$(find "$CLUSTER" -maxdepth 1 -name 'node[1-9]' 2>/dev/null | wc -l)}"
[ "$NODES" -ge 1 ] || NODES=1
CGROUPS=/sys/fs/cgroup

API_PORT=24100 ETCD_PORT=24101 ETCD_PEER_PORT=24102 KCM_PORT=24103 SCHEDULER_PORT=24104
KUBELET_PORT=24105 KUBELET_HEALTH_PORT=24106 PROXY_HEALTH_PORT=24107 PROXY_METRICS_PORT=24108
NODEPORTS=24500-24599 INGRESS_HTTP_PORT=24580 INGRESS_HTTPS_PORT=24543
SERVICE_NET=10.96 POD_NET=10.244 NODE_NET=10.240.0
API=$NODE_NET.1:$API_PORT

PAUSE_IMAGE=docker.io/testbed/pause:1

export DOCKER_HOST=unix://$TESTBED_RUN/docker.sock DOCKER_CONFIG=$TESTBED_CACHE/docker-cli
export DOCKER_BUILDKIT=1
export CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1 # it warns of cgroup v1 at every call
mkdir -p "$BIN" "$CONTAINERD_BIN" "$CLI_PLUGINS" "$TESTBED_RUN"/{pid,log}
