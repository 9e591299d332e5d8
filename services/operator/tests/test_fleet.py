"""What orchestrators said, as one crew sees it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial

from services.operator.fleet import Answer, Fleet, ProbeCall, Refusal
from services.operator.observed import ProbeOutcome, RevisionStats
from services.operator.plan import Assignment, ProbeToStart

_OUTCOME = ProbeOutcome("Hello.", ("coach",), "", 20, datetime.now(UTC))


class _Told:
    """A fleet, and what it said is news."""

    def __init__(self) -> None:
        self.news: list[set[str]] = []
        self.stats: list[str] = []
        self.asked: list[tuple[str, ProbeCall]] = []
        self.fleet = Fleet(on_news=self._note, on_stats=self.stats.append)

    def connect(self, *instances: str) -> None:
        for instance in instances:
            self.fleet.connect(
                instance,
                node="node",
                version="1",
                ask=partial(self._asked, instance),
            )

    def has(self, instance: str, nonce: int, *digests: str) -> None:
        self.fleet.told(instance, nonce, {"coaching": frozenset(digests)})
        self.fleet.answered(instance, Answer(nonce))

    def _asked(self, instance: str, call: ProbeCall) -> None:
        self.asked.append((instance, call))

    def _note(self, crews: Iterable[str]) -> None:
        self.news.append(set(crews))


def _refusal(digest: str) -> Refusal:
    return Refusal("coaching", digest, "", "it lacks a package")


def test_what_is_told_is_in_force_once_it_is_answered() -> None:
    told = _Told()
    told.connect("o1", "o2")
    told.fleet.told("o1", 1, {"coaching": frozenset({"a"})})
    assert told.fleet.view("coaching").serving == {}

    told.fleet.answered("o1", Answer(1))

    assert told.fleet.view("coaching").serving == {"o1": frozenset({"a"})}
    assert told.news == [{"coaching"}]


def test_one_answer_speaks_of_all_updates_before_it_and_of_none_after() -> None:
    told = _Told()
    told.connect("o1")
    told.fleet.told("o1", 1, {"coaching": frozenset({"a"})})
    told.fleet.told("o1", 2, {"welcome": frozenset({"b"})})
    told.fleet.told("o1", 3, {"coaching": frozenset({"c"})})

    told.fleet.answered("o1", Answer(2))

    assert told.fleet.view("coaching").serving == {"o1": frozenset({"a"})}
    assert told.fleet.view("welcome").serving == {"o1": frozenset({"b"})}
    assert told.news == [{"coaching", "welcome"}]


def test_who_refuses_a_revision_serves_what_it_served_before() -> None:
    told = _Told()
    told.connect("o1")
    told.has("o1", 1, "a")
    told.fleet.told("o1", 2, {"coaching": frozenset({"b"})})

    told.fleet.answered("o1", Answer(2, (_refusal("b"),)))

    view = told.fleet.view("coaching")
    assert view.serving == {"o1": frozenset({"a"})}
    assert view.refused == {"b": {"o1": "it lacks a package"}}
    assert told.fleet.refusing == 1


def test_a_refused_candidate_leaves_the_trusted_revision_in_force() -> None:
    told = _Told()
    told.connect("o1")
    told.has("o1", 1, "a")
    told.fleet.told("o1", 2, {"coaching": frozenset({"a", "b"})})

    told.fleet.answered("o1", Answer(2, (_refusal("b"),)))

    assert told.fleet.view("coaching").serving == {"o1": frozenset({"a"})}


def test_a_refusal_that_is_not_repeated_is_healed() -> None:
    told = _Told()
    told.connect("o1")
    told.fleet.told("o1", 1, {"coaching": frozenset({"a"})})
    told.fleet.answered("o1", Answer(1, (_refusal("a"),)))
    assert told.fleet.view("coaching").serving == {}

    told.fleet.told("o1", 2, {})
    told.fleet.answered("o1", Answer(2))

    view = told.fleet.view("coaching")
    assert view.serving == {"o1": frozenset({"a"})}
    assert view.refused == {}
    assert told.news[-1] == {"coaching"}


def test_an_orchestrator_that_is_gone_serves_nothing() -> None:
    told = _Told()
    told.connect("o1", "o2")
    told.has("o1", 1, "a")

    assert told.fleet.disconnect("o1") == {"coaching"}
    assert told.fleet.disconnect("o2") == frozenset()
    assert told.fleet.view("coaching").serving == {}


def test_a_fleet_is_settled_once_all_that_should_be_here_have_answered() -> None:
    told = _Told()
    settled = [told.fleet.is_settled]
    assert told.fleet.set_desired(1)
    assert not told.fleet.set_desired(1)
    told.connect("o1")
    settled.append(told.fleet.is_settled)

    told.has("o1", 1, "a")

    settled.append(told.fleet.is_settled)
    assert settled == [False, False, True]
    assert dict(told.fleet.states()) == {"ready": 1, "connected": 1, "refusing": 0}


def test_a_first_crew_is_for_orchestrators_that_are_not_ready_without_one() -> None:
    told = _Told()
    told.connect("o1", "o2")
    assert told.fleet.view("coaching").desired is None
    told.fleet.set_desired(0)
    assert told.fleet.view("coaching").desired == 0

    told.has("o1", 1, "a")
    assert told.fleet.view("coaching").desired == 1
    told.has("o2", 1, "a")
    assert told.fleet.view("coaching").desired == 2
    told.fleet.set_desired(3)
    assert told.fleet.view("coaching").desired == 3


def test_counts_are_summed_and_void_for_another_candidate() -> None:
    told = _Told()
    told.connect("o1", "o2")
    told.fleet.assigned(Assignment("coaching", "a", "b", 10))
    places = (0,) * 16
    for instance, turns in (("o1", 4), ("o2", 6), ("o2", 8)):
        stats = RevisionStats(turns, 1, (turns, *places))
        told.fleet.counted(
            instance, crew="coaching", digest="b", candidate="b", stats=stats
        )
    told.fleet.counted(
        "o1", crew="coaching", digest="a", candidate="x", stats=RevisionStats(9)
    )
    told.fleet.disconnect("o2")

    assert told.fleet.view("coaching").stats == {
        "b": RevisionStats(12, 2, (12, *places))
    }
    assert told.stats == ["coaching"] * 3
    told.fleet.assigned(Assignment("coaching", "a", "c", 10))
    assert told.fleet.view("coaching").stats == {}


def test_a_probe_goes_to_one_who_has_the_revision_and_only_once() -> None:
    told = _Told()
    told.connect("o1", "o2")
    probe = ProbeToStart("b", "greets", "Hello?", 5)
    told.fleet.assigned(Assignment("coaching", "a", "b", 0))
    assert not told.fleet.start_probe("coaching", probe)
    told.has("o2", 1, "a", "b")

    assert told.fleet.start_probe("coaching", probe)
    assert told.fleet.start_probe("coaching", probe)
    [(instance, call)] = told.asked
    told.fleet.probed(instance, "another", _OUTCOME)
    assert told.fleet.view("coaching").probes == {}
    told.fleet.probed(instance, call.probe_id, _OUTCOME)

    assert instance == "o2"
    assert told.fleet.view("coaching").probes == {"b": {"greets": _OUTCOME}}
    assert told.news[-1] == {"coaching"}


def test_a_probe_of_an_orchestrator_that_went_away_is_asked_of_another() -> None:
    told = _Told()
    told.connect("o1", "o2")
    told.fleet.assigned(Assignment("coaching", "a", "b", 0))
    for instance in ("o1", "o2"):
        told.has(instance, 1, "b")
    probe = ProbeToStart("b", "greets", None, 5)
    told.fleet.start_probe("coaching", probe)
    [(first, _)] = told.asked

    assert told.fleet.disconnect(first) == {"coaching"}
    told.fleet.start_probe("coaching", probe)

    assert {instance for instance, _ in told.asked} == {"o1", "o2"}


def test_an_overdue_probe_has_failed() -> None:
    told = _Told()
    told.connect("o1")
    told.fleet.assigned(Assignment("coaching", "a", "b", 0))
    told.has("o1", 1, "b")
    probe = ProbeToStart("b", "greets", None, -3_600)
    told.fleet.start_probe("coaching", probe)

    told.fleet.start_probe("coaching", probe)

    outcome = told.fleet.view("coaching").probes["b"]["greets"]
    assert outcome.error.startswith("no answer within")


def test_outcomes_of_what_is_no_longer_assigned_are_forgotten() -> None:
    told = _Told()
    told.connect("o1")
    told.fleet.assigned(Assignment("coaching", "a", "b", 0))
    told.has("o1", 1, "b")
    told.fleet.start_probe("coaching", ProbeToStart("b", "greets", None, 5))
    [(_, call)] = told.asked
    told.fleet.probed("o1", call.probe_id, _OUTCOME)

    told.fleet.assigned(Assignment("coaching", "a", "", 0))

    assert told.fleet.view("coaching").probes == {}
