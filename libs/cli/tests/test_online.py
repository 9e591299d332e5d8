"""Commands on a cluster, as somebody types them."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from libs.cli.app import main
from libs.cli.tests.crew_server import CrewServer, crew_server

_OLD, _NEW = "sha256:" + "1a" * 32, "sha256:" + "2b" * 32
_ROLLBACK = "crew.venturebots.dev/rollback-to"
_APPROVE = "crew.venturebots.dev/approve"
_PROBE = "crew.venturebots.dev/probe"
_READY = {
    "type": "Ready",
    "status": "False",
    "reason": "Canary",
    "message": "10 % of the sessions",
}

type Vb = Callable[..., int]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CrewServer]:
    """A cluster with a crew under roll-out."""
    with crew_server(tmp_path) as running:
        running.add_crew(
            "coaching",
            phase="Canary",
            conditions=[_READY],
            newestDigest=_NEW,
            stableDigest=_OLD,
            stableRevision="coaching-1a1a1a1a1a",
            candidateDigest=_NEW,
            canaryWeight=10,
            summary="2/2",
        )
        running.add_revision("coaching", _OLD, "2026-05-01T08:00:00Z")
        running.add_revision("coaching", _NEW, "2026-05-02T08:00:00Z")
        yield running


@pytest.fixture
def vb(server: CrewServer) -> Vb:
    """The command, told where the cluster is."""

    def run(command: str, *words: str) -> int:
        where = ["--kubeconfig", str(server.kubeconfig)]
        return main(["crews", command, *where, *words])

    return run


def _asked(server: CrewServer) -> dict[str, str]:
    annotations: dict[str, str] = server.patches[-1]["metadata"]["annotations"]
    return annotations


def test_crews_are_listed_with_where_they_stand(
    server: CrewServer, vb: Vb, capsys: pytest.CaptureFixture[str]
) -> None:
    server.add_crew("fresh")
    assert vb("list") == 0
    titles, coaching, fresh = capsys.readouterr().out.splitlines()
    assert titles.split()[:4] == ["NAMESPACE", "NAME", "READY", "PHASE"]
    assert coaching.split()[:6] == [
        *("coach", "coaching", "False", "Canary"),
        *("coaching-1a1a1a1a1a", "2/2"),
    ]
    assert coaching.endswith("10 % of the sessions")
    assert fresh.split()[2:4] == ["Unknown", "Pending"]
    assert vb("list", "--all-namespaces", "-o", "json") == 0
    first, _ = json.loads(capsys.readouterr().out)
    assert first["status"]["canaryWeight"] == 10


def test_the_history_tells_what_each_revision_is_now(
    vb: Vb, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vb("history", "coaching") == 0
    _, newest, oldest = capsys.readouterr().out.splitlines()
    assert newest.startswith("coaching-2b2b2b2b2b")
    assert newest.endswith("newest, candidate 10 %")
    assert oldest.endswith("stable")
    assert vb("history", "coaching", "-o", "json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


@pytest.mark.parametrize("named", [_OLD, "coaching-1a1a1a1a1a"])
def test_a_rollback_asks_for_a_revision_that_is_kept(
    server: CrewServer, vb: Vb, named: str
) -> None:
    assert vb("rollback", "coaching", named) == 0
    assert _asked(server) == {_ROLLBACK: _OLD}


def test_a_rollback_to_what_is_not_kept_is_refused(
    server: CrewServer, vb: Vb, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vb("rollback", "coaching", "coaching-0") == 3
    told = capsys.readouterr().err
    assert "kept: coaching-2b2b2b2b2b, coaching-1a1a1a1a1a" in told
    assert server.patches == []


@pytest.mark.parametrize("request_", ["approve", "abort"])
def test_a_request_names_the_candidate_it_was_made_for(
    server: CrewServer, vb: Vb, request_: str
) -> None:
    assert vb(request_, "coaching") == 0
    assert _asked(server) == {f"crew.venturebots.dev/{request_}": _NEW}
    server.add_crew("settled", stableDigest=_OLD, newestDigest=_OLD)
    assert vb(request_, "settled") == 1
    assert len(server.patches) == 1


def test_an_approval_tries_a_failed_revision_again(server: CrewServer, vb: Vb) -> None:
    server.add_crew(
        "failed", stableDigest=_OLD, newestDigest=_NEW, failedDigests=[_NEW]
    )
    assert vb("approve", "failed") == 0
    assert _asked(server) == {_APPROVE: _NEW}


def test_a_crew_is_paused_and_resumed(
    server: CrewServer, vb: Vb, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vb("pause", "coaching") == 0
    assert server.patches[-1] == {"spec": {"paused": True}}
    assert vb("list") == 0
    assert "Canary, paused" in capsys.readouterr().out
    assert vb("resume", "coaching") == 0
    assert server.patches[-1] == {"spec": {"paused": None}}


def _probed(passed: int, message: str) -> dict[str, Any]:
    return {
        "digest": _NEW,
        "askedAt": "2026-05-02T09:00:00.000001Z",
        "time": "2026-05-02T09:00:02Z",
        "passed": passed,
        "total": 2,
        "message": message,
    }


@pytest.mark.parametrize(("passed", "code"), [(2, 0), (1, 1)])
def test_probes_are_run_and_their_outcome_told(
    server: CrewServer, vb: Vb, passed: int, code: int
) -> None:
    def react(crew: dict[str, Any]) -> None:
        assert crew["metadata"]["annotations"].pop(_PROBE) == "true"
        crew["status"]["lastProbe"] = _probed(passed, "no question in the reply")

    server.react = react
    told = io.StringIO()
    with redirect_stdout(told):
        assert vb("probe", "coaching", "--timeout", "30") == code
    assert f"{passed} of 2 probes passed on {_NEW}\n" in told.getvalue()
    assert "no question in the reply" in told.getvalue()


def test_probes_that_the_operator_does_not_take_up_are_told(
    server: CrewServer, vb: Vb, capsys: pytest.CaptureFixture[str]
) -> None:
    server.react = lambda crew: crew["metadata"]["annotations"].clear()
    assert vb("probe", "coaching", "--timeout", "30") == 1
    assert "did not take that up" in capsys.readouterr().out


def test_probes_without_an_operator_end(
    vb: Vb, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vb("probe", "coaching", "--timeout", "0.1") == 3
    assert "is the operator running" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["history", "pause", "approve", "probe"])
def test_a_crew_that_is_not_there_is_told(
    vb: Vb, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vb(command, "gone") == 3
    assert "crew 'gone' in namespace 'coach'" in capsys.readouterr().err


def test_a_cluster_without_crews_is_told_what_to_install(
    server: CrewServer, vb: Vb, capsys: pytest.CaptureFixture[str]
) -> None:
    server.has_crews = False
    assert vb("list") == 3
    assert "install charts/venturebots-crds first" in capsys.readouterr().err


def test_a_status_of_another_version_is_told(
    server: CrewServer, vb: Vb, capsys: pytest.CaptureFixture[str]
) -> None:
    server.add_crew("newer", mood="fine")
    assert vb("list") == 3
    assert "of another version" in capsys.readouterr().err


def test_a_cluster_that_does_not_answer_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with crew_server(tmp_path) as gone:
        kubeconfig = str(gone.kubeconfig)
    assert main(["crews", "list", "--kubeconfig", kubeconfig]) == 3
    assert "cannot be reached" in capsys.readouterr().err
    named = ["--kubeconfig", kubeconfig, "--context", "other"]
    assert main(["crews", "list", *named]) == 3
    assert main(["crews", "list", "--kubeconfig", str(tmp_path / "none")]) == 3
    assert capsys.readouterr().err.count("the kubeconfig cannot be used") == 2
