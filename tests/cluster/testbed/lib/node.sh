# shellcheck shell=bash
# One node: a containerd, a kubelet and a kube-proxy. The first lives in the host's network,
# further ones in network namespaces on the nodes' bridge.

of_node() { # N: set the names of node N
	number=$1
	name=node$1
	address=$NODE_NET.$1
	pods=$POD_NET.$1.0/24
	folder=$CLUSTER/node$1
	inside=()
	[ "$1" = 1 ] || inside=(nsenter "--net=/run/netns/$name" --)
}

node() { # start|stop|drop N
	local number name address pods folder inside
	[[ ${2:-} =~ ^[1-9]$ ]] || die "node ${1:-}: name a node by its number"
	of_node "$2"
	case $1 in
	start) node_start ;;
	stop) stop "kube-proxy$number" "kubelet$number" "containerd$number" ;;
	drop) node_drop ;;
	*) die "node $1: neither start, stop nor drop" ;;
	esac
}

node_start() {
	if [ "$number" != 1 ]; then node_network; fi
	mkdir -p "$folder"/{containerd,kubelet,cni}
	containerd_settings >"$folder/containerd.toml"
	pod_network >"$folder/cni/10-pods.conflist"
	grep -v '^nameserver 127\.' /etc/resolv.conf >"$folder/resolv.conf"
	kubelet_settings >"$folder/kubelet.yaml"
	node_cgroups
	local ctr=("$CONTAINERD_BIN/ctr" -a "$folder/containerd.sock")
	# containerd 2 finds its own shim first
	start "containerd$number" "${inside[@]}" env PATH="$CONTAINERD_BIN:$PATH" \
		containerd --config "$folder/containerd.toml"
	until_ok 60 "containerd$number" "${ctr[@]}" version
	if ! "${ctr[@]}" -n k8s.io images ls -q | grep -qx "$PAUSE_IMAGE"; then
		"${ctr[@]}" -n k8s.io images import "$TESTBED_CACHE/pause.tar" >/dev/null
	fi
	start "kubelet$number" "${inside[@]}" "$BIN/kubelet" --config="$folder/kubelet.yaml" \
		--kubeconfig="$PKI/kubelet$number.kubeconfig" --hostname-override="$name" --node-ip="$address" \
		--root-dir="$folder/kubelet" --cert-dir="$folder/kubelet/pki"
	start "kube-proxy$number" "${inside[@]}" "$BIN/kube-proxy" --kubeconfig="$PKI/kube-proxy.kubeconfig" \
		--hostname-override="$name" --cluster-cidr="$POD_NET.0.0/16" --proxy-mode=iptables \
		--nodeport-addresses="127.0.0.0/8,$NODE_NET.0/24" --oom-score-adj=0 --conntrack-max-per-core=0 \
		--healthz-bind-address="127.0.0.1:$PROXY_HEALTH_PORT" \
		--metrics-bind-address="127.0.0.1:$PROXY_METRICS_PORT"
}

node_network() {
	[ ! -e "/run/netns/$name" ] || return 0
	mountpoint -q /run/netns || touch "$CLUSTER/mounted-netns" # by `ip`, on itself
	ip netns add "$name"
	ip link add "veth-$name" type veth peer name eth0 netns "$name"
	ip link set "veth-$name" master "$BRIDGE" up
	"${inside[@]}" ip link set lo up
	"${inside[@]}" ip addr add "$address/24" dev eth0
	"${inside[@]}" ip link set eth0 up
	"${inside[@]}" ip route add default via "$NODE_NET.1"
	"${inside[@]}" sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
	ip route replace "$pods" via "$address" # it survives the namespace
}

containerd_settings() {
	cat <<-TOML
		version = 3
		root = "$folder/containerd/root"
		state = "$folder/containerd/state"
		oom_score = 0
		[grpc]
		  address = "$folder/containerd.sock"
		[plugins.'io.containerd.cri.v1.images'.pinned_images]
		  sandbox = "$PAUSE_IMAGE"
		[plugins.'io.containerd.cri.v1.runtime']
		  restrict_oom_score_adj = true
		  [plugins.'io.containerd.cri.v1.runtime'.cni]
		    bin_dirs = ["$CNI_BIN"]
		    conf_dir = "$folder/cni"
		  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
		    runtime_type = "io.containerd.runc.v2"
		    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
		      SystemdCgroup = false
	TOML
}

