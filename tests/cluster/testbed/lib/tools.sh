# shellcheck shell=bash
# The tools: pinned, built from source by the Go client into the cache, once per version.
#
# Each is built inside its module's own unpacked folder, so with the dependencies, replacements
# and checksums its authors published. Kubernetes and etcd, whose modules cannot stand alone,
# are built from kubernetes/go.mod.

KUBERNETES=v1.36.4
KUBERNETES_COMMANDS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
GATEWAY_API_MODULE=sigs.k8s.io/gateway-api@v1.3.0
DEFAULT_GROUPS=(images cluster)

# name, module@version, package, folder; its linker flags are in linker_flags.
tools_of() { # GROUP
	case $1 in
	images)
		echo "docker-buildx github.com/docker/buildx@v0.29.1 ./cmd/buildx $CLI_PLUGINS"
		echo "docker-compose github.com/docker/compose/v2@v2.40.3 ./cmd $CLI_PLUGINS"
		;;
	cluster)
		echo "kubelet kubernetes - $BIN"
		local name
		for name in containerd ctr containerd-shim-runc-v2; do
			echo "$name github.com/containerd/containerd/v2@v2.2.1 ./cmd/$name $CONTAINERD_BIN"
		done
		echo "coredns github.com/coredns/coredns@v1.14.7 . $BIN"
		echo "traefik github.com/traefik/traefik/v3@v3.5.3 ./cmd/traefik $BIN"
		echo "helm helm.sh/helm/v4@v4.3.1 ./cmd/helm $BIN"
		echo "gateway-api $GATEWAY_API_MODULE - $BIN"
		;;
	metrics) echo "metrics-server sigs.k8s.io/metrics-server@v0.9.0 ./cmd/metrics-server $BIN" ;;
	charts) echo "helm3 helm.sh/helm/v3@v3.22.0 ./cmd/helm $BIN" ;;
	dev)
		tools_of charts # skaffold knows helm 3 only
		echo "skaffold github.com/GoogleContainerTools/skaffold/v2@v2.16.1 ./cmd/skaffold $BIN"
		;;
	checks)
		echo "kubeconform github.com/yannh/kubeconform@v0.8.0 ./cmd/kubeconform $BIN"
		echo "opa github.com/open-policy-agent/opa@v1.22.2 . $BIN"
		echo "actionlint github.com/rhysd/actionlint@v1.7.12 ./cmd/actionlint $BIN"
		echo "helm-unittest github.com/helm-unittest/helm-unittest@v1.1.2 ./cmd/helm-unittest $BIN"
		echo "tofu github.com/opentofu/opentofu@v1.12.6 ./cmd/tofu $BIN"
		;;
	*) die "unknown group $1" ;;
	esac
}

linker_flags() { # NAME VERSION
	local minor package
	minor=$(cut -d. -f2 <<<"$KUBERNETES")
	printf -- '-s -w'
	case $1 in
	docker-buildx) printf ' -X github.com/docker/buildx/version.Version=%s' "$2" ;;
	docker-compose) printf ' -X github.com/docker/compose/v2/internal.Version=%s' "$2" ;;
	skaffold) printf ' -X github.com/GoogleContainerTools/skaffold/v2/pkg/skaffold/version.version=%s' "$2" ;;
	helm) printf ' -X helm.sh/helm/v4/internal/version.version=%s' "$2" ;;
	helm3)
		printf ' -X helm.sh/helm/v3/internal/version.version=%s' "$2"
		for package in lint/rules chartutil; do
			printf ' -X helm.sh/helm/v3/pkg/%s.k8sVersionMajor=1' "$package"
			printf ' -X helm.sh/helm/v3/pkg/%s.k8sVersionMinor=%s' "$package" "$minor"
		done
		;;
	kubernetes)
		for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
			printf ' -X %s.gitVersion=%s -X %s.gitMajor=1' "$package" "$KUBERNETES" "$package"
			printf ' -X %s.gitMinor=%s -X %s.gitTreeState=clean' "$package" "$minor" "$package"
			printf ' -X %s.gitCommit=unknown -X %s.buildDate=2026-01-01T00:00:00Z' "$package" "$package"
		done
		;;
	esac
}

wanted() { # MODULE: what the stamp must begin with
	case $1 in
	kubernetes) cat "$HERE"/kubernetes/go.{mod,sum} | sha256sum | cut -d' ' -f1 ;;
	*) echo "$1" ;;
	esac
}

