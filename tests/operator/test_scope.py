"""Whose crews an operator looks after: its namespace's, named ones', everybody's."""

from collections.abc import Iterator

import pytest

from tests.operator.bench import USERS, Bench, condition
from tests.operator.played_orchestrator import PlayedOrchestrator
from tests.operator.rights import grant, grant_everywhere


@pytest.fixture
def shared(bench: Bench) -> Iterator[Bench]:
    """Have a namespace beside home whose crew names an agent at home."""
    other = bench.beside("shared")
    bench.fleet("o1")
    bench.agent()
    other.crew("coaching", agent=f"{bench.namespace}/coach")
    yield other
    answers = [one for one in bench.api.answers(*USERS) if one.code == 403]
    assert [one for one in answers if one.namespace == other.namespace] == []


async def _is_served_with_consent(bench: Bench, shared: Bench, **scope: str) -> None:
    replica = await bench.replica(**scope)
    async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
        await shared.until_status(
            "coaching",
            lambda told: (
                condition(told, "ResolvedRefs") == "False ReferenceNotPermitted"
            ),
        )
        consent = {"from": "Named", "names": [shared.namespace]}
        bench.agent(allowedNamespaces=consent)
        status = await shared.until_ready("coaching")
        key = f"{shared.namespace}/coaching"
        await orchestrator.until_stable(key, status["stableDigest"])


async def test_a_named_namespace_is_looked_after(bench: Bench, shared: Bench) -> None:
    grant(bench.api, shared.namespace, *USERS)

    await _is_served_with_consent(bench, shared, WATCH_NAMESPACES=shared.namespace)


async def test_all_namespaces_are_looked_after_also_later_ones(
    bench: Bench, shared: Bench
) -> None:
    with grant_everywhere(bench.api, *USERS):
        replica = await bench.replica(WATCH_NAMESPACES="*")
        late = bench.beside("late")
        late.agent()
        late.crew("coaching")
        async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
            status = await late.until_ready("coaching")
            key = f"{late.namespace}/coaching"
            await orchestrator.until_stable(key, status["stableDigest"])
        replica.terminate()

        await _is_served_with_consent(bench, shared, WATCH_NAMESPACES="*")


async def test_other_namespaces_are_left_alone(bench: Bench, shared: Bench) -> None:
    bench.crew("coaching")
    replica = await bench.replica()

    async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
        await bench.until_ready("coaching")
        assert set(orchestrator.assignments) == {"coaching"}

    assert shared.status("coaching") == {}
    asked = {one.namespace for one in bench.api.answers(*USERS)}
    assert shared.namespace not in asked
