# shellcheck shell=bash
# How daemons are started, found again and stopped; how conditions are waited for.

say() { printf '[testbed] %s\n' "$*" >&2; }

die() {
	say "error: $*"
	exit 1
}

locked() { # COMMAND...: one at a time; the daemons it starts do not inherit the lock
	exec 9>"$TESTBED_RUN/lock"
	flock 9
	"$@"
}

# A pid file holds the process's id and start time: a reused id is never taken for ours.
born() { # PID
	awk '$3 != "Z" {print $22}' "/proc/$1/stat" 2>/dev/null || true
}

running() { # NAME
	local pid start
	[ -s "$TESTBED_RUN/pid/$1" ] || return 1
	read -r pid start <"$TESTBED_RUN/pid/$1"
	[ -n "$start" ] && [ "$(born "$pid")" = "$start" ]
}

start() { # NAME COMMAND...: start a daemon in a session of its own, once
	local name=$1
	shift
	! running "$name" || return 0
	setsid "$@" >>"$TESTBED_RUN/log/$name.log" 2>&1 </dev/null 9>&- &
	echo "$! $(born $!)" >"$TESTBED_RUN/pid/$name"
}

signal() { # SIGNAL NAME...
	local signal=$1 name pid
	shift
	for name; do
		running "$name" || continue
		read -r pid _ <"$TESTBED_RUN/pid/$name"
		kill "-$signal" "$pid" 2>/dev/null || true
	done
}

any_running() { # NAME...
	local name
	for name; do ! running "$name" || return 0; done
	return 1
}

stop() { # NAME...: all at once; what is left after fifteen seconds is killed
	local name
	signal TERM "$@"
	for _ in {1..150}; do
		any_running "$@" || break
		sleep 0.1
	done
	signal KILL "$@"
	for name; do rm -f "$TESTBED_RUN/pid/$name"; done
}

until_ok() { # SECONDS WHAT COMMAND...: poll until the command succeeds
	local limit=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$limit" ] || die "$what: not ready in time (logs: $TESTBED_RUN/log)"
		sleep 0.2
	done
}
