"""From a resource to the orchestrators and back into its status."""

import asyncio
import json
import time

from tests.operator.bench import Bench, condition, figure
from tests.operator.manifests import large_tasks, model, policy
from tests.operator.played_orchestrator import PlayedOrchestrator


async def test_a_crew_is_ready_once_all_orchestrators_have_it(bench: Bench) -> None:
    bench.fleet("o1", "o2")
    bench.agent()
    bench.crew("coaching")
    replica = await bench.replica()

    async with PlayedOrchestrator("o1", [replica.address]):
        status = await bench.until_status(
            "coaching", lambda told: told["summary"] == "1/2"
        )
        assert condition(status, "Ready") == "False Distributing"
        async with PlayedOrchestrator("o2", [replica.address]):
            status = await bench.until_ready("coaching")

    assert status["summary"] == "2/2"
    assert status["phase"] == "Ready"
    [revision] = bench.revisions("coaching")
    assert revision["metadata"]["ownerReferences"][0]["controller"] is True
    found = bench.api.get("Crew", bench.namespace, "coaching")
    assert "finalizers" not in found["metadata"]
    assert "annotations" not in found["metadata"]
    writes = [each for each in bench.writes() if each.resource == "crews/status"]
    assert len(writes) <= 5, writes


async def test_the_first_status_says_that_nothing_is_known(bench: Bench) -> None:
    bench.agent()
    await bench.replica()
    bench.crew("coaching")

    await bench.until_status("coaching", lambda told: told)

    first, *_ = [each for each in bench.writes() if "coaching" in each.name]
    assert first.resource == "crews/status"


async def test_an_edit_makes_one_revision_and_its_revert_none(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    replica = await bench.replica()

    async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
        first = await bench.until_ready("coaching")
        bench.crew("coaching", prompt="Answer briefly.")
        second = await bench.until_ready("coaching")
        bench.crew("coaching")
        third = await bench.until_ready("coaching")
        await orchestrator.until(
            lambda told: told.stable()["coaching"] == first["stableDigest"]
        )

    assert first["stableDigest"] != second["stableDigest"]
    assert third["stableDigest"] == first["stableDigest"]
    assert third["stableRevision"] == first["stableRevision"]
    assert len(bench.revisions("coaching")) == 2
    creations = [each for each in bench.writes() if each.resource == "crewrevisions"]
    assert [each.verb for each in creations] == ["create", "create"]


async def test_an_edit_reaches_orchestrators_at_once(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    replica = await bench.replica()
    delays = []

    async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
        await bench.until_ready("coaching")
        for number in range(20):
            had = len(orchestrator.contents)
            began = time.monotonic()
            bench.crew("coaching", prompt=f"Answer in {number + 3} words.")
            await orchestrator.until_contents(had + 1)
            delays.append(time.monotonic() - began)
            await bench.until_ready("coaching")

    delays.sort()
    figure(f"edit to orchestrator: p50 {delays[10]:.3f} s, max {delays[-1]:.3f} s")
    writes = [each for each in bench.writes() if each.resource == "crews/status"]
    figure(f"status writes per change: {len(writes) / 21:.2f}")
    # Generous: what is asserted is that nothing polls.
    assert delays[10] < 0.5
    assert len(writes) / 21 <= 3


async def test_an_agents_edit_is_an_edit_of_its_crews(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    bench.crew("welcome")
    replica = await bench.replica()

    async with PlayedOrchestrator("o1", [replica.address]):
        before = {
            crew: (await bench.until_ready(crew))["stableDigest"]
            for crew in ("coaching", "welcome")
        }
        bench.agent(role="Another coach")
        for crew, digest in before.items():
            await bench.until_other(crew, digest)
        await bench.until_status(
            "coach", lambda told: told["usedBy"] == 2, kind="Agent"
        )

    assert [len(bench.revisions(crew)) for crew in before] == [2, 2]


async def test_what_is_missing_is_named_and_what_served_still_serves(
    bench: Bench,
) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    replica = await bench.replica()

    async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
        before = await bench.until_ready("coaching")
        bench.crew("coaching", agent="nobody")
        status = await bench.until_status(
            "coaching",
            lambda told: condition(told, "ResolvedRefs") == "False InvalidReference",
        )
        assert status["stableDigest"] == before["stableDigest"]
        assert orchestrator.stable() == {"coaching": before["stableDigest"]}
        began = time.monotonic()
        bench.agent("nobody")
        await bench.until_ready("coaching", seconds=5)

    figure(f"reference mended to ready: {time.monotonic() - began:.2f} s")


async def test_live_documents_go_on_without_a_revision(bench: Bench) -> None:
    name = bench.crew_with_policy()
    replica = await bench.replica()

    async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
        await bench.until_ready("coaching")
        assert json.loads(orchestrator.documents[name].spec)["maxToolCalls"] == 3
        bench.api.apply(policy("mild", bench.namespace, maxToolCalls=5))
        await orchestrator.until(lambda told: told.documents[name].generation == 2)
        assert json.loads(orchestrator.documents[name].spec)["maxToolCalls"] == 5
        bench.api.delete("Crew", bench.namespace, "coaching")
        await orchestrator.until(lambda told: not told.assignments)
        bench.api.delete("GuardrailPolicy", bench.namespace, "mild")
        await orchestrator.until(lambda told: not told.documents)


async def test_a_deleted_document_goes_on_serving_who_names_it(bench: Bench) -> None:
    name = bench.crew_with_policy()
    replica = await bench.replica()

    async with PlayedOrchestrator("o1", [replica.address]) as early:
        await bench.until_ready("coaching")
        await bench.without_policy()
        bench.fleet("o1", "o2")
        async with PlayedOrchestrator("o2", [replica.address]) as late:
            await late.until(lambda told: told.stable().get("coaching"))
            assert name in early.documents
            assert name in late.documents
            bench.crew("coaching")
            await late.until(lambda told: name not in told.documents)
            await early.until(lambda told: name not in told.documents)


async def test_a_secret_is_asked_for_by_name_and_its_rotation_is_told(
    bench: Bench,
) -> None:
    declared = [
        {"secret": "models", "key": "openai", "allowedHosts": ["api.openai.com"]}
    ]
    bench.api.apply(model("gpt", bench.namespace))
    await bench.replica(CREDENTIALS=json.dumps(declared), SECRETS_SECONDS="0.2")
    await bench.until_status(
        "gpt",
        lambda told: condition(told, "Ready") == "False SecretNotFound",
        kind="ModelProvider",
    )

    versions = []
    for key in ("b25l", "dHdv"):
        secret = bench.api.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "models", "namespace": bench.namespace},
                "data": {"openai": key},
            }
        )
        version = secret["metadata"]["resourceVersion"]
        await bench.until_secret_version("gpt", version)
        versions.append(version)

    assert versions[0] != versions[1]
    verbs = {
        each.verb
        for each in bench.api.answers("operator-a")
        if each.resource == "secrets"
    }
    assert verbs == {"get"}


