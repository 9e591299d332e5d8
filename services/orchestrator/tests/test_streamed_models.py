"""Models that an operator tells of: where they may be, and how far a key goes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.orchestrator.app import create_engine
from services.orchestrator.config import Config
from services.orchestrator.crews.told import ToldDocument, Update
from services.orchestrator.runtime.tests.scripted_model import Reply, ScriptedModel
from services.orchestrator.tests.caller import Caller
from services.orchestrator.tests.conftest import Serve
from services.orchestrator.tests.played_operator import PlayedOperator, PlayedStream
from services.orchestrator.tests.told_documents import update_of
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb

# CrewAI reads deprecated fields of its own models while it copies an agent.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

_HELLO = Reply(pieces=("Hello.",))
_KEY = {"secret": {"name": "llm", "key": "api-key"}}
_DECLARED = {"secret": "llm", "key": "api-key", "allowedHosts": ["127.0.0.1"]}


def hosted(
    endpoint: str, *, generation: int = 1, reference: object = _KEY
) -> ToldDocument:
    """Tell the model that coaches."""
    spec = {
        "provider": "OpenAICompatible",
        "model": "small",
        "endpoint": endpoint,
        "maxRetries": 0,
    }
    if reference is not None:
        spec["credentialRef"] = reference
    return ToldDocument("ModelProvider", "hosted", generation, json.dumps(spec))


@asynccontextmanager
async def coached_by(
    document: ToldDocument, serve: Serve, directory: Path, **settings: object
) -> AsyncIterator[tuple[Caller, PlayedStream]]:
    """Serve crews on a model that an operator tells of, with the product's engine."""
    key = directory / "keys" / "llm" / "api-key"
    key.parent.mkdir(parents=True)
    key.write_text("sk-secret")
    told = update_of()
    told = replace(told, documents=(*told.documents, document))
    async with PlayedOperator(told) as operator:
        config = Config.model_validate({"credentials": [_DECLARED], **settings})
        _, caller = await serve(
            create_engine(config),
            crew_source_address=operator.address,
            state_directory=directory / "state",
            default_model="hosted",
            credentials=[_DECLARED],
            credentials_directory=directory / "keys",
        )
        stream = await operator.stream()
        await stream.answer(1)
        yield caller, stream


async def last_of(caller: Caller, run_id: str) -> pb.RunEvent:
    """Run the crew and give its end."""
    return (await caller.run(run_id).end())[-1]


async def test_a_key_does_not_follow_a_redirect(serve: Serve, tmp_path: Path) -> None:
    async with ScriptedModel(_HELLO) as elsewhere:
        target = f"{elsewhere.document().endpoint}/chat/completions"
        away = Reply(status=307, headers={"location": target})
        async with (
            ScriptedModel(away) as server,
            coached_by(hosted(server.document().endpoint or ""), serve, tmp_path) as (
                caller,
                _,
            ),
        ):
            assert (await last_of(caller, "r1")).HasField("run_failed")
            assert server.headers[0]["authorization"] == "bearer sk-secret"
        assert elsewhere.connections == 0


async def test_a_changed_endpoint_takes_no_key_to_a_host_that_is_not_allowed(
    serve: Serve, tmp_path: Path
) -> None:
    async with (
        ScriptedModel(_HELLO) as server,
        ScriptedModel(_HELLO) as elsewhere,
        coached_by(hosted(server.document().endpoint or ""), serve, tmp_path) as (
            caller,
            stream,
        ),
    ):
        other = (elsewhere.document().endpoint or "").replace("127.0.0.1", "localhost")
        stream.tell(Update(nonce=2, documents=(hosted(other, generation=2),)))
        nack: Any = await stream.answer(2)
        assert "may not be sent to 'localhost'" in nack.refusals[0].detail
        assert (await last_of(caller, "r1")).HasField("run_finished")
        assert server.headers[0]["authorization"] == "bearer sk-secret"
        # Without the key it may go there: this machine is open on a laptop.
        keyless = hosted(other, generation=3, reference=None)
        stream.tell(Update(nonce=3, documents=(keyless,)))
        await stream.answer(3)
        assert (await last_of(caller, "r2")).HasField("run_finished")
        assert len(elsewhere.headers) == 1
        assert "authorization" not in elsewhere.headers[0]


async def test_a_rotated_key_is_sent_without_a_restart(
    serve: Serve, tmp_path: Path
) -> None:
    async with (
        ScriptedModel(_HELLO) as server,
        coached_by(hosted(server.document().endpoint or ""), serve, tmp_path) as (
            caller,
            _,
        ),
    ):
        await last_of(caller, "r1")
        (tmp_path / "keys" / "llm" / "api-key").write_text("sk-rotated")
        await last_of(caller, "r2")
        sent = [headers["authorization"] for headers in server.headers]
        assert sent == ["bearer sk-secret", "bearer sk-rotated"]


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://169.254.169.254/latest",
        "http://[fd00:ec2::254]/latest",
        "https://10.0.0.7/v1",
        "https://10.96.0.1/v1",
        "https://[::ffff:10.96.0.1]/v1",
    ],
)
async def test_metadata_private_and_api_servers_are_no_models(
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str,
) -> None:
    document = hosted(endpoint, reference=None)
    # Of a wide network that is open, the API server is still no part.
    opened = ["10.96.0.0/16"]
    async with coached_by(document, serve, tmp_path, model_networks=opened) as (
        caller,
        _,
    ):
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
        ended = await last_of(caller, "r1")
    assert ended.run_failed.error.code == "llm_unavailable"
    assert "an address that is not allowed" in ended.run_failed.error.detail
