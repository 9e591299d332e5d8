"""Which crew answers, and which revision of it a session gets."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from libs.crewspec.canary import is_for_candidate
from libs.crewspec.compiled import CompiledCrew, LiveDocuments, Trigger
from libs.crewspec.compiler import Candidate, CompiledSet
from services.orchestrator.crews.registry import CrewRegistry
from services.orchestrator.errors import CrewUnknownError
from services.orchestrator.metrics import Metrics

_SESSIONS = [f"session-{number}" for number in range(1_000)]


def crew(name: str, digest: str, *triggers: Trigger) -> CompiledCrew:
    """A crew that needs nothing."""
    return CompiledCrew(
        name=name,
        description="",
        digest=digest,
        triggers=frozenset(triggers),
        agents={},
        tasks=(),
    )


def registry_of(
    *crews: CompiledCrew, candidates: Mapping[str, Candidate] | None = None
) -> CrewRegistry:
    """Put crews in force."""
    registry = CrewRegistry(source="files:x", metrics=Metrics(CollectorRegistry()))
    registry.accept(
        CompiledSet(
            crews={crew.name: crew for crew in crews},
            candidates=candidates or {},
            live=LiveDocuments(),
        )
    )
    return registry


_COACHING = crew("coaching", "stable", Trigger.MESSAGE)
_NEWER = crew("coaching", "newer", Trigger.MESSAGE)


@pytest.mark.parametrize("name", ["", "coaching"])
def test_a_thousand_sessions_are_split_by_weight(name: str) -> None:
    registry = registry_of(_COACHING, candidates={"coaching": Candidate(_NEWER, 30)})
    got = {
        session: registry.pin(
            name=name, trigger=Trigger.MESSAGE, session_id=session
        ).crew.digest
        for session in _SESSIONS
    }
    expected = {
        session: "newer" if is_for_candidate(session, "coaching", 30) else "stable"
        for session in _SESSIONS
    }
    assert got == expected
    assert abs(list(got.values()).count("newer") - 300) <= 50


def test_home_answers_before_other_namespaces() -> None:
    registry = registry_of(crew("a/coaching", "a", Trigger.MESSAGE), _COACHING)
    pinned = registry.pin(name="", trigger=Trigger.MESSAGE, session_id="s")
    assert pinned.crew.name == "coaching"
    pinned = registry.pin(name="a/coaching", trigger=Trigger.MESSAGE, session_id="s")
    assert pinned.crew.digest == "a"


def test_a_candidate_that_answers_less_still_gets_its_sessions() -> None:
    """Or nobody would answer them until the roll-out ends."""
    quiet = replace(_NEWER, triggers=frozenset())
    registry = registry_of(_COACHING, candidates={"coaching": Candidate(quiet, 100)})
    pinned = registry.pin(name="", trigger=Trigger.MESSAGE, session_id="s")
    assert pinned.crew.digest == "newer"


def test_a_candidate_that_answers_more_does_so_for_its_sessions_alone() -> None:
    wider = replace(_NEWER, triggers=frozenset(Trigger))
    registry = registry_of(_COACHING, candidates={"coaching": Candidate(wider, 50)})
    for session in _SESSIONS[:50]:
        if is_for_candidate(session, "coaching", 50):
            pinned = registry.pin(name="", trigger=Trigger.OPENING, session_id=session)
            assert pinned.crew.digest == "newer"
        else:
            with pytest.raises(CrewUnknownError, match="no crew answers Opening"):
                registry.pin(name="", trigger=Trigger.OPENING, session_id=session)


def test_a_crew_that_is_nothing_but_a_candidate_answers_nobody() -> None:
    registry = registry_of(candidates={"coaching": Candidate(_NEWER, 100)})
    for name in ("", "coaching"):
        with pytest.raises(CrewUnknownError):
            registry.pin(name=name, trigger=Trigger.MESSAGE, session_id="s")
    found = registry.revision("coaching", "newer")
    assert found is not None
    assert found.crew is _NEWER
    assert registry.revision("coaching", "stable") is None
    assert registry.revision("other", "newer") is None


def test_the_weights_of_no_more_than_a_hundred_crews_are_told() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.tell_candidates({f"crew-{number}": 10 for number in range(500)})
    assert len(next(iter(metrics.candidate_percent.collect())).samples) == 100
    metrics.tell_candidates({"coaching": 5})
    [sample] = next(iter(metrics.candidate_percent.collect())).samples
    assert (sample.labels, sample.value) == ({"crew": "coaching"}, 5)
