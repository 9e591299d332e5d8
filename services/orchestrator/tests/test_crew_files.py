"""Crew documents on the disk: whatever happens to them, the last good set serves."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from services.orchestrator.crews.glance import identity_of, look_at
from services.orchestrator.tests.caller import Caller
from services.orchestrator.tests.conftest import Serve
from services.orchestrator.tests.crews import DOCUMENTS, write_documents
from services.orchestrator.tests.scripted_engine import ScriptedEngine
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb

_CHANGED = DOCUMENTS.replace("You have helped many.", "You have helped a few.")


async def until(
    caller: Caller, is_so: Callable[[pb.ListCrewsResponse], bool]
) -> pb.ListCrewsResponse:
    """Wait until the service tells of its crews what is waited for."""
    async with asyncio.timeout(20):
        while not is_so(answer := await caller.crews()):
            await asyncio.sleep(0.02)
    return answer


def digests(answer: pb.ListCrewsResponse) -> dict[str, str]:
    """List the crews in force."""
    return {crew.name: crew.digest for crew in answer.crews}


async def test_a_directory_that_is_renamed_with_its_parent_is_noticed(
    serve: Serve, tmp_path: Path
) -> None:
    """No file system tells of that: the directory itself did not change."""
    first, second = tmp_path / "current" / "crews", tmp_path / "next" / "crews"
    for directory, text in ((first, DOCUMENTS), (second, _CHANGED)):
        directory.mkdir(parents=True)
        write_documents(directory, text)
    _, caller = await serve(ScriptedEngine(), config_directory=first)
    before = digests(await caller.crews())
    first.parent.rename(tmp_path / "away")
    answer = await until(caller, lambda answer: bool(answer.rejected))
    assert digests(answer) == before
    assert "no *.yaml below it" in answer.rejected[0]
    second.parent.rename(tmp_path / "current")
    answer = await until(caller, lambda answer: not answer.rejected)
    assert digests(answer) != before
    write_documents(first, DOCUMENTS)
    await until(caller, lambda answer: digests(answer) == before)


async def test_directories_that_change_places_at_once_are_noticed(
    serve: Serve, tmp_path: Path
) -> None:
    first, second = tmp_path / "current", tmp_path / "next"
    for directory, text in ((first, DOCUMENTS), (second, _CHANGED)):
        directory.mkdir()
        write_documents(directory, text)
    link = tmp_path / "link"
    link.symlink_to(first)
    _, caller = await serve(ScriptedEngine(), config_directory=link)
    before = digests(await caller.crews())
    other = tmp_path / "other"
    other.symlink_to(second)
    other.rename(link)
    await until(caller, lambda answer: digests(answer) != before)
    write_documents(second, DOCUMENTS)
    await until(caller, lambda answer: digests(answer) == before)


async def test_a_policy_that_comes_back_goes_on_with_its_generations(
    serve: Serve, documents: Path
) -> None:
    engine = ScriptedEngine()
    _, caller = await serve(engine)
    before = digests(await caller.crews())
    without = DOCUMENTS.replace("  guardrailRefs: [strict]\n", "").replace(
        "kind: GuardrailPolicy\nmetadata: {name: strict}",
        "kind: GuardrailPolicy\nmetadata: {name: other}",
    )
    write_documents(documents.parent, without)
    await until(caller, lambda answer: digests(answer) != before)
    looser = DOCUMENTS.replace("runTimeoutSeconds: 30", "runTimeoutSeconds: 31")
    write_documents(documents.parent, looser)
    await until(caller, lambda answer: digests(answer) == before)
    events = await caller.run("r1").end()
    assert events[0].run_started.generations["GuardrailPolicy/strict"] == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_text("kind: Crew\n" * 2, "utf-8"),
        lambda file: file.with_name("more.yaml").touch(),
        lambda file: file.rename(file.with_name("other.yaml")),
        lambda file: file.unlink(),
        lambda file: file.with_name("gone.yaml").symlink_to("nowhere"),
    ],
)
def test_every_change_of_the_files_can_be_seen(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    file = write_documents(tmp_path)
    before = look_at(tmp_path)
    assert look_at(tmp_path) == before
    change(file)
    assert look_at(tmp_path) != before


def test_what_is_not_there_looks_empty(tmp_path: Path) -> None:
    assert look_at(tmp_path / "none") == frozenset()
    assert identity_of(tmp_path / "none") is None
    assert identity_of(tmp_path) is not None
