"""What is known of the cluster: indexes, old news, and who must be looked at."""

from typing import Any

from libs.crewspec.documents import Kind
from libs.crewspec.status import CrewStatus
from services.operator.observed import FleetView
from services.operator.stored_object import ObjectName
from services.operator.world import NO_CHANGE, World

_API_VERSION = "crew.venturebots.dev/v1alpha1"


def _object(
    kind: Kind,
    name: str,
    version: int,
    *,
    namespace: str = "home",
    spec: dict[str, Any] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    return {
        "apiVersion": _API_VERSION,
        "kind": kind.value,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{kind}-{name}",
            "generation": version,
            "resourceVersion": str(version),
            "creationTimestamp": "2026-05-01T08:00:00Z",
            **metadata,
        },
        "spec": spec or {},
    }


def _crew(name: str, version: int, *, agent: str = "coach", **rest: Any) -> Any:
    spec = {"tasks": [{"agent": agent}], "guardrailRefs": ["mild"]}
    spec |= rest.pop("spec", {})
    return _object(Kind.CREW, name, version, spec=spec, **rest)


def _agent(name: str, version: int, **rest: Any) -> Any:
    spec = {"modelRef": "gpt", "toolRefs": ["search"]}
    return _object(Kind.AGENT, name, version, spec=spec, **rest)


def _model(name: str, version: int) -> Any:
    reference = {"secret": {"name": "models", "key": "openai"}}
    spec = {"credentialRef": reference}
    return _object(Kind.MODEL_PROVIDER, name, version, spec=spec)


def _names(*names: tuple[Kind, str]) -> set[ObjectName]:
    return {ObjectName(kind, key) for kind, key in names}


def _full() -> World:
    world = World(home="home")
    world.put(Kind.AGENT, _agent("coach", 1))
    world.put(Kind.MODEL_PROVIDER, _model("gpt", 2))
    world.put(Kind.TOOL, _object(Kind.TOOL, "search", 3))
    world.put(Kind.GUARDRAIL_POLICY, _object(Kind.GUARDRAIL_POLICY, "mild", 4))
    world.put(Kind.CREW, _crew("coaching", 5))
    world.put(Kind.CREW, _crew("welcome", 6, agent="other"))
    return world


def test_a_document_knows_the_crews_that_name_it_directly_or_not() -> None:
    world = _full()
    coaching, both = (
        _names((Kind.CREW, "coaching")),
        _names((Kind.CREW, "coaching"), (Kind.CREW, "welcome")),
    )

    assert world.crews_of(ObjectName(Kind.MODEL_PROVIDER, "gpt")) == coaching
    assert world.crews_of(ObjectName(Kind.TOOL, "search")) == coaching
    assert world.crews_of(ObjectName(Kind.GUARDRAIL_POLICY, "mild")) == both
    assert world.users_of_secret("models", "openai") == coaching | _names(
        (Kind.MODEL_PROVIDER, "gpt")
    )


def test_a_crew_knows_all_that_it_names_as_far_as_it_is_there() -> None:
    world = _full()

    found = {each.name for each in world.closure(ObjectName(Kind.CREW, "coaching"))}
    lacking = {each.name for each in world.closure(ObjectName(Kind.CREW, "welcome"))}

    assert found == _names(
        (Kind.AGENT, "coach"),
        (Kind.MODEL_PROVIDER, "gpt"),
        (Kind.TOOL, "search"),
        (Kind.GUARDRAIL_POLICY, "mild"),
    )
    assert lacking == _names((Kind.GUARDRAIL_POLICY, "mild"))


def test_what_comes_later_concerns_those_who_named_it_before() -> None:
    world = _full()

    change = world.put(Kind.AGENT, _agent("other", 7))

    assert ObjectName(Kind.CREW, "welcome") in change.concerned
    assert ObjectName(Kind.CREW, "coaching") not in change.concerned
    assert change.document == ObjectName(Kind.AGENT, "other")


def test_a_crew_that_names_another_agent_leaves_the_old_one_alone() -> None:
    world = _full()

    change = world.put(Kind.CREW, _crew("coaching", 8, agent="other"))

    # How many crews use them has changed, for the old one too.
    assert ObjectName(Kind.AGENT, "coach") in change.concerned
    assert world.crews_of(ObjectName(Kind.MODEL_PROVIDER, "gpt")) == frozenset()


def test_old_news_changes_nothing() -> None:
    world = _full()
    world.put(Kind.CREW, _crew("coaching", 9, agent="other"))

    assert world.put(Kind.CREW, _crew("coaching", 8)) == NO_CHANGE
    assert world.put(Kind.CREW, _crew("coaching", 9)) == NO_CHANGE
    found = world.get(ObjectName(Kind.CREW, "coaching"))
    assert found is not None
    assert found.names == _names((Kind.AGENT, "other"), (Kind.GUARDRAIL_POLICY, "mild"))


def test_what_is_gone_does_not_come_back_by_old_news() -> None:
    world = _full()

    gone = world.remove(Kind.CREW, _crew("coaching", 9))

    assert ObjectName(Kind.CREW, "coaching") in gone.concerned
    assert world.put(Kind.CREW, _crew("coaching", 8)) == NO_CHANGE
    assert world.get(ObjectName(Kind.CREW, "coaching")) is None
    assert world.crews_of(ObjectName(Kind.AGENT, "coach")) == frozenset()


