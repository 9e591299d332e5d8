"""What a cluster and an engine may leave on a machine, or take from it, counted."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from libs.toolchain.paths import cache_of_testbed
from tests.cluster.kubernetes import wait_until

__all__ = ["changes", "engine_objects", "left_as_found", "traces"]

_CGROUPS = Path("/sys/fs/cgroup")
_GROUP_NAMES = {"testbed", "docker", "kubepods", "buildkit"}
_NAMESPACES = Path("/run/netns")
_PROCESSES = Path("/proc")
_SETTINGS = (
    *("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"),
    *("net/ipv4/conf/all/route_localnet", "vm/overcommit_memory", "vm/panic_on_oom"),
    *("kernel/panic", "kernel/panic_on_oops"),
    *("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"),
)
# What an engine that stays makes when it first runs a container, and keeps.
_OF_ENGINE = ("docker0", "/docker", "/buildkit")
_OF_ENGINE_KINDS = ("link", "address", "route", "mount", "cgroup")
_STAYING_IMAGES = ("venturebots/", "testbed/", "<none>:")
"""The product's, in their newest and older builds, and those of the test cluster."""
_ENGINE_QUESTIONS = {
    "container": ("ps", "--all", "--format", "{{.Names}}"),
    "volume": ("volume", "ls", "--format", "{{.Name}}"),
    "network": ("network", "ls", "--format", "{{.Name}}"),
    "image": ("image", "ls", "--format", "{{.Repository}}:{{.Tag}}"),
}
_SETTLED_SECONDS = 60.0


@contextmanager
def left_as_found(*, beside_engine: bool) -> Iterator[None]:
    """Prove that the machine is after the context as it was before.

    What is on its way out, such as a process that has been told, is waited for.
    """
    before = traces(beside_engine=beside_engine)

    def since() -> list[str]:
        return changes(before, traces(beside_engine=beside_engine))

    yield
    try:
        wait_until(lambda: not since(), "as found", limit_seconds=_SETTLED_SECONDS)
    except TimeoutError:
        assert since() == []


def changes(before: Counter[str], after: Counter[str]) -> list[str]:
    """Tell what is left that was not there, and what was taken away."""
    left = (f"left: {line}" for line in (after - before).elements())
    taken = (f"taken: {line}" for line in (before - after).elements())
    return sorted([*left, *taken])


def traces(*, beside_engine: bool = False) -> Counter[str]:
    """Count processes, mounts, links, routes, namespaces, rules, groups, settings.

    A line names what it counts, so that a difference of two says what was left.
    Beside an engine that runs all the while, its own are not counted.
    """
    return Counter(
        f"{kind}: {each}"
        for kind, found in (
            ("process", _processes()),
            ("mount", _mounts()),
            ("link", _lines("ip", "-o", "link")),
            ("address", _lines("ip", "-o", "address")),
            ("route", _lines("ip", "route", "show", "table", "all")),
            ("namespace", (path.name for path in _NAMESPACES.glob("*"))),
            ("rule", _rules()),
            ("nft table", _lines("nft", "list", "tables")),
            ("cgroup", _cgroups()),
            ("setting", _settings()),
        )
        for each in found
        if not (beside_engine and _is_of_engine(kind, each))
    )


def engine_objects(environment: Mapping[str, str]) -> Counter[str]:
    """Count an engine's containers, volumes, networks, and images that may not stay."""
    return Counter(
        f"{kind}: {name}"
        for kind, words in _ENGINE_QUESTIONS.items()
        for name in _told(environment, *words)
        if not (kind == "image" and name.startswith(_STAYING_IMAGES))
    )


def _told(environment: Mapping[str, str], *words: str) -> list[str]:
    done = subprocess.run(
        ["docker", *words],  # noqa: S607 - the one that the environment finds
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def _is_of_engine(kind: str, line: str) -> bool:
    return kind in _OF_ENGINE_KINDS and any(mark in line for mark in _OF_ENGINE)


def _lines(*words: str) -> Iterator[str]:
    try:
        told = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # not installed yet, so it cannot have been used
        return
    for line in told.stdout.splitlines():
        # An interface's number and what it counts are no one's.
        number, colon, rest = line.partition(": ")
        yield rest if colon and number.isdigit() else line


def _processes() -> Iterator[str]:
    """Find processes that keep their things in the test cluster's folders or groups.

    Its tools may also be others': a second API server, say, of a test of its own.
    """
    cache = cache_of_testbed()
    run = os.environ.get("TESTBED_RUN", f"{cache}/run")
    marks = (f"{run}/", f"{cache}/docker", "tests.cluster.testbed.agents")
    groups = tuple(f"/{name}/" for name in _GROUP_NAMES)
    for folder in _PROCESSES.glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            group = (folder / "cgroup").read_text()
        except (OSError, UnicodeDecodeError):  # it ended meanwhile
            continue
        if any(mark in command for mark in marks) or any(g in group for g in groups):
            yield command.strip()[:120]


def _mounts() -> Iterator[str]:
    for line in (_PROCESSES / "self" / "mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        yield f"{kind} {place}"


def _rules() -> Iterator[str]:
    for program in ("iptables-save", "ip6tables-save"):
        for line in _lines(program):
            if line.startswith(("-A", ":")):
                yield f"{program}: {line.partition(' [')[0]}"


def _cgroups() -> Iterator[str]:
    for name in _GROUP_NAMES:
        for path in _CGROUPS.glob(f"*/{name}"):
            yield from (str(found) for found in (path, *path.rglob("*/")))


def _settings() -> Iterator[str]:
    for name in _SETTINGS:
        path = _PROCESSES / "sys" / name
        # What a module brings is on, as the kernel's default is.
        value = path.read_text().strip() if path.exists() else "1"
        yield f"{name}={value}"


if __name__ == "__main__":
    for trace, count in sorted(traces().items()):
        print(count, trace)  # noqa: T201 - a program's output