async def test_restarts_begin_with_what_is_trusted(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    replica = await bench.replica()

    async with PlayedOrchestrator("o1", [replica.address]):
        status = await bench.until_ready("coaching")

    update = json.loads(await bench.until(bench.bootstrap))
    assert update["isWhole"] is True
    assert update["isLast"] is True
    assert update["assignments"] == [
        {"crew": "coaching", "stableDigest": status["stableDigest"]}
    ]


async def test_what_does_not_fit_the_config_map_leaves_it_as_it_was(
    bench: Bench,
) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("small")
    replica = await bench.replica()
    too_large = "venturebots_operator_bootstrap_too_large"

    async with PlayedOrchestrator("o1", [replica.address]):
        await bench.until_ready("small")
        bench.crew("huge", tasks=large_tasks())
        await bench.until(lambda: '"huge"' in bench.bootstrap())
        before = bench.bootstrap()
        bench.crew("vast", tasks=large_tasks())
        await bench.until(lambda: replica.metric(too_large) == 1)
        events = await bench.until(
            lambda: [
                event
                for event in bench.api.get("Event", bench.namespace)["items"]
                if event["reason"] == "BootstrapTooLarge"
            ]
        )
        assert bench.bootstrap() == before
        bench.api.delete("Crew", bench.namespace, "vast")
        await bench.until(lambda: replica.metric(too_large) == 0)

    assert len(events) == 1


async def test_nothing_is_written_while_nothing_changes(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    for number in range(20):
        bench.crew(f"crew-{number}")
    replica = await bench.replica(RESYNC_SECONDS="2")

    async with PlayedOrchestrator("o1", [replica.address]):
        for number in range(20):
            await bench.until_ready(f"crew-{number}")
        await bench.until(lambda: bench.status("coach", "Agent").get("usedBy") == 20)
        await asyncio.sleep(1)
        before = len(bench.writes())
        looks = replica.metric(
            'venturebots_operator_reconcile_total{kind="Crew",result="unchanged"}'
        )
        # All crews are looked at twice and more in the meantime.
        await bench.until(
            lambda: (
                replica.metric(
                    'venturebots_operator_reconcile_total{kind="Crew",result="unchanged"}'
                )
                >= looks + 60
            )
        )

    assert len(bench.writes()) == before


async def test_a_revision_that_is_refused_is_told(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    replica = await bench.replica()

    async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
        before = await bench.until_ready("coaching")
        orchestrator.refuses_news = True
        bench.crew("coaching", prompt="Answer in Latin.")
        status = await bench.until_status(
            "coaching", lambda told: told["orchestrators"]["failed"] == 1
        )

    assert condition(status, "Programmed") == "False Refused"
    assert status["stableDigest"] == before["stableDigest"]
