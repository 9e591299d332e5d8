"""Install, chat through the ingress, upgrade, uninstall."""

from functools import partial
from http import HTTPStatus

import httpx
import pytest

from libs.testing.client import FounderClient
from tests.cluster.audit import AuditLog
from tests.cluster.kubernetes import Release, wait_until

pytestmark = pytest.mark.timeout(900)

_COMPLETE = "complete"


async def test_a_release_chats_is_upgraded_and_goes(empty_release: Release) -> None:
    release = empty_release
    path = release.kubernetes.audit_log
    log = None if path is None else AuditLog(path)
    warnings = release.install()

    assert "would violate PodSecurity" not in warnings
    answers_through_ingress(release)
    async with await FounderClient.arrive(release.url) as founder:
        session = await founder.create_session()
        await _converse(founder, session["session_id"], "I copy invoices by hand.")
        said = await founder.messages(session["session_id"])

        release.install(orchestrator={"settings": {"logLevel": "debug"}})

        answers_through_ingress(release)
        assert _logs_of_orchestrator(release) == "debug"
        assert await founder.messages(session["session_id"]) == said
        await _converse(founder, session["session_id"], "An hour a day.")

    if log is not None:
        _assert_allowed(log, release)
    release.uninstall()

    kinds = "deployments,services,ingresses,configmaps,networkpolicies"
    left = [found["metadata"]["name"] for found in release.objects(kinds)]
    assert left == ["kube-root-ca.crt"]  # every namespace has it
    [claim] = release.objects("persistentvolumeclaims")
    assert claim["status"]["phase"] == "Bound"
    if log is not None:
        verbs = {call.verb for call in log.calls(namespace=release.namespace)}
        assert {"create", "patch", "delete"} <= verbs


def _assert_allowed(log: AuditLog, release: Release) -> None:
    """Only the operator asks, and for nothing that it may not.

    While a release goes, its rights may go before it does.
    """
    own = f"system:serviceaccount:{release.namespace}:"
    calls = log.calls(namespace=release.namespace)
    asked = [call for call in calls if call.user.startswith(own)]
    assert {call.user for call in asked} == {f"{own}{release.fullname('operator')}"}
    assert [call for call in asked if call.status == HTTPStatus.FORBIDDEN] == []


def answers_through_ingress(release: Release) -> None:
    """Wait until the controller knows the release: page and API."""

    def answers(path: str) -> bool:
        try:
            answer = httpx.get(release.url + path, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == HTTPStatus.OK

    for path in ("/", "/config.js", "/openapi.json"):
        wait_until(partial(answers, path), f"an answer at {path}")


async def _converse(founder: FounderClient, session_id: str, text: str) -> None:
    async with founder.following(session_id) as socket:
        accepted = await founder.send(session_id, text)
        await socket.ended(f"session:{session_id}", accepted["run_id"])
        reply = socket.state(f"session:{session_id}").reply_to(accepted["run_id"])
    messages = await founder.messages(session_id)
    assert [message["status"] for message in messages[-2:]] == [_COMPLETE, _COMPLETE]
    assert messages[-1]["text"] == reply


def _logs_of_orchestrator(release: Release) -> str:
    found = release.kubernetes.object(
        "configmap", release.fullname("orchestrator"), namespace=release.namespace
    )
    level: str = found["data"]["VB_ORCHESTRATOR_LOG_LEVEL"]
    return level
