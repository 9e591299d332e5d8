"""What keeps the testbed off a machine."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.machine import changes

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="the testbed is for Linux"
)

_PATH = "/usr/bin:/bin"
_LIB = Path(__file__).parents[1] / "lib"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[int]:
    """Run a program by the name of Docker's engine; return its id."""
    program = tmp_path / "dockerd"
    program.write_text("#!/bin/sh\necho\nread -r _\n")
    program.chmod(0o755)
    with subprocess.Popen(
        [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        yield process.pid
        process.kill()


def _done(
    command: str, folder: Path, *, path: str = _PATH
) -> subprocess.CompletedProcess[str]:
    """Run a command of the testbed's parts."""
    parts = " ".join(f". {_LIB}/{name}.sh;" for name in ("daemons", "machine"))
    return subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", f"{parts} {command}"],
        env={"TESTBED_RUN": str(folder), "CGROUPS": str(folder), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def _run(command: str, folder: Path, *, path: str = _PATH) -> int:
    return _done(command, folder, path=path).returncode


def _other_engine_runs(folder: Path, told: str = "") -> bool:
    return _run(f"{told} other_engine_runs", folder) == 0


def test_an_engine_that_is_not_ours_is_seen(engine: int, tmp_path: Path) -> None:
    assert engine
    assert _other_engine_runs(tmp_path)


def test_our_own_engine_is_no_other(engine: int, tmp_path: Path) -> None:
    (tmp_path / "pid").mkdir()
    ours = f'echo "{engine} $(born {engine})" >"$TESTBED_RUN/pid/dockerd";'
    assert not _other_engine_runs(tmp_path, ours)


def test_what_is_left_and_what_was_taken_are_both_told() -> None:
    before = Counter({"link: docker0": 1, "process: one": 2, "rule: a": 1})
    after = Counter({"process: one": 3, "rule: a": 1})

    assert changes(before, after) == ["left: process: one", "taken: link: docker0"]


def test_rules_are_dropped_from_a_firewall_that_may_have_none(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    for family in ("iptables", "ip6tables"):
        _program(tmp_path / f"{family}-save", f'cat "{rules}"')
        _program(tmp_path / f"{family}-restore", f'cat >"{rules}"')
    for told, kept in (("", ""), ("*nat\n:KUBE-A -\nCOMMIT\n", "*nat\nCOMMIT\n")):
        rules.write_text(told)
        path = f"{tmp_path}:{_PATH}"
        done = _run("drop_firewall_rules KUBE-", tmp_path, path=path)
        assert (done, rules.read_text()) == (0, kept)


def test_packages_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    _program(tmp_path / "dpkg", '[ "$2" != runc ]')
    _program(tmp_path / "apt-get", "exit 100")

    done = _done("install_packages", tmp_path, path=f"{tmp_path}:{_PATH}")

    assert done.returncode == 77
    assert "this machine's package mirror has or gives no runc\n" in done.stderr


@pytest.mark.parametrize(
    ("program", "body", "told"),
    [
        ("uname", "echo Darwin", "this is not Linux"),
        ("id", "echo 1000", "not root"),
        ("awk", "echo 0000000000200000", "no CAP_NET_ADMIN (bridges, firewall rules)"),
        ("awk", "echo 0000000000001000", "no CAP_SYS_ADMIN (mounts, namespaces)"),
        (
            "any",
            "exit 0",
            "no cgroup v1 controller memory (with cgroup v2 use Docker and kind)",
        ),
    ],
)
def test_what_a_machine_does_not_allow_is_told(
    program: str, body: str, told: str, tmp_path: Path
) -> None:
    _program(tmp_path / "uname", "echo Linux")
    _program(tmp_path / "id", "echo 0")
    _program(tmp_path / program, body)

    done = _done("lacking_privileges", tmp_path, path=f"{tmp_path}:{_PATH}")

    assert told in done.stdout.splitlines()


def test_a_machine_without_debians_packages_is_told(tmp_path: Path) -> None:
    for name in ("awk", "grep"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    _program(tmp_path / "uname", "echo Linux")
    _program(tmp_path / "id", "echo 0")

    done = _done("lacking_privileges", tmp_path, path=str(tmp_path))

    assert "no Debian packages (apt-get)" in done.stdout.splitlines()


def _program(path: Path, body: str) -> None:
    path.unlink(missing_ok=True)  # never through a link to the machine's own
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
