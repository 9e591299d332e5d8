"""A start without the operator: the last good crews, the bootstrap file, or waiting."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.orchestrator.app import Orchestrator
from services.orchestrator.crews.told import Assignment, Update
from services.orchestrator.tests.caller import Caller
from services.orchestrator.tests.conftest import Serve
from services.orchestrator.tests.crews import DOCUMENTS
from services.orchestrator.tests.played_operator import PlayedOperator
from services.orchestrator.tests.scripted_engine import ScriptedEngine
from services.orchestrator.tests.told_documents import (
    candidate_of,
    digest_in,
    update_of,
)
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb

_CHANGED = DOCUMENTS.replace("You have helped many.", "You have helped a few.")
_STABLE, _NEWER = digest_in(DOCUMENTS), digest_in(_CHANGED)
_KEPT = "last-known-good.json"


async def nobody() -> str:
    """Name an address where nobody listens."""
    async with PlayedOperator() as gone:
        return gone.address


def digests(answer: pb.ListCrewsResponse) -> dict[str, str]:
    """List the trusted revisions in force."""
    return {crew.name: crew.digest for crew in answer.crews}


async def health_of(orchestrator: Orchestrator) -> int:
    """Ask whether the service is ready."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{orchestrator.port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=""))
        return int(answer.status)


async def kept_with(directory: Path, digest: str) -> dict[str, object]:
    """Wait until the last good crews are kept with a revision among them."""
    async with asyncio.timeout(20):
        while True:
            file = directory / _KEPT
            text = file.read_text("utf-8") if file.exists() else ""
            if digest in text:
                found: dict[str, object] = json.loads(text)
                return found
            await asyncio.sleep(0.02)


def left_over(directory: Path) -> list[Path]:
    """List drafts that nobody finished."""
    return [file for file in directory.iterdir() if file.suffix == ".new"]


def is_private(file: Path) -> bool:
    """Tell whether its owner alone can read it."""
    return file.stat().st_mode & 0o077 == 0


async def keep(serve: Serve, directory: Path, update: Update) -> Caller:
    """Let an orchestrator keep what an operator tells, which then is gone."""
    async with PlayedOperator(update) as operator:
        _, caller = await serve(
            ScriptedEngine(),
            crew_source_address=operator.address,
            state_directory=directory,
        )
        await kept_with(directory, update.assignments[0].stable_digest)
    return caller


async def test_the_last_good_crews_serve_until_the_operator_is_back(
    serve: Serve, tmp_path: Path
) -> None:
    before = digests(await (await keep(serve, tmp_path, update_of())).crews())
    address = await nobody()
    _, caller = await serve(
        ScriptedEngine(),
        crew_source_address=address,
        crew_source_wait_seconds=0.1,
        state_directory=tmp_path,
    )
    answer = await caller.crews()
    assert answer.source == f"last-known-good:{tmp_path / _KEPT}"
    assert digests(answer) == before
    assert (await caller.run("r1").end())[-1].HasField("run_finished")
    port = int(address.rpartition(":")[2])
    async with PlayedOperator(update_of(_CHANGED), port=port) as operator:
        await (await operator.stream()).answer(1)
        answer = await caller.crews()
        assert answer.source == f"stream:{address}"
        assert digests(answer)["coaching"] == _NEWER


async def test_what_is_kept_has_no_candidates_and_replaces_what_was_kept(
    serve: Serve, tmp_path: Path
) -> None:
    async with PlayedOperator(update_of()) as operator:
        await serve(
            ScriptedEngine(),
            crew_source_address=operator.address,
            state_directory=tmp_path,
        )
        stream = await operator.stream()
        stream.tell(candidate_of(_CHANGED, nonce=2, weight=50, stable=_STABLE))
        await stream.answer(2)
        kept = await kept_with(tmp_path, _STABLE)
        assert kept["isWhole"] is True
        assert "candidate" not in json.dumps(kept)
        stream.tell(Update(nonce=3, assignments=(Assignment("coaching", _NEWER),)))
        await kept_with(tmp_path, _NEWER)
    assert not left_over(tmp_path)
    assert is_private(tmp_path / _KEPT)


