"""Crews as resources: what the API server takes, what the operator makes of it."""

import json

import pytest

from libs.crewspec.tests.bad_resources import BAD_RESOURCES, BadResource
from libs.toolchain.paths import ROOT
from tests.cluster.crews import GROUP, Crews, agent, crew
from tests.cluster.kubernetes import Kubernetes, Object, Release, wait_until

pytestmark = pytest.mark.timeout(900)

_KINDS = (
    *("agents", "crews", "crewrevisions"),
    *("guardrailpolicies", "modelproviders", "tools"),
)
_CHART = ROOT / "charts" / "venturebots-crds"
_HEALED_SECONDS = 5


@pytest.fixture(scope="module")
def crews(shared_release: Release) -> Crews:
    """The crews of a release with the values of development."""
    return Crews(shared_release)


def test_definitions_can_be_applied_again_and_again(kubernetes: Kubernetes) -> None:
    rendered = kubernetes.helm("template", "crds", str(_CHART)).stdout
    words = ("apply", "--server-side", "--force-conflicts", "--filename", "-")
    kubernetes.kubectl(*words, stdin=rendered)
    before = _resource_versions(kubernetes)

    kubernetes.kubectl(*words, stdin=rendered)

    assert _resource_versions(kubernetes) == before
    for kind in _KINDS:
        told = kubernetes.kubectl(
            "wait", "--for=condition=Established", f"crd/{kind}.{GROUP}"
        )
        assert "condition met" in told


@pytest.mark.parametrize("kind", _KINDS)
def test_every_field_is_explained(kubernetes: Kubernetes, kind: str) -> None:
    found = json.loads(
        kubernetes.kubectl("get", "crd", f"{kind}.{GROUP}", "--output", "json")
    )
    [version] = found["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    lacking = [*_without_description(schema["spec"], "spec")]
    lacking += _without_description(
        schema.get("status", {"description": "-"}), "status"
    )
    assert lacking == []
    told = kubernetes.kubectl("explain", kind, "--recursive")
    assert "spec" in told
    assert "<empty>" not in kubernetes.kubectl("explain", f"{kind}.spec")


@pytest.mark.parametrize("bad", BAD_RESOURCES, ids=lambda bad: bad.name)
def test_a_bad_resource_is_refused_with_what_to_do(
    crews: Crews, bad: BadResource
) -> None:
    words = ("apply", "--server-side", "--dry-run=server", "--filename", "-")

    done = crews.release.kubernetes.run(
        *("kubectl", "--context", _context(crews)),
        *("--namespace", crews.release.namespace, *words),
        stdin=json.dumps(bad.manifest),
        is_checked=False,
    )

    assert done.returncode != 0
    assert bad.message in done.stderr


def test_the_crews_of_a_release_are_ready_and_say_so(crews: Crews) -> None:
    crews.ready("coaching", "welcome")
    listed = crews.release.kubectl("get", "crews").splitlines()
    assert {"NAME", "READY", "PHASE", "AGE"} <= set(listed[0].split())
    for line in listed[1:]:
        assert "True" in line
        assert "1/1" in line
    assert crews.release.kubectl("get", "venturebots").count("/") > 4


def test_an_edit_makes_one_revision_and_its_undoing_none(crews: Crews) -> None:
    crews.apply(agent("coach-of-one"), _crew("edited", agent="coach-of-one"))
    crews.ready("edited")
    first = crews.stable("edited")

    crews.say("edited", "Answer {message} in one sentence")
    crews.ready("edited")
    second = crews.stable("edited")
    assert second != first
    assert sorted(crews.revisions("edited").values()) == sorted([first, second])

    crews.say("edited", "Answer {message}")
    crews.ready("edited")
    assert crews.stable("edited") == first
    assert len(crews.revisions("edited")) == 2


def test_a_revision_never_changes_and_goes_with_its_crew(crews: Crews) -> None:
    crews.apply(agent("coach-of-one"), _crew("gone", agent="coach-of-one"))
    crews.ready("gone")
    [name] = crews.revisions("gone")
    kubernetes = crews.release.kubernetes
    patch = json.dumps({"spec": {"content": "{}"}})
    done = kubernetes.run(
        *("kubectl", "--context", _context(crews), "patch", "crewrevision", name),
        *("--namespace", crews.release.namespace, "--type=merge", "--patch", patch),
        is_checked=False,
    )
    assert done.returncode != 0
    assert "immutable" in done.stderr
    for kind in _KINDS:
        assert all(
            "finalizers" not in found["metadata"]
            for found in crews.release.objects(f"{kind}.{GROUP}")
        )

    crews.release.kubectl("delete", "crew", "gone")

    wait_until(lambda: not crews.revisions("gone"), "the end of its revisions")


def test_a_crew_goes_though_no_operator_runs(crews: Crews) -> None:
    crews.apply(agent("coach-of-one"), _crew("orphan", agent="coach-of-one"))
    crews.ready("orphan")
    operator = f"deployment/{crews.release.fullname('operator')}"
    replicas = str(len(crews.release.pods("operator")))
    crews.release.kubectl("scale", operator, "--replicas=0")
    wait_until(lambda: not crews.release.pods("operator"), "the end of the operator")
    try:
        crews.release.kubectl("delete", "crew", "orphan", "--timeout=30s")
        wait_until(lambda: not crews.revisions("orphan"), "the end of its revisions")
    finally:
        crews.release.kubectl("scale", operator, f"--replicas={replicas}")
        crews.release.rolled_out("operator")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"guardrailRefs": ["nowhere"]}, "InvalidReference"),
        ({"guardrailRefs": ["elsewhere/nothing"]}, "InvalidReference"),
    ],
)
def test_a_wrong_reference_is_told_while_the_stable_revision_serves(
    crews: Crews, spec: Object, reason: str
) -> None:
    crews.apply(agent("coach-of-one"), _crew("dangling", agent="coach-of-one"))
    crews.ready("dangling")
    stable = crews.stable("dangling")

    crews.patch("dangling", spec)
    crews.until("dangling", "Accepted", "False", reason)
    assert crews.stable("dangling") == stable

    crews.patch("dangling", {"guardrailRefs": []})
    healed = crews.until("dangling", "Ready", "True")
    assert healed <= _HEALED_SECONDS


