# shellcheck shell=bash
# The Docker engine, which belongs to the testbed alone.

engine_up() {
	if ! running dockerd; then
		keep_kernel_settings engine
		keep_firewall engine
	fi
	start dockerd dockerd \
		--data-root "$TESTBED_CACHE/docker" --exec-root "$TESTBED_RUN/docker" \
		--pidfile "$TESTBED_RUN/docker.pid" --host "$DOCKER_HOST" \
		--exec-opt native.cgroupdriver=cgroupfs --storage-driver overlay2 \
		--default-ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --oom-score-adjust 0
	until_ok 60 dockerd docker version
	say "engine $(docker version --format '{{.Server.Version}}')"
}

engine_down() { # images and build cache stay
	local group
	if ! running dockerd && [ ! -s "$TESTBED_RUN/firewall.engine" ]; then return 0; fi
	stop dockerd
	drop_firewall_rules 'DOCKER|docker0'
	restore_firewall engine
	ip link del docker0 2>/dev/null || true
	unmount_below "$TESTBED_RUN/docker"
	unmount_below "$TESTBED_CACHE/docker"
	for group in docker buildkit; do remove_cgroups "$group"; done
	restore_kernel_settings engine
	say "engine stopped"
}
