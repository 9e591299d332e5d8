"""The audit log, read as a test reads it."""

import json
from pathlib import Path

import pytest

from tests.cluster.audit import AuditLog, Call

_OPERATOR = "system:serviceaccount:vb:operator"


def _line(number: int, verb: str = "get", **ref: str) -> str:
    event = {
        "auditID": str(number),
        "user": {"username": _OPERATOR},
        "verb": verb,
        "objectRef": {"resource": "pods", "namespace": "vb", **ref},
        "responseStatus": {"code": 200},
    }
    return json.dumps(event) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Keep a log with a call from before."""
    file = tmp_path / "audit.log"
    file.write_text(_line(1))
    return file


def test_calls_are_counted_from_now_on_and_each_once(path: Path) -> None:
    log = AuditLog(path)
    assert log.calls() == []
    with path.open("a") as file:
        file.writelines([_line(2, "watch"), _line(3, "list"), _line(2, "watch")])
        file.write('{"auditID": "half')

    assert [call.verb for call in log.calls(user=_OPERATOR)] == ["watch", "list"]


def test_calls_are_found_by_what_they_were_for(path: Path) -> None:
    log = AuditLog(path)
    with path.open("a") as file:
        file.write(_line(2, "update", subresource="status", name="one"))
        file.write(_line(3, "update", namespace="other"))

    [call] = log.calls(verb="update", namespace="vb")

    assert call == Call(_OPERATOR, "update", "pods/status", "vb", "one", 200)
    assert log.calls(resource="pods") == log.calls(namespace="other")
    assert log.calls(user="nobody") == []


def test_a_log_that_was_begun_anew_is_read_from_its_beginning(path: Path) -> None:
    log = AuditLog(path)
    path.rename(path.with_suffix(".1"))
    path.write_text(_line(4))

    assert len(log.calls()) == 1
