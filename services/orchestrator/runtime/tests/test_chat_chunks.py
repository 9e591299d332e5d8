"""A chat completion is the same however its stream was cut, and never made up."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.errors import (
    LLMBadOutputError,
    LLMContextExceededError,
    LLMError,
    LLMRateLimitedError,
    LLMUnavailableError,
)
from services.orchestrator.runtime.llm.base import Completion
from services.orchestrator.runtime.llm.chat_chunks import ChatCompletionReader
from services.orchestrator.runtime.llm.sse import SSEParser, SSETooLongError

_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def _chunk(delta: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "1", "choices": [{"index": 0, "delta": delta or {}, **more}]}


def _read(data: list[bytes]) -> tuple[Completion | str, str]:
    """Read events' data: the completion or the error's code, and what was shown."""
    shown: list[str] = []
    reader = ChatCompletionReader("small", shown.append)
    try:
        for event in data:
            reader.take(event)
        return reader.completion(), "".join(shown)
    except LLMError as error:
        return error.code, "".join(shown)


def _read_chunks(*chunks: object, done: bool = True) -> tuple[Completion | str, str]:
    data = [json.dumps(chunk).encode() for chunk in chunks]
    return _read([*data, b"[DONE]"] if done else data)


def _events(stream: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    parser = SSEParser()
    found = [
        event
        for a, b in itertools.pairwise(bounds)
        for event in parser.feed(stream[a:b])
    ]
    return found + parser.finish()


@given(
    pieces=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=8),
    is_escaped=st.booleans(),
    end=_ENDS,
    noise=st.sampled_from([": ping", "event: x", "id: 7", "data", ""]),
    has_bom=st.booleans(),
    places=st.lists(st.integers(0, 2_000), max_size=20),
)
def test_no_cut_changes_a_completion(
    *,
    pieces: list[str],
    is_escaped: bool,
    end: str,
    noise: str,
    has_bom: bool,
    places: list[int],
) -> None:
    chunks = [_chunk({"content": piece}) for piece in pieces]
    chunks.append(_chunk(finish_reason="stop"))
    chunks.append({"choices": [], "usage": {"prompt_tokens": 3}})
    stream = "\ufeff" * has_bom
    for chunk in chunks:
        data = json.dumps(chunk, ensure_ascii=is_escaped)
        stream += f"data: {data}{end}{noise}{end}{end}"
    stream += f"data:[DONE]{end}{end}"
    whole = stream.encode()
    events = [event for event in _events(whole, places) if event]
    assert events == [event for event in _events(whole, []) if event]
    if noise == "data":
        return  # an empty line of data belongs to its event
    completion, shown = _read(events)
    if not "".join(pieces).strip():
        assert completion == "llm_bad_output"
        return
    assert isinstance(completion, Completion)
    assert completion.text == shown == "".join(pieces)
    assert completion.finish_reason == "stop"


@given(data=st.data())
def test_tool_calls_are_whole_in_any_fragments(data: st.DataObject) -> None:
    calls = data.draw(
        st.lists(
            st.tuples(
                st.text(min_size=1, max_size=6),
                st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
            ),
            min_size=1,
            max_size=3,
        )
    )
    indexes = data.draw(
        st.lists(
            st.integers(0, 50), min_size=len(calls), max_size=len(calls), unique=True
        )
    )
    queues = [
        _fragments(index, name, json.dumps(arguments), data)
        for index, (name, arguments) in zip(indexes, calls, strict=True)
    ]
    order = data.draw(
        st.permutations([i for i, queue in enumerate(queues) for _ in queue])
    )
    parts = [_chunk({"tool_calls": [queues[i].pop(0)], "content": None}) for i in order]
    completion, _ = _read_chunks(*parts, _chunk(finish_reason="tool_calls"))
    assert isinstance(completion, Completion)
    by_index = sorted(zip(indexes, calls, strict=True))
    assert [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in completion.tool_calls
    ] == [call for _, call in by_index]
    assert len({call["id"] for call in completion.tool_calls}) == len(calls)


def _fragments(
    index: int, name: str, arguments: str, data: st.DataObject
) -> list[dict[str, Any]]:
    """A call in pieces; all calls claim the same id."""
    place = data.draw(st.integers(0, len(arguments)))
    head = {"index": index, "id": "same", "function": {"name": name}}
    return [
        head,
        {"index": index, "function": {"arguments": arguments[:place]}},
        {"index": index, "id": "", "function": {"arguments": arguments[place:]}},
    ]


def test_calls_without_numbers_are_told_apart_by_their_ids() -> None:
    completion, _ = _read_chunks(
        _chunk({"tool_calls": [{"id": "a", "function": {"name": "one"}}]}),
        _chunk({"tool_calls": [{"function": {"arguments": '{"x"'}}]}),
        _chunk({"tool_calls": [{"id": "b", "function": {"name": "two"}}]}),
        _chunk({"tool_calls": [{"id": "a", "function": {"arguments": ":1}"}}]}),
        _chunk({"tool_calls": [{"id": "c", "function": {"arguments": {"y": 2}}}]}),
    )
    assert isinstance(completion, Completion)
    assert [call["function"] for call in completion.tool_calls] == [
        {"name": "one", "arguments": '{"x":1}'},
        {"name": "two", "arguments": ""},
        {"name": "", "arguments": '{"y": 2}'},
    ]


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["choices", "delta", "content", "tool_calls", "usage", "error",
                         "function", "index", "id", "name", "arguments", "message",
                         "finish_reason", "refusal", "prompt_tokens"]),
        inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_any_json_is_an_answer_or_a_typed_error(chunk: object) -> None:
    outcome, _ = _read_chunks(chunk)
    assert isinstance(outcome, Completion) or outcome.startswith("llm_")


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_a_typed_error(data: bytes) -> None:
    outcome, _ = _read([data])
    assert isinstance(outcome, Completion) or outcome.startswith("llm_")


_TEXT = _chunk({"content": "Hello"})


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ([_TEXT, _chunk(finish_reason="error")], LLMUnavailableError),
        ([_TEXT, _chunk(finish_reason="content_filter")], LLMBadOutputError),
        ([_TEXT, {"error": {"message": "boom"}}], LLMUnavailableError),
        ([_TEXT, {"error": "Rate_limit reached"}], LLMRateLimitedError),
        ([{"error": {"message": "maximum context"}}], LLMContextExceededError),
        ([{"choices": [], "usage": {"prompt_tokens": 1}}], LLMBadOutputError),
        ([_chunk({"content": None, "role": "assistant"})], LLMBadOutputError),
        ([_chunk({"content": ["part"]})], LLMBadOutputError),
        ([_chunk({"tool_calls": [{"function": {"name": 5}}]})], LLMBadOutputError),
        ([_chunk({"tool_calls": "all"})], LLMBadOutputError),
        ([None], LLMBadOutputError),
    ],
)
def test_a_failed_answer_is_told_as_one(
    chunks: list[object], kind: type[LLMError]
) -> None:
    outcome, _ = _read_chunks(*chunks)
    assert outcome == kind.code


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "eos", "STOP"])
def test_an_answer_that_has_an_end_needs_no_last_word(reason: str) -> None:
    completion, _ = _read_chunks(_TEXT, _chunk(finish_reason=reason), done=False)
    assert isinstance(completion, Completion)
    assert completion.finish_reason == reason


def test_an_answer_without_an_end_is_no_answer() -> None:
    outcome, shown = _read_chunks(_TEXT, done=False)
    assert (outcome, shown) == ("llm_unavailable", "Hello")


def test_a_refusal_is_what_the_model_says() -> None:
    completion, shown = _read_chunks(
        _chunk({"refusal": "I will not."}), _chunk(finish_reason="stop")
    )
    assert isinstance(completion, Completion)
    assert completion.text == shown == "I will not."


def test_nesting_beyond_reason_is_no_answer() -> None:
    outcome, _ = _read([b"[" * 100_000])
    assert outcome == "llm_bad_output"


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "x" * 50_000},
        {"tool_calls": [{"index": 0, "function": {"arguments": "x" * 50_000}}]},
    ],
)
def test_an_endless_answer_is_given_up(delta: dict[str, Any]) -> None:
    outcome, _ = _read_chunks(*[_chunk(delta)] * 100)
    assert outcome == "llm_bad_output"


def test_endless_calls_are_given_up() -> None:
    name = {"name": "f" * 1_000}
    calls = [{"index": index, "function": name} for index in range(3_000)]
    outcome, _ = _read_chunks(*(_chunk({"tool_calls": [call]}) for call in calls))
    assert outcome == "llm_bad_output"


def test_lines_of_nothing_are_bounded_as_well() -> None:
    parser = SSEParser(max_event_bytes=1_000)
    parser.feed(b"data\n" * 900)
    with pytest.raises(SSETooLongError):
        parser.feed(b"data\n" * 200)
