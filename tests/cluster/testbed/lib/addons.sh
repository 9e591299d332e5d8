# shellcheck shell=bash
# What a cluster needs before us: DNS, ingress (Ingress and Gateway API), volumes, and metrics
# where metrics-server was built.

addons() {
	local name names=(coredns traefik) images=() started=$SECONDS
	[ ! -x "$BIN/metrics-server" ] || names+=(metrics-server)
	for name in "${names[@]}"; do
		binary_image "$name"
		images+=("testbed/$name:1")
	done
	load "${images[@]}"
	k apply --server-side --filename "$GATEWAY_API" >/dev/null
	k apply --kustomize "$HERE/addons/traefik" >/dev/null
	for name in storage "${names[@]}"; do
		[ "$name" = traefik ] || k apply --filename "$HERE/addons/$name.yaml" >/dev/null
	done
	for name in "${names[@]}"; do
		k rollout status deployment --namespace "$(namespace_of "$name")" --timeout=180s "$name" >/dev/null
	done
	say "ready: ${names[*]}, ingress on http://127.0.0.1:$INGRESS_HTTP_PORT: $((SECONDS - started)) s"
}

namespace_of() { # ADDON
	case $1 in
	traefik) echo traefik ;;
	*) echo kube-system ;;
	esac
}

binary_image() { # NAME: an image that holds nothing but the binary
	local context stamp built
	stamp=$(cat "$BIN/.$1.stamp")
	built=$(docker image inspect --format '{{.Config.Labels.stamp}}' "testbed/$1:1" 2>/dev/null) || true
	[ "$built" != "$stamp" ] || return 0
	context=$(mktemp -d -p "$TESTBED_CACHE")
	ln "$BIN/$1" "$context/"
	cp /etc/ssl/certs/ca-certificates.crt "$context/"
	docker build --quiet --tag "testbed/$1:1" --label "stamp=$stamp" --file - "$context" >/dev/null <<-DOCKERFILE
		FROM scratch
		COPY ca-certificates.crt /etc/ssl/certs/
		COPY $1 /$1
		ENTRYPOINT ["/$1"]
	DOCKERFILE
	rm -rf "$context"
}
