"""The operator is away, has few rights, and does not see its neighbours."""

import asyncio
import base64
import json
from collections.abc import Iterator

import pytest

from libs.testing.client import FounderClient
from tests.cluster.audit import AuditLog
from tests.cluster.crews import Crews, served_digest
from tests.cluster.kubernetes import Kubernetes, Release, namespace, wait_until
from tests.cluster.pods import stranger
from tests.cluster.test_smoke import answers_through_ingress
from tests.real import missing

pytestmark = pytest.mark.timeout(1200)

_CREW = "coaching"
_LIST_CREWS = """
import json, os, grpc
from pathlib import Path
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb
from venturebots.orchestrator.v1 import orchestrator_service_pb2_grpc as rpc
token = Path(os.environ["VB_ORCHESTRATOR_TOKEN_FILE"]).read_text().strip()
channel = grpc.insecure_channel("127.0.0.1:50051")
told = rpc.OrchestratorServiceStub(channel).ListCrews(
    pb.ListCrewsRequest(), metadata=(("authorization", "Bearer " + token),))
print(json.dumps({"source": told.source,
                  "crews": {crew.name: crew.digest for crew in told.crews}}))
"""
_SUBSCRIBE = """
import sys, grpc
from venturebots.crew.v1 import crew_discovery_pb2 as pb
from venturebots.crew.v1 import crew_discovery_pb2_grpc as rpc
host, token = sys.argv[1:]
said = pb.StreamRevisionsRequest(subscribe=pb.Subscribe(instance_id="stranger"))
metadata = (("authorization", "Bearer " + token),) if token else ()
stub = rpc.CrewDiscoveryServiceStub(grpc.insecure_channel(host + ":50052"))
try:
    next(iter(stub.StreamRevisions(iter([said]), metadata=metadata, timeout=10)))
    print("served")
except grpc.RpcError as error:
    print(error.code().name)
"""


@pytest.fixture(scope="module")
def audit(kubernetes: Kubernetes) -> AuditLog:
    """What is asked of the API server from here on."""
    if kubernetes.audit_log is None:
        missing("this cluster keeps no audit log that can be read")
    return AuditLog(kubernetes.audit_log)


@pytest.fixture(scope="module")
def crews(request: pytest.FixtureRequest, shared_empty_release: Release) -> Crews:
    """A release whose every call to the API server is on record."""
    request.getfixturevalue("audit")
    shared_empty_release.install()
    answers_through_ingress(shared_empty_release)
    crews = Crews(shared_empty_release)
    crews.ready(_CREW)
    return crews


@pytest.fixture
def no_operator(crews: Crews) -> Iterator[Crews]:
    """The same without an operator."""
    operator = f"deployment/{crews.release.fullname('operator')}"
    replicas = len(crews.release.pods("operator"))
    crews.release.kubectl("scale", operator, "--replicas=0")
    wait_until(lambda: not crews.release.pods("operator"), "the operator's end")
    yield crews
    crews.release.kubectl("scale", operator, f"--replicas={replicas}")
    crews.release.rolled_out("operator")
    crews.until(_CREW, "Ready", "True")


async def test_chat_goes_on_without_an_operator(no_operator: Crews) -> None:
    release, stable = no_operator.release, no_operator.stable(_CREW)
    async with await FounderClient.arrive(release.url) as founder:
        session = (await founder.create_session())["session_id"]
        assert await served_digest(founder, session, "My gym is full") == stable

        orchestrator = f"deployment/{release.fullname('orchestrator')}"
        await asyncio.to_thread(release.kubectl, "rollout", "restart", orchestrator)
        await asyncio.to_thread(release.rolled_out, "orchestrator")

        told = json.loads(
            release.kubectl("exec", orchestrator, "--", "python", "-c", _LIST_CREWS)
        )
        assert told["source"].startswith("bootstrap:")
        assert told["crews"][_CREW] == stable
        await asyncio.to_thread(answers_through_ingress, release)
        assert await served_digest(founder, session, "Every day at six") == stable


def test_the_fleet_is_unknown_to_an_operator_that_just_came(crews: Crews) -> None:
    """After its return every orchestrator is counted again."""
    crews.release.kubectl(
        "delete", "pods", "--selector=app.kubernetes.io/name=operator"
    )
    crews.release.rolled_out("operator")
    crews.until(_CREW, "Programmed", "True")
    assert crews.status(_CREW)["summary"] == "1/1"


def test_the_operator_asks_for_nothing_it_may_not(
    crews: Crews, audit: AuditLog
) -> None:
    release = crews.release
    account = (
        f"system:serviceaccount:{release.namespace}:{release.fullname('operator')}"
    )
    calls = audit.calls(user=account)
    assert calls
    assert [call for call in calls if call.status == 403] == []
    for verb in ("list", "watch"):
        told = release.kubectl(
            "auth", "can-i", verb, "secrets", "--as", account, is_checked=False
        )
        assert told.strip() == "no"
    writers = {
        call.user
        for call in audit.calls(verb="patch", namespace=release.namespace)
        if call.resource == "crews/status"
    }
    assert writers == {account}


def test_the_stream_is_for_those_who_show_its_token(crews: Crews) -> None:
    release = crews.release
    host = f"{release.fullname('operator')}.{release.namespace}"
    labels = {
        "app.kubernetes.io/name": "orchestrator",
        "app.kubernetes.io/instance": release.name,
    }
    with stranger(
        release.kubernetes, release.namespace, "pretender", labels=labels
    ) as pod:
        for token in ("", "wrong"):
            words = ("python", "-c", _SUBSCRIBE, host, token)
            told = release.kubectl("exec", pod, "--", *words)
            assert told.strip() == "UNAUTHENTICATED"
    [secret] = [
        found
        for found in release.objects("secrets")
        if found["metadata"]["name"].endswith("operator-token")
    ]
    assert base64.b64decode(next(iter(secret["data"].values())))


def test_two_releases_do_not_see_each_other(crews: Crews) -> None:
    kubernetes = crews.release.kubernetes
    with namespace(kubernetes) as other_name:
        other = Release(kubernetes, other_name)
        other.install()
        neighbours = Crews(other)
        neighbours.ready(_CREW)
        before = crews.get(_CREW)["metadata"]["resourceVersion"]

        neighbours.say(_CREW, "Answer {message} in another way")
        neighbours.until(_CREW, "Ready", "True")

        assert neighbours.stable(_CREW) != crews.stable(_CREW)
        assert crews.get(_CREW)["metadata"]["resourceVersion"] == before
        other.uninstall()
    assert crews.condition(_CREW, "Ready")[0] == "True"