def test_the_end_of_an_old_object_is_not_that_of_its_successor() -> None:
    world = _full()
    world.put(Kind.CREW, _crew("coaching", 12, uid="another"))

    assert world.remove(Kind.CREW, _crew("coaching", 11)) == NO_CHANGE
    assert world.get(ObjectName(Kind.CREW, "coaching")) is not None


def test_one_that_is_about_to_be_deleted_is_gone() -> None:
    world = _full()

    body = _crew("coaching", 9, deletionTimestamp="2026-05-01T09:00:00Z")
    change = world.put(Kind.CREW, body)

    assert ObjectName(Kind.CREW, "coaching") in change.concerned
    assert world.get(ObjectName(Kind.CREW, "coaching")) is None


def test_a_listing_tells_what_nobody_told_to_be_gone() -> None:
    world = _full()
    world.put(Kind.CREW, _crew("fresh", 30))

    changes = world.forget_missing(Kind.CREW, {"welcome"}, listed_at=20)

    assert [change.document for change in changes] == [
        ObjectName(Kind.CREW, "coaching")
    ]
    assert world.keys(Kind.CREW) == {"welcome", "fresh"}


def test_own_writes_are_no_news_but_what_came_with_them_is() -> None:
    world = _full()
    written = _crew("coaching", 9, generation=5) | {"status": {"phase": "Ready"}}
    by_another = _crew("coaching", 10, generation=5) | {"status": {"phase": "Paused"}}
    with_an_edit = _crew("coaching", 11, agent="other")

    assert world.put(Kind.CREW, written, is_own=True) == NO_CHANGE
    assert world.put(Kind.CREW, by_another).concerned == _names((Kind.CREW, "coaching"))
    change = world.put(Kind.CREW, with_an_edit, is_own=True)
    assert ObjectName(Kind.CREW, "coaching") in change.concerned


def test_the_older_crew_of_a_namespace_keeps_its_triggers() -> None:
    world = World(home="home")
    spec = {"triggers": ["Message"]}
    world.put(Kind.CREW, _crew("first", 1, spec=spec))
    change = world.put(
        Kind.CREW,
        _crew("second", 2, spec=spec, creationTimestamp="2026-05-02T08:00:00Z"),
    )
    world.put(Kind.CREW, _crew("first", 3, spec=spec, namespace="other", uid="x"))
    second = world.get(ObjectName(Kind.CREW, "second"))
    elsewhere = world.get(ObjectName(Kind.CREW, "other/first"))
    assert second is not None
    assert elsewhere is not None

    assert world.taken_triggers(second) == {"Message": "first"}
    assert world.taken_triggers(elsewhere) == {}
    assert ObjectName(Kind.CREW, "first") in change.concerned
    gone = world.remove(Kind.CREW, _crew("first", 9))
    assert ObjectName(Kind.CREW, "second") in gone.concerned
    assert world.taken_triggers(second) == {}


def test_what_was_meant_is_compared_not_how_it_is_kept() -> None:
    world = _full()
    meant = CrewStatus(observed_generation=5, summary="1/1")
    kept = _crew("coaching", 9) | {"status": {"observedGeneration": 5}}
    world.put(Kind.CREW, kept, is_own=True)
    crew = world.get(ObjectName(Kind.CREW, "coaching"))
    assert crew is not None

    world.intend(crew, meant)

    assert world.told(crew, CrewStatus) == meant
    world.put(Kind.CREW, _crew("coaching", 10) | {"status": {"summary": "0/1"}})
    other = world.get(ObjectName(Kind.CREW, "coaching"))
    assert other is not None
    told = world.told(other, CrewStatus)
    assert told is not None
    assert told.summary == "0/1"


def test_revisions_are_those_that_the_crew_itself_owns() -> None:
    world = _full()
    crew = world.get(ObjectName(Kind.CREW, "coaching"))
    assert crew is not None
    for name, owner in (("mine", crew.uid), ("of-an-older-one", "gone")):
        change = world.put_revision(
            {
                "metadata": {
                    "name": name,
                    "namespace": "home",
                    "uid": name,
                    "resourceVersion": "20",
                    "creationTimestamp": "2026-05-01T08:00:00Z",
                    "ownerReferences": [{"uid": owner, "controller": True}],
                },
                "spec": {"crew": "coaching", "digest": "", "content": "{}"},
            }
        )
        assert change.concerned == _names((Kind.CREW, "coaching"))

    observed = world.observe(crew, fleet=FleetView(), secrets={})

    assert [each.name for each in observed.revisions] == ["mine"]
    assert world.forget_missing_revisions(set(), listed_at=19) == []
    assert len(world.forget_missing_revisions(set(), listed_at=20)) == 2


def test_only_secrets_that_are_named_are_observed() -> None:
    world = _full()
    versions: dict[tuple[str, str, str], str | None] = {
        ("home", "models", "openai"): "7",
        ("home", "others", "key"): "8",
    }
    crew = world.get(ObjectName(Kind.CREW, "coaching"))
    model = world.get(ObjectName(Kind.MODEL_PROVIDER, "gpt"))
    assert crew is not None
    assert model is not None

    observed = world.observe(crew, fleet=FleetView(), secrets=versions)
    document = world.observe_document(model, secrets=versions)

    assert observed.secrets == {("home", "models", "openai"): "7"}
    assert document.secrets == observed.secrets
    assert document.used_by == 1
