"""What is worth telling people: transitions, each once."""

from collections.abc import Iterator

from libs.crewspec.status import (
    Condition,
    ConditionReason,
    ConditionStatus,
    ConditionType,
    CrewStatus,
)
from services.operator.plan import EventToTell, EventType
from services.operator.standing import GivenUp

__all__ = ["events_of"]

_MAX_MESSAGE = 1_000


def events_of(
    before: CrewStatus | None, now: CrewStatus, given_up: GivenUp | None
) -> tuple[EventToTell, ...]:
    """Tell what changed between two statuses; `given_up` is a digest just given up."""
    was = before or CrewStatus()
    return (
        *_acceptance(was, now),
        *_rollout(was, now),
        *_failures(was, now, given_up),
        *_stable(was, now),
        *_pauses(was, now),
    )


def _acceptance(was: CrewStatus, now: CrewStatus) -> Iterator[EventToTell]:
    old, new = (_told(status, ConditionType.ACCEPTED) for status in (was, now))
    if new is None or _is_same(old, new):
        return
    if new.status is ConditionStatus.FALSE:
        yield _event(EventType.WARNING, new.reason, new.message)
    elif old is not None:
        yield _event(EventType.NORMAL, new.reason, "the spec is valid")


def _rollout(was: CrewStatus, now: CrewStatus) -> Iterator[EventToTell]:
    old, new = was.rollout, now.rollout
    name = now.candidate_revision
    if new.started_at and new.started_at != old.started_at:
        message = f"revision {name} is being rolled out"
        yield _event(EventType.NORMAL, "RolloutStarted", message)
    if new.step_started_at and new.step_started_at != old.step_started_at:
        message = f"revision {name} gets {new.weight} % of the sessions"
        yield _event(EventType.NORMAL, ConditionReason.CANARY, message)
    moving = _told(now, ConditionType.RECONCILING)
    if moving and moving.reason == ConditionReason.AWAITING_APPROVAL:
        before = _told(was, ConditionType.RECONCILING)
        if before is None or before.reason != moving.reason:
            yield _event(EventType.NORMAL, moving.reason, moving.message)


def _failures(
    was: CrewStatus, now: CrewStatus, given_up: GivenUp | None
) -> Iterator[EventToTell]:
    if given_up:
        failure = given_up.failure
        digest = given_up.digest.removeprefix("sha256:")[:10]
        message = f"revision {digest} was given up: {failure.message}"
        yield _event(EventType.WARNING, failure.reason, message)
    old, new = (_told(status, ConditionType.STALLED) for status in (was, now))
    is_stuck = new is not None and new.status is ConditionStatus.TRUE
    if new and is_stuck and now.candidate_digest and not _is_same(old, new):
        message = f"the roll-out waits for a person: {new.message}"
        yield _event(EventType.WARNING, new.reason, message)


def _stable(was: CrewStatus, now: CrewStatus) -> Iterator[EventToTell]:
    if now.stable_digest != was.stable_digest:
        message = f"revision {now.stable_revision} serves everybody"
        yield _event(EventType.NORMAL, ConditionReason.SERVING, message)
    old, new = (_told(status, ConditionType.PROGRAMMED) for status in (was, now))
    is_refused = new is not None and new.reason == ConditionReason.REFUSED
    if new and is_refused and not _is_same(old, new) and not now.candidate_digest:
        yield _event(EventType.WARNING, new.reason, new.message)


def _pauses(was: CrewStatus, now: CrewStatus) -> Iterator[EventToTell]:
    paused = ConditionReason.PAUSED
    old, new = (_told(status, ConditionType.RECONCILING) for status in (was, now))
    was_paused = old is not None and old.reason == paused
    is_paused = new is not None and new.reason == paused
    if is_paused and not was_paused:
        yield _event(EventType.NORMAL, paused, "the roll-out is paused")
    if was_paused and not is_paused:
        yield _event(EventType.NORMAL, "Resumed", "the roll-out is not paused any more")


def _told(status: CrewStatus, kind: ConditionType) -> Condition | None:
    return next((told for told in status.conditions if told.type is kind), None)


def _is_same(old: Condition | None, new: Condition) -> bool:
    return old is not None and (old.status, old.reason) == (new.status, new.reason)


def _event(kind: EventType, reason: str, message: str) -> EventToTell:
    return EventToTell(type=kind, reason=str(reason), message=message[:_MAX_MESSAGE])
