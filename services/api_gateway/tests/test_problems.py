"""Every route tells its failures in one shape; the list is OpenAPI's own."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.api_gateway.app import create_api
from services.api_gateway.tests.gateway import (
    RunningGateway,
    new_session,
    problem_of,
    raw_request,
    say,
)

JSON = {"Content-Type": "application/json"}
FIELDS = {"text": "hello", "value": "up", "token": "x" * 43}
OPEN = {"/v1/founder": "POST", "/v1/founder/links/redeem": "POST"}
"""Routes for those who are no founder yet."""


@dataclass(frozen=True)
class Operation:
    """One route of the document."""

    method: str
    path: str
    body: str | None

    def address(self, ids: dict[str, str]) -> str:
        """The path with its parameters filled in."""
        return self.path.format_map(ids)

    def valid_body(self, ids: dict[str, str]) -> dict[str, Any]:
        """A body with the required fields."""
        schema = DOCUMENT["components"]["schemas"][self.body or ""]
        fields = FIELDS | ids | {"request_id": str(uuid4())}
        return {field: fields[field] for field in schema.get("required", [])}


DOCUMENT = create_api().openapi()


def _operations() -> Iterator[Operation]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            options = [schema, *schema.get("anyOf", [])]
            names = [
                option["$ref"].rpartition("/")[2]
                for option in options
                if "$ref" in option
            ]
            yield Operation(method.upper(), path, names[0] if names else None)


OPERATIONS = list(_operations())


async def _ask(
    http: httpx.AsyncClient,
    operation: Operation,
    ids: dict[str, str],
    **changes: object,
) -> httpx.Response:
    content = None
    if operation.body is not None:
        content = json.dumps(operation.valid_body(ids) | changes)
    return await http.request(
        operation.method, operation.address(ids), content=content, headers=JSON
    )


def _some_ids() -> dict[str, str]:
    session_id = str(uuid4())
    return {
        "session_id": session_id,
        "message_id": str(uuid4()),
        "run_id": str(uuid4()),
        "stream": f"session:{session_id}",
    }


async def test_every_route_but_those_that_make_one_needs_a_founder(
    stranger: httpx.AsyncClient,
) -> None:
    asked = 0
    for operation in OPERATIONS:
        if OPEN.get(operation.path) == operation.method:
            continue
        answer = await _ask(stranger, operation, _some_ids())
        assert answer.status_code == HTTPStatus.UNAUTHORIZED, operation
        assert problem_of(answer)["code"] == "no_founder"
        asked += 1
    assert asked == len(OPERATIONS) - len(OPEN)


async def test_what_is_another_founders_is_unknown(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    session = await new_session(http)
    accepted = (await say(http, session["session_id"], "my secret")).json()
    founder = (await http.get("/v1/founder")).json()
    theirs = {
        "session_id": session["session_id"],
        "message_id": accepted["message_id"],
        "run_id": accepted["run_id"],
        "stream": session["stream"],
    }
    routes = [operation for operation in OPERATIONS if "{" in operation.path]
    streams = [session["stream"], founder["stream"]]
    asked = 0
    async with gateway.http(await gateway.new_token()) as other:
        for operation in routes:
            for stream in streams if "{stream}" in operation.path else streams[:1]:
                for ids in (theirs | {"stream": stream}, _some_ids()):
                    answer = await _ask(other, operation, ids)
                    assert answer.status_code == HTTPStatus.NOT_FOUND, operation
                    assert problem_of(answer)["code"].endswith("_unknown")
                    assert "my secret" not in answer.text
                    asked += 1
        listed = await other.get("/v1/sessions")
        assert listed.json()["sessions"] == []
    assert asked > 2 * len(routes)
    assert (await http.get(f"/v1/sessions/{session['session_id']}")).is_success


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.body],
    ids=lambda operation: operation.path,
)
async def test_an_unknown_field_is_refused_by_name(
    http: httpx.AsyncClient, operation: Operation
) -> None:
    answer = await _ask(http, operation, _some_ids(), favourite_colour="teal")
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    problem = problem_of(answer)
    assert problem["code"] == "invalid"
    assert [error["path"] for error in problem["errors"]] == ["body.favourite_colour"]
    assert "favourite_colour" in problem["detail"]
    assert "teal" not in answer.text


async def test_an_unknown_query_parameter_is_refused_by_name(
    http: httpx.AsyncClient,
) -> None:
    session = await new_session(http)
    for path in (
        "/v1/sessions",
        f"/v1/sessions/{session['session_id']}/messages",
        f"/v1/sessions/{session['session_id']}/export",
        f"/v1/streams/{session['stream']}/events",
    ):
        answer = await http.get(path, params={"colour": "teal"})
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, path
        assert problem_of(answer)["errors"][0]["path"] == "query.colour"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nothing",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"request_id": ' + b"9" * 100_000 + b"}",
        b'{"request_id": NaN}',
        b'{"request_id": 1e999}',
        b'{"\\ud800": 1}',
        b'{"request_id": "\\ud800"}',
        b'{"request_id": {"request_id": {}}}',
        b'{"opening": 2, "opening": 3}',
        '{"title": "\u0000"}'.encode(),
    ],
    ids=range(16),
)
async def test_no_body_whatever_makes_the_gateway_stumble(
    http: httpx.AsyncClient, body: bytes
) -> None:
    answer = await http.post("/v1/sessions", content=body, headers=JSON)
    assert answer.status_code in {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
    assert problem_of(answer)["code"] == "invalid"


async def test_unknown_paths_and_methods_are_problems_too(
    http: httpx.AsyncClient,
) -> None:
    for path in ("/v1", "/v1/", "/v1/nothing", "/v1/sessions/", "/docs/x", "/metrics"):
        for method in ("GET", "POST", "DELETE"):
            answer = await http.request(method, path, headers=JSON)
            assert answer.status_code == HTTPStatus.NOT_FOUND, (method, path)
            assert problem_of(answer)["code"] == "not_found"
    answer = await http.put("/v1/sessions", json={})
    assert answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert problem_of(answer)["code"] == "method_not_allowed"
    assert answer.headers["allow"]


async def test_a_given_request_id_is_kept_when_it_is_one(
    http: httpx.AsyncClient,
) -> None:
    given = str(uuid4())
    answer = await http.get("/v1/nothing", headers={"X-Request-Id": given})
    assert problem_of(answer)["request_id"] == given
    for odd in ("x" * 5_000, "{" + given + "}", "", "1"):
        answer = await http.get("/v1/nothing", headers={"X-Request-Id": odd})
        made = problem_of(answer)["request_id"]
        assert made != odd
        assert str(UUID(made)) == made


async def test_what_nobody_foresaw_tells_nothing_of_the_inside(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    async def break_down() -> None:
        raise LookupError("the password is hunter2")

    gateway.app.add_api_route("/v1/broken", break_down)
    answer = await http.get("/v1/broken")
    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert problem_of(answer)["code"] == "internal"
    assert "hunter2" not in answer.text
    assert (await http.get("/v1/sessions")).is_success


async def test_every_answer_carries_the_safe_headers(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    for path in ("/", "/v1/sessions", "/v1/nothing", "/docs", "/config.js", "/healthz"):
        answer = await http.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
    answer = await http.get("/v1/sessions")
    assert answer.headers["cache-control"] == "no-store"
    raw = await raw_request(gateway.port, b"GET / HTTP/1.1\r\nbroken\r\n\r\n")
    assert b" 400 " in raw.partition(b"\r\n")[0]
