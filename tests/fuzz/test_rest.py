"""Every operation of the served description, given what it takes and what not."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from libs.testing.client import FounderClient
from libs.testing.stack import REPOSITORY, Stack, until
from tests.fuzz.effort import EFFORTS, Effort

_EXAMPLES: Final = 30
_CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_DESCRIPTION: Final[dict[str, Any]] = json.loads(
    (REPOSITORY / "frontend/openapi.json").read_text("utf-8")
)
_OPERATIONS: Final = {
    operation["operationId"]: (path, method)
    for path, operations in _DESCRIPTION["paths"].items()
    for method, operation in operations.items()
}
_ENDLESS: Final = "follow_stream"
"""Its answer to a stream that exists has no end, so it is given none."""
_MOSTLY: Final = st.sampled_from([True, True, True, False])
_OPEN: Final = {"get_status"}
"""Takes nothing, and from everybody."""


@pytest.fixture(scope="module")
def description(stack: Stack) -> schemathesis.BaseSchema:
    """The description as the gateway serves it."""
    served = httpx.get(stack.url + "/openapi.json", trust_env=False).json()
    assert served == _DESCRIPTION
    return schemathesis.openapi.from_dict(served)


@dataclass(frozen=True, slots=True)
class _Things:
    """What a founder has, by the names the description has for it."""

    token: str
    in_path: dict[str, str]
    in_body: dict[str, str]

    def put_into(self, case: Case[Any]) -> None:
        """Let a request name what there is instead of what there is not."""
        known = set(self.in_path) & set(case.path_parameters or {})
        case.path_parameters |= {name: self.in_path[name] for name in known}
        if isinstance(case.body, dict):
            named = set(self.in_body) & set(case.body)
            case.body |= {name: self.in_body[name] for name in named}


async def _things_of_a_founder(url: str) -> _Things:
    """Arrive as a new founder who was answered, asked again and stopped that."""
    async with await FounderClient.arrive(url) as founder:
        session = await founder.create_session()
        sent = await founder.send(session["session_id"], "Lunch queues")

        async def has_ended() -> bool:
            return bool((await founder.run(sent["run_id"]))["state"] == "finished")

        await until(has_ended, timeout_seconds=30, what="the reply")
        *_, reply = await founder.messages(session["session_id"])
        again = await founder.send(session["session_id"], "And now?")
        await founder.cancel(again["run_id"])
        link = await founder.post("/v1/founder/links")
        path = {
            "session_id": session["session_id"],
            "stream": session["stream"],
            "run_id": again["run_id"],
            "message_id": reply["message_id"],
        }
        secret = link.raise_for_status().json()["url"].partition("#")[2]
        body = {"message_id": sent["message_id"], "token": secret}
        return _Things(founder.token, path, body)


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("operation_id", _OPERATIONS)
def test_any_request_gets_an_answer_the_description_knows(
    stack: Stack,
    description: schemathesis.BaseSchema,
    operation_id: str,
    effort: Effort,
) -> None:
    path, method = _OPERATIONS[operation_id]
    operation = description[path][method]
    things = asyncio.run(_things_of_a_founder(stack.url))
    cookie = {f"vb_founder_{stack.gateway.port}": things.token}
    statuses: set[int] = set()
    cases = st.one_of(*(operation.as_strategy(mode) for mode in GenerationMode))

    @effort.settings(_EXAMPLES)
    @given(case=cases, is_known=_MOSTLY, is_founder=_MOSTLY)
    def answers(case: Case[Any], *, is_known: bool, is_founder: bool) -> None:
        if is_known and operation_id != _ENDLESS:
            things.put_into(case)
        answer = case.call_and_validate(
            stack.url,
            headers={"Origin": stack.url},
            cookies=cookie if is_founder else {},
            checks=_CHECKS,
        )
        statuses.add(answer.status_code // 100)

    run: Callable[[], None] = answers
    run()
    # Else nothing was asked but what is refused at the door.
    assert operation_id == _ENDLESS or 2 in statuses
    assert operation_id in _OPEN or 4 in statuses