is_built() { # NAME MODULE FOLDER
	local stamp built
	case $1 in
	gateway-api) [ -s "$GATEWAY_API" ] || return 1 ;;
	*) [ -x "$3/$1" ] || return 1 ;;
	esac
	stamp=$3/.$1.stamp
	[ -s "$stamp" ] || return 1
	read -r built _ <"$stamp"
	[ "$built" = "$(wanted "$2")" ]
}

missing_tools() { # GROUP...
	local group name module folder
	for group; do
		while read -r name module _ folder; do
			is_built "$name" "$module" "$folder" || echo "$name"
		done < <(tools_of "$group")
	done
}

fetch() { # [GROUP...]: status 77 when a module cannot be had here
	[ $# -gt 0 ] || set -- "${DEFAULT_GROUPS[@]}"
	local group tool missing is_refused=
	for group; do tools_of "$group" >/dev/null; done
	missing=$(missing_tools "$@")
	[ -n "$missing" ] || return 0
	check "$@" || die "cannot build $(xargs <<<"$missing") here"
	install_packages
	build_folder
	for group; do
		while read -r tool; do
			# shellcheck disable=SC2086 # one line of the table, split into its columns
			build_unless_there $tool || is_refused=yes
		done < <(tools_of "$group")
	done
	[ -z "$is_refused" ] || exit 77
}

build_folder() { # Go's caches, many gigabytes, live as long as this program
	GO_CACHES=$(mktemp -d "$TESTBED_CACHE/build.XXXXXX")
	trap 'rm -rf "$GO_CACHES"' EXIT
	export GOCACHE=$GO_CACHES/cache GOMODCACHE=$GO_CACHES/modules GOTMPDIR=$GO_CACHES
	export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off GOFLAGS="-buildvcs=false -modcacherw"
}

build_unless_there() { # NAME MODULE PACKAGE FOLDER: fail when the module is refused
	local name=$1 module=$2 package=$3 folder=$4 started=$SECONDS source
	! is_built "$name" "$module" "$folder" || return 0
	case $module in
	kubernetes) source=$HERE/kubernetes ;;
	*) source=$(unpacked "$module") ;;
	esac
	if [ -z "$source" ] || { [ "$module" = kubernetes ] && ! download_kubernetes; }; then
		say "$name: the module $module cannot be had; see $TESTBED_RUN/log/build.log"
		return 1
	fi
	case $name in
	kubelet) build_kubernetes ;;
	gateway-api) collect_gateway_api "$source" ;;
	*) go_build "$name" "$source" "$(linker_flags "$name" "${module#*@}")" "$folder/$name" "$package" ;;
	esac
	echo "$(wanted "$module") $(go env GOVERSION)" >"$folder/.$name.stamp"
	say "$name ${module#*@}: $((SECONDS - started)) s"
}

unpacked() { # MODULE: print its folder; nothing when it cannot be had
	local told
	told=$(cd / && go mod download -json "$1" 2>>"$TESTBED_RUN/log/build.log") || true
	jq -r '.Error // empty' <<<"$told" >>"$TESTBED_RUN/log/build.log"
	jq -r '.Dir // empty' <<<"$told"
}

go_build() { # NAME SOURCE FLAGS OUT PACKAGE...
	local log=$TESTBED_RUN/log/build-$1.log source=$2 flags=$3 out=$4
	shift 4
	go build -C "$source" -mod=readonly -trimpath -ldflags "$flags" -o "$out" "$@" 2>"$log" ||
		die "$* does not build: see $log"
}

download_kubernetes() {
	(cd "$HERE/kubernetes" && go mod download) 2>>"$TESTBED_RUN/log/build.log"
}

build_kubernetes() {
	go_build kubernetes "$HERE/kubernetes" "$(linker_flags kubernetes $KUBERNETES)" "$BIN/" \
		"${KUBERNETES_COMMANDS[@]/#/k8s.io/kubernetes/cmd/}"
	go_build etcd "$HERE/kubernetes" '-s -w' "$BIN/etcd" go.etcd.io/etcd/server/v3
}

collect_gateway_api() { # FOLDER: its custom resource definitions, standard channel
	local file
	for file in "$1"/config/crd/standard/gateway.*.yaml; do
		printf -- '---\n'
		cat "$file"
	done >"$GATEWAY_API"
}
