"""What is shown of a streamed reply, and what is offered after it."""

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.orchestrator.runtime.reply import (
    MARKER,
    ReplySplitter,
    parse_suggestions,
)

Result = tuple[str, tuple[str, ...]]


def _split(pieces: list[str], *, suggestions: bool = True) -> Result:
    splitter = ReplySplitter(suggestions=suggestions)
    shown = "".join([splitter.feed(piece) for piece in pieces])
    tail, offered = splitter.finish()
    return shown + tail, tuple(suggestion.text for suggestion in offered)


def _cut(text: str, places: list[int]) -> list[str]:
    bounds = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(bounds)]


_TEXTS = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.sampled_from(
            [MARKER, MARKER.upper(), "[[sugg", "[", "[[", "\n", " ", "\n\n", "- Yes\n"]
        ),
    ),
    max_size=12,
).map("".join)


@given(text=_TEXTS, places=st.lists(st.integers(0, 200), max_size=20))
@example(text=f" Hello.\n\n{MARKER}\nYes\nNo", places=list(range(40)))
@example(text="İ[[suggestions]]\nOne\nTwo", places=[1, 2])
def test_any_cutting_gives_the_same_text_and_suggestions(
    text: str, places: list[int]
) -> None:
    assert _split(_cut(text, places)) == _split([text])


@given(text=_TEXTS, places=st.lists(st.integers(0, 200), max_size=20))
def test_the_marker_and_what_follows_is_never_shown(
    text: str, places: list[int]
) -> None:
    shown, _ = _split(_cut(text, places))
    marker = re.compile(re.escape(MARKER), re.ASCII | re.IGNORECASE)
    assert not marker.search(shown)
    if found := marker.search(text):
        assert shown == text[: found.start()].strip()


@given(text=_TEXTS)
def test_text_without_a_marker_is_shown_whole(text: str) -> None:
    shown, offered = _split(list(text), suggestions=False)
    assert (shown, offered) == (text.strip(), ())


def test_only_what_may_become_the_marker_is_held_back() -> None:
    splitter = ReplySplitter(suggestions=True)
    assert splitter.feed("Look at [this") == "Look at [this"
    assert splitter.feed("] and [") == "] and"
    assert splitter.feed("that]") == " [that]"
    assert splitter.feed("\n\n[[sug") == ""
    assert splitter.feed("ar]]") == "\n\n[[sugar]]"


def test_suggestions_are_cleaned() -> None:
    text, offered = _split(
        [f"Well.\n\n{MARKER}\n1. **Yes, every day**\n- “Not yet”\n\n3) Tell me more\n"]
    )
    assert text == "Well."
    assert offered == ("Yes, every day", "Not yet", "Tell me more")


@pytest.mark.parametrize(
    "rubbish",
    ["", "\n\n", "{}", "Only one", '["a"', "[1, 2]", "***\n---\n!!", "<br>\n<hr>"],
)
def test_rubbish_offers_nothing(rubbish: str) -> None:
    assert parse_suggestions(rubbish) == ()


def test_a_list_in_json_is_understood() -> None:
    offered = parse_suggestions('["Yes please", "No thanks"]')
    assert [suggestion.label for suggestion in offered] == ["Yes please", "No thanks"]


def test_a_long_suggestion_keeps_its_text_and_gets_a_short_label() -> None:
    long = "word " * 40
    first, second, *rest = parse_suggestions("\n".join([long, *"bcdefgh"]))
    assert len(first.label) <= 80
    assert first.label.endswith("…")
    assert first.text == long.strip()
    assert second.text == "b"
    assert len(rest) == 2


def test_a_marker_cut_off_at_the_end_is_not_shown() -> None:
    assert _split(["Done.\n\n[[sugges"]) == ("Done.", ())