async def test_the_bootstrap_file_serves_when_nothing_was_kept(
    serve: Serve, tmp_path: Path
) -> None:
    await keep(serve, tmp_path, update_of())
    bootstrap = tmp_path / "update.json"
    (tmp_path / _KEPT).rename(bootstrap)
    _, caller = await serve(
        ScriptedEngine(),
        crew_source_address=await nobody(),
        crew_source_wait_seconds=0,
        state_directory=tmp_path / "state",
        bootstrap_file=bootstrap,
    )
    answer = await caller.crews()
    assert answer.source == f"bootstrap:{bootstrap}"
    assert digests(answer)["coaching"] == _STABLE
    assert not (tmp_path / "state").exists()


async def test_what_was_kept_wins_over_the_bootstrap_file_and_never_mixes(
    serve: Serve, tmp_path: Path
) -> None:
    whole = update_of(_CHANGED)
    only = tuple(one for one in whole.assignments if one.crew == "coaching")
    newer = tmp_path / "newer"
    await keep(serve, tmp_path, update_of())
    await keep(
        serve,
        newer,
        Update(
            nonce=1,
            is_whole=True,
            assignments=only,
            revisions=whole.revisions,
            documents=whole.documents,
        ),
    )
    _, caller = await serve(
        ScriptedEngine(),
        crew_source_address=await nobody(),
        crew_source_wait_seconds=0,
        state_directory=newer,
        bootstrap_file=tmp_path / _KEPT,
    )
    assert digests(await caller.crews()) == {"coaching": _NEWER}


@pytest.mark.parametrize("damage", ["cut", "empty", "not whole", "folder", "tampered"])
async def test_a_damaged_file_is_passed_over(
    serve: Serve, tmp_path: Path, damage: str
) -> None:
    await keep(serve, tmp_path, update_of())
    file = tmp_path / _KEPT
    bootstrap = tmp_path / "update.json"
    text = file.read_text("utf-8")
    bootstrap.write_text(text, "utf-8")
    match damage:
        case "cut":
            file.write_text(text[: len(text) // 2], "utf-8")
        case "empty":
            file.write_text("", "utf-8")
        case "not whole":
            file.write_text("{}", "utf-8")
        case "tampered":
            file.write_text(text.replace("A coach", "A crook"), "utf-8")
        case _:
            file.unlink()
            file.mkdir()
    _, caller = await serve(
        ScriptedEngine(),
        crew_source_address=await nobody(),
        crew_source_wait_seconds=0,
        state_directory=tmp_path,
        bootstrap_file=bootstrap,
    )
    assert (await caller.crews()).source == f"bootstrap:{bootstrap}"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
async def test_what_another_user_left_there_is_not_what_was_kept(
    serve: Serve, tmp_path: Path
) -> None:
    await keep(serve, tmp_path, update_of())
    os.chown(tmp_path / _KEPT, 12_345, 12_345)
    bootstrap = tmp_path / "update.json"
    bootstrap.write_bytes((tmp_path / _KEPT).read_bytes())
    os.chown(bootstrap, 12_345, 12_345)
    _, caller = await serve(
        ScriptedEngine(),
        crew_source_address=await nobody(),
        crew_source_wait_seconds=0,
        state_directory=tmp_path,
        bootstrap_file=bootstrap,
    )
    assert (await caller.crews()).source == f"bootstrap:{bootstrap}"


async def test_a_process_that_has_no_crews_waits_and_is_not_ready(
    serve: Serve, tmp_path: Path
) -> None:
    engine = ScriptedEngine()
    async with PlayedOperator(Update(nonce=1, is_whole=True)) as operator:
        starting = asyncio.ensure_future(
            serve(
                engine,
                crew_source_address=operator.address,
                state_directory=tmp_path,
            )
        )
        stream = await operator.stream()
        await stream.answer(1)
        async with asyncio.timeout(20):
            while not engine.warm_ups:
                await asyncio.sleep(0.01)
        assert not starting.done()
        update = update_of(nonce=2)
        stream.tell(
            Update(
                nonce=2,
                assignments=update.assignments,
                revisions=update.revisions,
                documents=update.documents,
            )
        )
        orchestrator, caller = await starting
        assert (await caller.crews()).ready
        assert await health_of(orchestrator) == health_pb2.HealthCheckResponse.SERVING