pod_network() {
	cat <<-JSON
		{"cniVersion": "1.0.0", "name": "pods", "plugins": [
		  {"type": "bridge", "bridge": "k8s-pods$number", "isGateway": true, "hairpinMode": true,
		   "ipam": {"type": "host-local", "dataDir": "$folder/ipam", "ranges": [[{"subnet": "$pods"}]],
		            "routes": [{"dst": "0.0.0.0/0"}]}},
		  {"type": "portmap", "capabilities": {"portMappings": true}}]}
	JSON
}

kubelet_settings() {
	cat <<-YAML
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		address: $address
		port: $KUBELET_PORT
		healthzPort: $KUBELET_HEALTH_PORT
		readOnlyPort: 0
		containerRuntimeEndpoint: unix://$folder/containerd.sock
		authentication:
		  anonymous: {enabled: false}
		  webhook: {enabled: true}
		  x509: {clientCAFile: $PKI/ca.crt}
		authorization: {mode: Webhook}
		tlsCertFile: $PKI/kubelet$number.crt
		tlsPrivateKeyFile: $PKI/kubelet$number.key
		clusterDNS: [$SERVICE_NET.0.10]
		clusterDomain: cluster.local
		resolvConf: $folder/resolv.conf
		podLogsDir: $folder/logs # a kubelet removes logs of pods that are not its own
		cgroupDriver: cgroupfs
		cgroupRoot: /testbed/$name
		failCgroupV1: false
		failSwapOn: false
		maxOpenFiles: $(ulimit -Hn)
		makeIPTablesUtilChains: false
		oomScoreAdj: 0
		# No registry to fetch an image from again: none is collected, nothing is evicted early.
		imageGCHighThresholdPercent: 100
		imageGCLowThresholdPercent: 99
		evictionHard: {nodefs.available: 1%, imagefs.available: 1%, memory.available: 200Mi}
		nodeStatusUpdateFrequency: 5s
		shutdownGracePeriod: 0s
	YAML
}

node_cgroups() {
	local group
	for group in "$CGROUPS"/{cpu,cpuacct,cpuset,memory,devices,freezer,blkio,pids,systemd}; do
		[ ! -d "$group" ] || mkdir -p "$group/testbed/$name"
	done
	for group in "$CGROUPS/cpuset/testbed" "$CGROUPS/cpuset/testbed/$name"; do
		cat "$CGROUPS/cpuset/cpuset.cpus" >"$group/cpuset.cpus"
		cat "$CGROUPS/cpuset/cpuset.mems" >"$group/cpuset.mems"
	done
}

node_drop() { # daemons, pods, and all they hold
	stop "kube-proxy$number" "kubelet$number"
	if running "containerd$number"; then end_pods || true; fi
	stop "containerd$number"
	end_shims
	unmount_below "$folder"
	if [ "$number" = 1 ] || [ -e "/run/netns/$name" ]; then
		"${inside[@]}" "$BIN/kube-proxy" --cleanup >/dev/null 2>&1 || true
	fi
	if [ "$number" = 1 ]; then
		ip link del "k8s-pods$number" 2>/dev/null || true
	else
		ip netns del "$name" 2>/dev/null || true
		ip route del "$pods" 2>/dev/null || true
	fi
	rm -rf "$folder/ipam"
	remove_cgroups "testbed/$name"
}

end_pods() { # end every container, give back what CNI and the shims hold
	local ctr=("$CONTAINERD_BIN/ctr" -a "$folder/containerd.sock" -n k8s.io) namespaces path
	namespaces=$("${ctr[@]}" containers ls -q | xargs -r -n1 "${ctr[@]}" containers info |
		jq -r '.Spec.linux.namespaces[]? | select(.type == "network") | .path // empty' |
		grep /netns/cni- | sort -u)
	"${ctr[@]}" tasks ls -q | xargs -r -n1 -P4 "${ctr[@]}" tasks rm --force >/dev/null 2>&1 || true
	"${ctr[@]}" containers ls -q | xargs -r "${ctr[@]}" containers rm >/dev/null 2>&1 || true
	"${ctr[@]}" sandboxes ls | awk 'NR > 1 {print $1}' |
		xargs -r -n1 "${ctr[@]}" sandboxes rm --force >/dev/null 2>&1 || true
	for path in $namespaces; do ip netns del "$(basename "$path")" 2>/dev/null || true; done
}

shims() { # the ids of the node's shims, which name our socket on their command line
	grep -lzxF -- "$folder/containerd.sock" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 || true
}

end_shims() {
	local signal
	for signal in TERM KILL; do
		shims | xargs -r kill "-$signal" 2>/dev/null || true
		for _ in {1..50}; do
			[ -n "$(shims)" ] || return 0
			sleep 0.1
		done
	done
}
