# shellcheck shell=bash
# Images, from the Docker engine into the nodes.

load() { # IMAGE...: into every running node; content that a node has is only tagged there
	[ $# -gt 0 ] || die "load: name at least one image"
	local folder job jobs=()
	for folder in "$CLUSTER"/node*; do
		running "containerd${folder##*node}" || continue
		load_into "$(basename "$folder")" "$@" &
		jobs+=($!)
	done
	[ ${#jobs[@]} -gt 0 ] || die "load: no node runs"
	for job in "${jobs[@]}"; do wait "$job"; done
}

load_into() { # NODE IMAGE...
	local ctr=("$CONTAINERD_BIN/ctr" -a "$CLUSTER/$1/containerd.sock" -n k8s.io) there image id absent=()
	shift
	there=$("${ctr[@]}" images ls -q)
	for image; do
		id=$(docker image inspect --format '{{.Id}}' "$image")
		if grep -qxF "$id" <<<"$there"; then
			"${ctr[@]}" images tag --force "$id" "$(canonical "$image")" >/dev/null
		else
			absent+=("$image")
		fi
	done
	[ ${#absent[@]} = 0 ] || docker save "${absent[@]}" | "${ctr[@]}" images import - >/dev/null
}

canonical() { # IMAGE: demo/app is docker.io/demo/app:latest
	local name=$1
	case ${name%%/*} in
	"$name") name=docker.io/library/$name ;;
	*.* | *:* | localhost) ;;
	*) name=docker.io/$name ;;
	esac
	case ${name##*/} in *:*) echo "$name" ;; *) echo "$name:latest" ;; esac
}
