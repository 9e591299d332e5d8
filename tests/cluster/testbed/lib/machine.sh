# shellcheck shell=bash
# What this machine must allow, its packages, and the settings of its kernel that are changed.

PACKAGES=(docker.io runc containernetworking-plugins iptables nftables conntrack iproute2 util-linux
	mmdebstrap debian-archive-keyring gcc libc6-dev jq curl openssl)
GB_TO_BUILD=15

missing_packages() {
	local package
	for package in "${PACKAGES[@]}"; do
		dpkg -s "$package" >/dev/null 2>&1 || echo "$package"
	done
}

install_packages() { # status 77 when one cannot be had here
	local missing
	mapfile -t missing < <(missing_packages)
	[ ${#missing[@]} -gt 0 ] || return 0
	# Other installations on this machine are waited for.
	local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
	if ! "${apt[@]}" update ||
		! "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >/dev/null; then
		say "error: cannot run here: this machine's package mirror has or gives no ${missing[*]}"
		exit 77
	fi
	say "installed ${missing[*]}"
}

has_capability() { # BIT
	local effective
	effective=$(awk '$1 == "CapEff:" {print $2}' /proc/self/status)
	(((0x$effective >> $1) & 1))
}

lacking_privileges() {
	[ "$(uname -s)" = Linux ] || {
		echo "this is not Linux"
		return 0
	}
	[ "$(id -u)" = 0 ] || {
		echo "not root"
		return 0
	}
	has_capability 12 || echo "no CAP_NET_ADMIN (bridges, firewall rules)"
	has_capability 21 || echo "no CAP_SYS_ADMIN (mounts, namespaces)"
	local controller
	for controller in cpu memory pids devices; do
		[ -d "$CGROUPS/$controller" ] ||
			echo "no cgroup v1 controller $controller (with cgroup v2 use Docker and kind)"
		[ ! -d "$CGROUPS/$controller" ] || [ -w "$CGROUPS/$controller" ] ||
			echo "$CGROUPS/$controller cannot be written"
	done
	command -v apt-get >/dev/null || echo "no Debian packages (apt-get)"
	! other_engine_runs ||
		echo "another Docker engine runs, whose bridge and firewall rules would be ours (use kind)"
}

other_engine_runs() { # one that is not ours; what only waits to be reaped does not run
	! running dockerd && grep -qsE '^[0-9]+ \(dockerd\) [^ZX]' /proc/[0-9]*/stat
}

lacking_tools() { # GROUP...: what cannot be built here though it is needed
	local missing free
	missing=$(missing_tools "$@")
	[ -n "$missing" ] || return 0
	command -v go >/dev/null || echo "no Go to build $(xargs <<<"$missing")"
	free=$(df --output=avail -BG "$TESTBED_CACHE" | tail -1 | tr -dc 0-9)
	[ "$free" -ge "$GB_TO_BUILD" ] ||
		echo "$free GB free where tools are built, of $GB_TO_BUILD needed"
}

check() { # [GROUP...]: print what is missing; fail when something is
	[ $# -gt 0 ] || set -- "${DEFAULT_GROUPS[@]}"
	local group lacking
	for group; do tools_of "$group" >/dev/null; done
	lacking=$(
		lacking_privileges
		lacking_tools "$@"
	)
	[ -z "$lacking" ] || {
		echo "$lacking"
		return 1
	}
}

require() { # GROUP...
	local lacking
	lacking=$(check "$@") || die "cannot run here: $(paste -sd ';' <<<"$lacking")"
}

# What the kubelet, kube-proxy, Docker and we ourselves set, put back when engine or cluster stops.
KERNEL_SETTINGS=(net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables
	net.ipv4.conf.all.route_localnet net.netfilter.nf_conntrack_tcp_timeout_established
	net.netfilter.nf_conntrack_tcp_timeout_close_wait vm.overcommit_memory vm.panic_on_oom
	kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes)

keep_kernel_settings() { # engine|cluster
	local file=$TESTBED_RUN/kernel-settings.$1 name
	[ ! -s "$file" ] || return 0
	for name in "${KERNEL_SETTINGS[@]}"; do
		sysctl -e "$name" 2>/dev/null || true
	done >"$file.new"
	mv "$file.new" "$file"
}

restore_kernel_settings() { # engine|cluster
	local file=$TESTBED_RUN/kernel-settings.$1
	[ -s "$file" ] || return 0
	sysctl -qe -p "$file" >/dev/null 2>&1 || true
	rm "$file"
}

# Docker closes FORWARD, and whoever uses iptables makes tables, which stay when empty.
keep_firewall() { # engine|cluster
	local file=$TESTBED_RUN/firewall.$1
	[ ! -s "$file" ] || return 0
	{
		iptables -S FORWARD | grep -- '^-P'
		nft list tables
	} >"$file.new"
	mv "$file.new" "$file"
}

restore_firewall() { # engine|cluster
	local file=$TESTBED_RUN/firewall.$1 policy table
	[ -s "$file" ] || return 0
	read -r -a policy <"$file"
	iptables "${policy[@]}"
	nft list tables | while read -r table; do
		grep -qxF "$table" "$file" || has_rules "${table#table }" || nft delete "$table"
	done
	rm "$file"
}

has_rules() { # TABLE: whether anything stands in its chains
	# shellcheck disable=SC2086 # a family and a name
	nft list table $1 | grep -qvE '^\s*(table .*|chain .*|type .*|#.*|\}|)$'
}

drop_firewall_rules() { # PATTERN: every chain and rule whose line matches it
	local family rules
	for family in iptables ip6tables; do
		rules=$("$family-save")
		grep -qE "$1" <<<"$rules" || continue
		grep -vE "$1" <<<"$rules" | "$family-restore"
	done
}

unmount_below() { # FOLDER
	awk -v d="$1/" 'index($2, d) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n1 umount -l
}

remove_cgroups() { # NAME: of every hierarchy, with all below it, as soon as the last process is gone
	for _ in {1..100}; do
		find "$CGROUPS"/*/"$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
		compgen -G "$CGROUPS/*/$1" >/dev/null || return 0
		sleep 0.1
	done
	say "processes are left in the cgroups $1"
}