def test_a_secret_that_nobody_declared_is_named(crews: Crews) -> None:
    provider = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "ModelProvider",
        "metadata": {"name": "hosted"},
        "spec": {
            "provider": "OpenAICompatible",
            "model": "m",
            "endpoint": "https://models.example.org/v1",
            "credentialRef": {"secret": {"name": "keys", "key": "hosted"}},
        },
    }
    crews.apply(
        provider,
        agent("hosted-coach", modelRef="hosted"),
        _crew("secretive", agent="hosted-coach"),
    )
    crews.until("secretive", "Accepted", "False", "SecretNotFound")
    messages = [each["message"] for each in crews.status("secretive")["conditions"]]
    assert any("global.credentials" in message for message in messages)


def _crew(name: str, *, agent: str) -> Object:
    made = crew(name)
    made["spec"]["tasks"][0]["agent"] = agent
    return made


def _context(crews: Crews) -> str:
    return crews.release.kubernetes.environment["VB_CLUSTER_CONTEXT"]


def _resource_versions(kubernetes: Kubernetes) -> list[str]:
    found = json.loads(
        kubernetes.kubectl(
            "get", *[f"crd/{kind}.{GROUP}" for kind in _KINDS], "--output", "json"
        )
    )
    return [each["metadata"]["resourceVersion"] for each in found["items"]]


def _without_description(schema: Object, path: str) -> list[str]:
    lacking = [] if schema.get("description") else [path]
    for name, inner in schema.get("properties", {}).items():
        lacking += _without_description(inner, f"{path}.{name}")
    items = schema.get("items")
    if isinstance(items, dict) and "properties" in items:
        for name, inner in items["properties"].items():
            lacking += _without_description(inner, f"{path}[].{name}")
    return lacking
