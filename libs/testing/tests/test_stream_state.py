"""The reducer joins texts and sees every broken rule."""

from libs.testing.stream_state import Frame, reduce_log

_STREAM = "session:one"


def _event(seq: int, event_type: str, **data: object) -> Frame:
    return {
        "stream": _STREAM,
        "seq": seq,
        "type": event_type,
        "run_id": "r",
        "data": data,
    }


def _reply(*seqs: int, length: int = 4) -> list[Frame]:
    return [
        _event(seqs[0], "message.started", message_id="m", agent="coach"),
        _event(seqs[1], "message.delta", message_id="m", text="ab"),
        _event(seqs[2], "message.delta", message_id="m", text="cd"),
        _event(
            seqs[3],
            "message.finished",
            message_id="m",
            status="complete",
            length=length,
        ),
        _event(seqs[4], "run.finished"),
    ]


def test_a_sound_log_has_no_violations() -> None:
    state = reduce_log(_STREAM, _reply(1, 2, 3, 4, 5))
    assert state.violations == []
    assert state.texts == {"m": "abcd"}
    assert state.reply_to("r") == "abcd"
    assert state.run_ends == {"r": "run.finished"}


def test_a_hole_is_a_violation() -> None:
    assert "a hole" in reduce_log(_STREAM, _reply(1, 2, 4, 5, 6)).violations[0]


def test_an_event_that_comes_twice_is_a_violation() -> None:
    events = _reply(1, 2, 3, 4, 5)
    state = reduce_log(_STREAM, [*events[:2], *events[1:]])
    assert state.violations == ["seq 2 came again after 2"]
    assert state.texts == {"m": "abcd"}


def test_a_text_of_another_length_than_told_is_a_violation() -> None:
    state = reduce_log(_STREAM, _reply(1, 2, 3, 4, 5, length=5))
    assert state.violations == ["message m: 4 of 5 characters"]


def test_a_second_end_of_a_run_is_a_violation() -> None:
    again = _event(6, "run.failed", code="run_lost")
    state = reduce_log(_STREAM, [*_reply(1, 2, 3, 4, 5), again])
    assert state.violations == ["run r ended twice"]
