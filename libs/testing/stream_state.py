"""A client's view of one stream, reduced from frames, with what broke the rules."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Frame", "StreamState", "reduce_log"]

type Frame = dict[str, Any]
"""A decoded frame; this package knows no wire models on purpose."""

_TERMINAL = {"run.finished", "run.failed", "run.cancelled"}


@dataclass(slots=True)
class StreamState:
    """What a careful client knows of a stream.

    `violations` names every event that came twice, out of order or after a hole,
    every message whose told length is not that of its text, and every run that
    ended twice.
    """

    stream: str
    last_seq: int = 0
    epoch: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    run_ends: dict[str, str] = field(default_factory=dict)
    run_errors: dict[str, str] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    queued: dict[str, int] = field(default_factory=dict)
    events: list[Frame] = field(default_factory=list)
    snapshots: int = 0
    is_live: bool = False
    is_ended: bool = False
    violations: list[str] = field(default_factory=list)

    def apply(self, frame: Frame) -> None:
        """Take a frame of this stream."""
        match frame["type"]:
            case "snapshot":
                self._restart(frame)
            case "live":
                self.is_live = True
                if frame["seq"] < self.last_seq:
                    self.violations.append(f"live at {frame['seq']}: behind")
            case "stream.ended":
                self.is_ended = True
            case _:
                self._append(frame)

    def seen(self, event_type: str) -> list[Frame]:
        """List the events of a type, oldest first."""
        return [event for event in self.events if event["type"] == event_type]

    def counts(self) -> Counter[str]:
        """Count the events by type."""
        return Counter(event["type"] for event in self.events)

    def reply_to(self, run_id: str) -> str:
        """Join the texts of the coach's messages of a run."""
        return "".join(
            self.texts[event["data"]["message_id"]]
            for event in self.seen("message.started")
            if event["run_id"] == run_id
        )

    def _restart(self, frame: Frame) -> None:
        self.snapshots += 1
        self.last_seq, self.epoch = frame["seq"], frame["epoch"]
        messages = frame["data"].get("messages", [])
        self.texts = {each["message_id"]: each["text"] for each in messages}
        self.statuses = {each["message_id"]: each["status"] for each in messages}
        for run in frame["data"].get("runs", []):
            if run["run_id"] not in self.runs:
                self.runs.append(run["run_id"])
            if run["state"] in {"finished", "failed", "cancelled"}:
                self.run_ends[run["run_id"]] = f"run.{run['state']}"

    def _append(self, event: Frame) -> None:
        seq = event["seq"]
        if seq <= self.last_seq:
            self.violations.append(f"seq {seq} came again after {self.last_seq}")
            return
        if seq != self.last_seq + 1:
            self.violations.append(f"seq {seq} follows {self.last_seq}: a hole")
        self.last_seq = seq
        self.events.append(event)
        self._reduce(event["type"], event.get("run_id"), event["data"])

    def _reduce(self, event_type: str, run_id: str | None, data: Frame) -> None:
        if event_type.startswith("message."):
            self._reduce_message(event_type, data)
        elif event_type == "run.created":
            self.runs.append(data["run_id"])
        elif event_type in _TERMINAL and run_id is not None:
            self._end(run_id, event_type, data)

    def _reduce_message(self, event_type: str, data: Frame) -> None:
        message = data.get("message", data)
        message_id: str = message["message_id"]
        match event_type:
            case "message.copied":
                self.texts[message_id] = message["text"]
                self.statuses[message_id] = message["status"]
            case "message.accepted":
                self.texts[message_id] = data["text"]
                self.statuses[message_id] = "complete"
            case "message.queued":
                self.queued[message_id] = data["position"]
            case "message.started":
                self.texts[message_id] = ""
                self.statuses[message_id] = "streaming"
            case "message.delta":
                self.texts[message_id] = self.texts.get(message_id, "") + data["text"]
            case "message.finished":
                self._finish(message_id, data)
            case _:
                pass  # what changes neither text nor status

    def _finish(self, message_id: str, data: Frame) -> None:
        self.statuses[message_id] = data["status"]
        text = self.texts.get(message_id)
        if text is not None and len(text) != data["length"]:
            self.violations.append(
                f"message {message_id}: {len(text)} of {data['length']} characters"
            )

    def _end(self, run_id: str, event_type: str, data: Frame) -> None:
        if run_id in self.run_ends:
            self.violations.append(f"run {run_id} ended twice")
        self.run_ends[run_id] = event_type
        if event_type == "run.failed":
            self.run_errors[run_id] = data["code"]


def reduce_log(stream: str, events: list[Frame]) -> StreamState:
    """Reduce a whole log, as read page by page."""
    state = StreamState(stream)
    for event in events:
        state.apply(event)
    return state
