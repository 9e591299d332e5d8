"""Another founder's things do not exist: every route, stream and command.

The routes come from the served OpenAPI document and the commands from their
union, so that a new one is tried without an edit here.
"""

import json
import re
from typing import Any, get_args
from uuid import uuid4

import httpx
import pytest
from pydantic import BaseModel

from libs.testing.client import FounderClient
from libs.testing.socket_client import SocketClient
from libs.testing.stack import Stack
from libs.testing.stream_state import Frame
from services.api_gateway.wire.commands import Command

_CANARY = "quokka-lantern"
_METHODS = ("get", "post", "put", "patch", "delete")
_VARIABLE = re.compile(r"\{(\w+)\}")
_COMMANDS: tuple[type[BaseModel], ...] = get_args(get_args(Command)[0])


class _Belongings:
    """All ids a founder has, by the name parameters and fields have."""

    def __init__(self, founder: Frame, session: Frame, sent: Frame) -> None:
        self.stream = str(session["stream"])
        self.founder_stream = str(founder["stream"])
        self.ids = {
            "session_id": str(session["session_id"]),
            "message_id": str(sent["message_id"]),
            "run_id": str(sent["run_id"]),
            "stream": self.stream,
            "founder_id": str(founder["founder_id"]),
        }

    def leaks_into(self, text: str, *, sent: str) -> bool:
        """Tell whether an answer shows something that was not in the request."""
        secrets = [_CANARY, *self.ids.values()]
        return any(secret in text and secret not in sent for secret in secrets)


async def _settle(founder: FounderClient) -> _Belongings:
    session = await founder.create_session()
    path = f"/v1/sessions/{session['session_id']}"
    await founder.http.patch(path, json={"title": _CANARY})
    async with founder.following(session["session_id"]) as socket:
        sent = await founder.send(session["session_id"], f"My secret is {_CANARY}")
        await socket.ended(session["stream"], sent["run_id"])
    return _Belongings(founder.founder, session, sent)


def _example(schema: Frame, schemas: Frame, ids: dict[str, str], name: str) -> Any:
    """Make a valid value of a JSON schema, with the victim's ids where they fit."""
    if name in ids:
        return ids[name]
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas, ids, name)
    if schema.get("type") == "object":
        fields = schema.get("properties", {})
        return {each: _example(fields[each], schemas, ids, each) for each in fields}
    if schema.get("format") == "uuid":
        return str(uuid4())
    choices = [*schema.get("enum", ()), schema.get("const")]
    plain = {"boolean": True, "integer": 1, "array": []}
    return choices[0] or plain.get(schema["type"], "Stolen")


def _operations(document: Frame) -> list[tuple[str, str, Frame]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in _METHODS
    ]


def _body(operation: Frame, document: Frame, ids: dict[str, str]) -> Any:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    if schema is None:
        return None
    return _example(schema, document["components"]["schemas"], ids, "")


async def _try(
    thief: FounderClient, method: str, url: str, body: object
) -> httpx.Response:
    content = None if body is None else json.dumps(body)
    headers = {"Content-Type": "application/json"}
    return await thief.http.request(method, url, content=content, headers=headers)


def _aimed_at(victim: _Belongings, path: str) -> str:
    return _VARIABLE.sub(lambda name: victim.ids[name[1]], path)


async def test_no_route_shows_or_changes_another_founders_things(
    stack: Stack, founder: FounderClient
) -> None:
    victim = await _settle(founder)
    before = await founder.log(victim.stream)
    document = (await founder.http.get("/openapi.json")).json()
    tried = 0
    async with await FounderClient.arrive(stack.url) as thief:
        for method, path, operation in _operations(document):
            body = _body(operation, document, victim.ids)
            answer = await _try(thief, method, _aimed_at(victim, path), body)
            tried += 1
            where = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
            assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, where
            if _VARIABLE.search(path):
                assert answer.status_code == httpx.codes.NOT_FOUND, where
            sent = str(answer.request.url) + json.dumps(body)
            assert not victim.leaks_into(answer.text, sent=sent), where
        nobody = httpx.AsyncClient(base_url=stack.url, trust_env=False)
        async with nobody:
            for method, path, _ in _operations(document):
                if _VARIABLE.search(path):
                    url = _aimed_at(victim, path)
                    answer = await nobody.request(method, url, json={})
                    assert answer.status_code == httpx.codes.UNAUTHORIZED, path
    assert tried >= 15
    assert (await founder.log(victim.stream)).events == before.events


async def test_no_command_reaches_another_founders_things(
    stack: Stack, founder: FounderClient
) -> None:
    victim = await _settle(founder)
    before = await founder.log(victim.stream)
    async with (
        await FounderClient.arrive(stack.url) as thief,
        thief.socket() as socket,
    ):
        for command in _COMMANDS:
            schema = command.model_json_schema()
            fields = _example(schema, schema.get("$defs", {}), victim.ids, "")
            assert isinstance(fields, dict)
            own = {"type", "request_id"}
            is_aimed = bool(victim.ids.keys() & fields.keys())
            answer = await socket.command(
                fields["type"],
                **{name: value for name, value in fields.items() if name not in own},
            )
            if is_aimed:
                assert answer["type"] == "error", fields["type"]
                assert answer["code"].endswith("_unknown"), answer
            text = json.dumps(answer)
            assert not victim.leaks_into(text, sent=json.dumps(fields)), text
    assert len(_COMMANDS) >= 7
    assert (await founder.log(victim.stream)).events == before.events


@pytest.mark.parametrize("kind", ["session", "founder"])
async def test_no_stream_of_another_founder_is_told(
    stack: Stack, founder: FounderClient, kind: str
) -> None:
    victim = await _settle(founder)
    stream = victim.stream if kind == "session" else victim.founder_stream
    async with await FounderClient.arrive(stack.url) as thief:
        for path in ("events", "live"):
            answer = await thief.http.get(f"/v1/streams/{stream}/{path}")
            assert answer.status_code == httpx.codes.NOT_FOUND
            assert _CANARY not in answer.text
        for after_seq in (0, None):
            async with thief.socket() as socket:
                await socket.subscribe(stream, after_seq=after_seq)
                await _refused(socket)
                state = socket.state(stream)
                assert (state.events, state.snapshots) == ([], 0)
                assert _CANARY not in json.dumps(socket.frames)


async def _refused(socket: SocketClient) -> None:
    await socket.until(
        lambda: any(each.get("code") == "stream_unknown" for each in socket.frames)
    )


async def test_a_founders_request_id_gives_another_founder_nothing(
    stack: Stack, founder: FounderClient
) -> None:
    request_id = str(uuid4())
    body: dict[str, Any] = {"request_id": request_id, "opening": False, "title": "Mine"}
    mine = await founder.post("/v1/sessions", **body)
    async with await FounderClient.arrive(stack.url) as other:
        theirs = await other.post("/v1/sessions", **body)
    assert mine.is_success
    assert theirs.is_success
    assert mine.json()["session_id"] != theirs.json()["session_id"]
