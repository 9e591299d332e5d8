"""Server-sent events survive every cut."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.orchestrator.runtime.llm.sse import SSEParser, SSETooLongError

_LINES = st.sampled_from(
    [
        "data: one",
        "data:two",
        "data:  three",
        "data: Grüße 🚀",
        "data",
        "data: ",
        ": comment",
        "event: message",
        "id: 7",
        "retry",
        "rubbish",
        "",
    ]
)
_STREAMS = st.lists(st.tuples(_LINES, st.sampled_from(["\n", "\r\n", "\r"])))


def _expected(stream: bytes) -> list[bytes]:
    """The standard's algorithm on the whole stream, an open event flushed."""
    lines = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    events: list[bytes] = []
    data: list[bytes] = []
    for line in [*lines, b""]:
        name, _, value = line.partition(b":")
        if line == b"":
            if data:
                events.append(b"\n".join(data))
            data = []
        elif name == b"data":
            data.append(value.removeprefix(b" "))
    return events


def _parse(chunks: list[bytes]) -> list[bytes]:
    parser = SSEParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return events + parser.finish()


@given(stream=_STREAMS, places=st.lists(st.integers(0, 400), max_size=30))
@example(stream=[("data: 🚀", "\r\n"), ("", "\r\n")], places=[7, 8, 11, 12])
def test_any_cut_gives_the_events_of_the_standard(
    stream: list[tuple[str, str]], places: list[int]
) -> None:
    whole = "".join(line + end for line, end in stream).encode()
    bounds = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    chunks = [whole[a:b] for a, b in itertools.pairwise(bounds)]
    assert _parse(chunks) == _expected(whole)


def test_a_byte_order_mark_is_skipped() -> None:
    assert _parse([b"\xef\xbb\xbfdata: a\n\n"]) == [b"a"]


@pytest.mark.parametrize(
    "chunk",
    [b"data: " + b"x" * 200, b"data: " + b"x" * 200 + b"\n\n", b"data: 1234567\n" * 20],
)
def test_an_endless_event_is_refused(chunk: bytes) -> None:
    parser = SSEParser(max_event_bytes=100)
    with pytest.raises(SSETooLongError):
        parser.feed(chunk)


def test_many_small_events_are_not_one_long_one() -> None:
    parser = SSEParser(max_event_bytes=100)
    assert len(parser.feed(b"data: 1234567890\n\n" * 100)) == 100
