"""Send a message to the coach and wait until its reply is complete.

What `helm test` runs, in the gateway's image: nothing but the standard library.
`VB_TEST_URL` names the gateway, `VB_TEST_TEXT` is said, `VB_TEST_SECONDS` bounds it.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

URL = os.environ["VB_TEST_URL"]
SECONDS = float(os.environ["VB_TEST_SECONDS"])


def call(path: str, token: str = "", **body: object) -> dict[str, Any]:
    """POST a body and return the answer's."""
    with urllib.request.urlopen(request(path, token, body), timeout=10) as answer:  # noqa: S310 - the chart names the gateway
        found: dict[str, Any] = json.load(answer)
    return found


def request(
    path: str, token: str, body: dict[str, object] | None = None
) -> urllib.request.Request:
    """Make a request, of a founder when there is a token."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    return urllib.request.Request(URL + path, data, headers)  # noqa: S310 - the chart names the gateway


def events(session_id: str, token: str) -> Iterator[dict[str, Any]]:
    """Follow a session's events, from its first one on."""
    path = f"/v1/streams/session:{session_id}/live?after_seq=0"
    with urllib.request.urlopen(request(path, token), timeout=SECONDS) as lines:  # noqa: S310 - the chart names the gateway
        for line in lines:
            if line.startswith(b"data:"):
                yield json.loads(line.removeprefix(b"data:"))


def reply(session_id: str, token: str, run_id: str, deadline: float) -> str:
    """Return the reply of a run, once it is complete."""
    text = ""
    for event in events(session_id, token):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no reply within {SECONDS:.0f} s")
        if event.get("run_id") != run_id:
            continue
        match event["type"]:
            case "message.delta":
                text += event["data"]["text"]
            case "message.finished" if event["data"]["status"] == "complete":
                return text
            case "message.finished" | "run.failed":
                raise RuntimeError(f"the reply did not end well: {event['data']}")
            case _:
                pass
    raise RuntimeError("the stream of events ended before the reply")


def main() -> int:
    """Chat once; the exit status tells how it went."""
    deadline = time.monotonic() + SECONDS
    try:
        token = call("/v1/founder", deliver="body")["token"]
        session_id = call("/v1/sessions", token, request_id=str(uuid4()))["session_id"]
        sent = call(
            f"/v1/sessions/{session_id}/messages",
            token,
            request_id=str(uuid4()),
            text=os.environ["VB_TEST_TEXT"],
        )
        told = reply(session_id, token, sent["run_id"], deadline)
    except urllib.error.HTTPError as error:
        print(f"refused: {error} {error.read().decode()}", file=sys.stderr)
        return 1
    except (OSError, RuntimeError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    print(f"a reply of {len(told)} characters: {told[:200]}")
    return 0 if told else 1


if __name__ == "__main__":
    sys.exit(main())
