"""What a model is asked when it folds turns, and how its answer is taken.

The talk is data: one JSON object to a line, so that nothing said in it can end it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from services.orchestrator.engine import HistoryMessage, Speaker

__all__ = ["clean_summary", "fold_request", "read_fold_request"]

_NOTES: Final = "notes"
_MOST_CHARACTERS_OF_ONE_MESSAGE: Final = 4_000
_CUT: Final = " […] "


def fold_request(
    prompt: str, summary: str, turns: Iterable[HistoryMessage], room: int
) -> list[dict[str, Any]]:
    """The messages of a call that folds turns into a summary.

    `room` is how many characters one message may take; of a longer one beginning
    and end are kept.
    """
    bound = min(room, _MOST_CHARACTERS_OF_ONE_MESSAGE)
    lines = [_line(_NOTES, summary)]
    lines += [_line(turn.speaker.value, _shortened(turn.text, bound)) for turn in turns]
    return [
        {"role": "system", "content": prompt},
        {"role": "user", "content": "\n".join(lines)},
    ]


def read_fold_request(
    messages: Sequence[dict[str, Any]],
) -> tuple[str, list[tuple[Speaker, str]]] | None:
    """Notes and turns of a request made by `fold_request`, or None."""
    lines = str(messages[-1].get("content") or "").splitlines()
    try:
        first, *others = (json.loads(line) for line in lines)
        said = [next(iter(entry.items())) for entry in others]
        return str(first[_NOTES]), [(Speaker(who), text) for who, text in said]
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return None


def clean_summary(text: str, most_characters: int) -> str:
    """A model's answer as a summary: visible text, whole lines, bounded."""
    # Twice the room: of an answer without end no more is looked at.
    visible = "".join(
        character if character.isprintable() or character == "\n" else " "
        for character in text.strip()[: 2 * most_characters]
    )
    lines = [line.strip() for line in visible.splitlines()]
    kept: list[str] = []
    room = most_characters
    for line in filter(None, lines):
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join(kept) or visible.strip()[:most_characters]


def _line(who: str, text: str) -> str:
    return json.dumps({who: text}, ensure_ascii=False)


def _shortened(text: str, bound: int) -> str:
    if len(text) <= bound:
        return text
    half = max(1, (bound - len(_CUT)) // 2)
    return f"{text[:half]}{_CUT}{text[-half:]}"
