# shellcheck shell=bash
# The control plane and the cluster's network. State (objects, certificates, images, volumes)
# outlives a stop.

k() { "$BIN/kubectl" --kubeconfig "$PKI/admin.kubeconfig" "$@"; }

cluster_up() {
	local started=$SECONDS i
	if ! running kube-apiserver; then
		keep_kernel_settings cluster
		keep_firewall cluster
	fi
	mkdir -p "$CLUSTER/volumes"
	certificates
	pause_image
	cluster_network
	control_plane
	for ((i = 1; i <= NODES; i++)); do node start "$i"; done
	until_ok 60 "controller manager" curl -fsk "https://127.0.0.1:$KCM_PORT/healthz"
	until_ok 60 scheduler curl -fsk "https://127.0.0.1:$SCHEDULER_PORT/healthz"
	for ((i = 1; i <= NODES; i++)); do
		until_ok 120 "node$i" k wait --for=condition=Ready "node/node$i" --timeout=1s
	done
	start agents env -C "$REPOSITORY" "$REPOSITORY/.venv/bin/python" -m tests.cluster.testbed.agents \
		"$API" "$PKI" "$CLUSTER/volumes"
	mkdir -p "$TESTBED_RUN/kube"
	install -m 600 "$PKI/admin.kubeconfig" "$TESTBED_RUN/kube/config"
	say "Kubernetes $KUBERNETES, $NODES node(s), context $CONTEXT: $((SECONDS - started)) s"
}

pause_image() { # the image that holds each pod's namespaces
	local context
	[ ! -s "$TESTBED_CACHE/pause.tar" ] || return 0
	context=$(mktemp -d)
	gcc -static -Os -s -o "$context/pause" "$HERE/pause.c"
	printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' >"$context/Dockerfile"
	docker build --quiet --tag "$PAUSE_IMAGE" "$context" >/dev/null
	docker save "$PAUSE_IMAGE" --output "$TESTBED_CACHE/pause.tar"
	rm -rf "$context"
}

cluster_network() { # one bridge for the nodes; pods reach each other unmasked, and the outside
	local net
	ip link show "$BRIDGE" >/dev/null 2>&1 || {
		ip link add "$BRIDGE" type bridge
		ip addr add "$NODE_NET.1/24" dev "$BRIDGE"
		ip link set "$BRIDGE" up
	}
	sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
	nft -f - <<-NFT
		table ip testbed-cluster
		delete table ip testbed-cluster
		table ip testbed-cluster {
			chain postrouting {
				type nat hook postrouting priority srcnat + 10;
				ip saddr $POD_NET.0.0/16 ip daddr != { $POD_NET.0.0/16, $NODE_NET.0/24 } masquerade
			}
		}
	NFT
	# The Docker engine sets the policy of FORWARD to DROP.
	iptables -N TESTBED-FORWARD 2>/dev/null || true
	iptables -F TESTBED-FORWARD
	for net in "$POD_NET.0.0/16" "$NODE_NET.0/24"; do
		iptables -A TESTBED-FORWARD -s "$net" -j ACCEPT
		iptables -A TESTBED-FORWARD -d "$net" -j ACCEPT
	done
	iptables -C FORWARD -j TESTBED-FORWARD 2>/dev/null || iptables -I FORWARD -j TESTBED-FORWARD
}

control_plane() {
	start etcd "$BIN/etcd" --data-dir "$CLUSTER/etcd" --unsafe-no-fsync --log-level warn \
		--listen-client-urls "http://127.0.0.1:$ETCD_PORT" \
		--advertise-client-urls "http://127.0.0.1:$ETCD_PORT" \
		--listen-peer-urls "http://127.0.0.1:$ETCD_PEER_PORT"
	api_server
	# Only a ready API server has the default roles that the next two need to start.
	until_ok 120 "API server" k get --raw /readyz
	start_client_of_api kube-controller-manager --secure-port="$KCM_PORT" \
		--use-service-account-credentials=true --root-ca-file="$PKI/ca.crt" \
		--service-account-private-key-file="$PKI/sa.key" \
		--cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
		--node-monitor-grace-period=20s --horizontal-pod-autoscaler-sync-period=5s
	start_client_of_api kube-scheduler --secure-port="$SCHEDULER_PORT"
}

api_server() {
	start kube-apiserver "$BIN/kube-apiserver" \
		--etcd-servers="http://127.0.0.1:$ETCD_PORT" --secure-port="$API_PORT" --bind-address="$NODE_NET.1" \
		--advertise-address="$NODE_NET.1" --allow-privileged=true \
		--tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
		--client-ca-file="$PKI/ca.crt" --kubelet-certificate-authority="$PKI/ca.crt" \
		--kubelet-client-certificate="$PKI/apiserver-kubelet.crt" \
		--kubelet-client-key="$PKI/apiserver-kubelet.key" --kubelet-preferred-address-types=InternalIP \
		--requestheader-client-ca-file="$PKI/front-proxy-ca.crt" \
		--requestheader-allowed-names=front-proxy-client \
		--requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
		--requestheader-extra-headers-prefix=X-Remote-Extra- --enable-aggregator-routing=true \
		--proxy-client-cert-file="$PKI/front-proxy.crt" --proxy-client-key-file="$PKI/front-proxy.key" \
		--service-account-issuer=https://kubernetes.default.svc.cluster.local \
		--service-account-key-file="$PKI/sa.pub" --service-account-signing-key-file="$PKI/sa.key" \
		--authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
		--service-cluster-ip-range="$SERVICE_NET.0.0/16" --service-node-port-range="$NODEPORTS" \
		--audit-policy-file="$HERE/audit-policy.yaml" --audit-log-path="$AUDIT_LOG" \
		--audit-log-maxsize=200 --audit-log-maxbackup=1
}

start_client_of_api() { # NAME FLAG...
	local name=$1
	shift
	start "$name" "$BIN/$name" --kubeconfig="$PKI/$name.kubeconfig" \
		--authentication-kubeconfig="$PKI/$name.kubeconfig" \
		--authorization-kubeconfig="$PKI/$name.kubeconfig" \
		--bind-address=127.0.0.1 --leader-elect=false "$@"
}

cluster_down() { # take its mounts, firewall rules, bridges and namespaces away again
	local path job jobs=()
	[ -d "$CLUSTER" ] || return 0
	for path in "$CLUSTER"/node*; do
		[ -d "$path" ] || continue
		node drop "${path##*node}" &
		jobs+=($!)
	done
	stop kube-scheduler kube-controller-manager agents
	for job in "${jobs[@]}"; do wait "$job"; done
	if [ -e "$CLUSTER/mounted-netns" ]; then
		umount /run/netns 2>/dev/null || true
		rm "$CLUSTER/mounted-netns"
	fi
	stop kube-apiserver
	stop etcd
	drop_firewall_rules 'KUBE-|CNI-|TESTBED-'
	for path in testbed-cluster testbed-policies; do nft delete table ip "$path" 2>/dev/null || true; done
	ip link del "$BRIDGE" 2>/dev/null || true
	remove_cgroups testbed
	restore_firewall cluster
	restore_kernel_settings cluster
	say "cluster stopped"
}
