"""What is told about a crew: conditions, phase, how many orchestrators have it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from libs.crewspec.status import (
    Condition,
    ConditionReason,
    ConditionStatus,
    ConditionType,
    CrewStatus,
    Orchestrators,
    Phase,
)
from services.operator.compilation import Findings
from services.operator.moments import moment
from services.operator.rollout import Wait, refusal
from services.operator.standing import Situation, Standing

__all__ = [
    "Claim",
    "Outlook",
    "acceptance",
    "claims_of",
    "count_orchestrators",
    "dated",
    "phase_of",
    "summary_of",
]

TRUE, FALSE, UNKNOWN = (
    ConditionStatus.TRUE,
    ConditionStatus.FALSE,
    ConditionStatus.UNKNOWN,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A condition without its dates."""

    type: ConditionType
    status: ConditionStatus
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A decision about a crew: what was found, what was decided, what it waits for.

    `wait` is None without a candidate; `before` is the status that was told last.
    """

    findings: Findings
    standing: Standing
    situation: Situation
    wait: Wait | None
    before: CrewStatus


def dated(
    claims: Iterable[Claim],
    before: Iterable[Condition],
    *,
    generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """Make conditions of claims: a date changes when, and only when, a status does."""
    told = {condition.type: condition for condition in before}
    conditions: list[Condition] = []
    for claim in claims:
        last = told.get(claim.type)
        is_same = last is not None and last.status is claim.status
        at = last.last_transition_time if last and is_same else moment(now)
        conditions.append(
            Condition(
                type=claim.type,
                status=claim.status,
                reason=claim.reason,
                message=claim.message[:2_048],
                observed_generation=generation,
                last_transition_time=at,
            )
        )
    return tuple(conditions)


def acceptance(findings: Findings) -> tuple[Claim, Claim]:
    """Claim whether a document is accepted, and whether what it names is there."""
    accepted = Claim(ConditionType.ACCEPTED, TRUE, ConditionReason.ACCEPTED)
    resolved = Claim(ConditionType.RESOLVED_REFS, TRUE, ConditionReason.RESOLVED)
    own, named = findings.own_reason, findings.named_reason
    if named:
        message = findings.named_message
        resolved = Claim(ConditionType.RESOLVED_REFS, FALSE, named, message)
        accepted = Claim(ConditionType.ACCEPTED, FALSE, named, message)
    if own:
        message = findings.own_message
        accepted = Claim(ConditionType.ACCEPTED, FALSE, own, message)
        if not findings.is_read:
            unread = "what it names is not known before its spec can be read"
            resolved = Claim(ConditionType.RESOLVED_REFS, UNKNOWN, own, unread)
    return accepted, resolved


def claims_of(outlook: Outlook) -> tuple[Claim, ...]:
    """Make all claims about a crew."""
    accepted, resolved = acceptance(outlook.findings)
    if accepted.status is FALSE:
        others = _claims_of_invalid(accepted, outlook.findings)
    else:
        programmed = _programmed(outlook)
        reconciling, stalled = _movement(outlook, programmed)
        others = (
            programmed,
            _ready(outlook, programmed, reconciling),
            reconciling,
            stalled,
            _rolled_back(outlook),
        )
    return accepted, resolved, *others


def phase_of(outlook: Outlook, claims: Iterable[Claim]) -> Phase:
    """Say in one word where a crew stands."""
    standing, wait = outlook.standing, outlook.wait
    if not outlook.findings.is_clean:
        return Phase.INVALID
    if outlook.situation.is_paused:
        return Phase.PAUSED
    if standing.given_up:
        return Phase.ROLLED_BACK
    if wait is None:
        is_ready = any(
            claim.type is ConditionType.READY and claim.status is TRUE
            for claim in claims
        )
        return Phase.READY if is_ready else Phase.DISTRIBUTING
    match wait.reason:
        case ConditionReason.PROBING:
            return Phase.PROBING
        case ConditionReason.CANARY | ConditionReason.AWAITING_APPROVAL:
            return Phase.CANARY
        case _:
            return Phase.DISTRIBUTING


def count_orchestrators(standing: Standing, situation: Situation) -> Orchestrators:
    """Count orchestrators; more may be connected than are ready for founders."""
    fleet, newest = situation.fleet, situation.newest
    served = {standing.stable, standing.candidate} - {""}
    desired = fleet.desired
    most = desired if desired is not None else len(fleet.serving)
    updated = situation.acks(newest) if newest in served else 0
    refusing = fleet.refused.get(standing.candidate or standing.stable, {})
    ready = sum(bool(standing.stable in serving) for serving in fleet.serving.values())
    return Orchestrators(
        desired=desired or 0,
        updated=min(updated, most),
        ready=min(ready, most),
        failed=len(refusing),
    )


def summary_of(counted: Orchestrators, situation: Situation) -> str:
    """Tell how many orchestrators of all have the newest revision: "2/3", "2/?"."""
    desired = "?" if situation.fleet.desired is None else counted.desired
    return f"{counted.updated}/{desired}"


def _claims_of_invalid(accepted: Claim, findings: Findings) -> tuple[Claim, ...]:
    reason, message = accepted.reason, accepted.message
    # What it names may come yet, a spec does not mend itself.
    is_stalled = TRUE if findings.own_reason else FALSE
    return (
        Claim(ConditionType.PROGRAMMED, FALSE, reason, "there is no valid revision"),
        Claim(ConditionType.READY, FALSE, reason, message),
        Claim(ConditionType.RECONCILING, FALSE, reason),
        Claim(ConditionType.STALLED, is_stalled, reason),
        Claim(ConditionType.ROLLED_BACK, FALSE, reason),
    )


def _programmed(outlook: Outlook) -> Claim:
    standing, situation = outlook.standing, outlook.situation
    newest, kind = situation.newest, ConditionType.PROGRAMMED
    if standing.given_up:
        message = "the newest revision was given up"
        return Claim(kind, FALSE, ConditionReason.ROLLED_BACK, message)
    if newest not in {standing.stable, standing.candidate}:
        message = "the newest revision waits for the end of the pause"
        return Claim(kind, FALSE, ConditionReason.PAUSED, message)
    if not situation.needed:
        message = "no orchestrator is known to be there"
        return Claim(kind, UNKNOWN, ConditionReason.NO_ORCHESTRATORS, message)
    if situation.is_programmed(newest):
        message = "enough orchestrators have the newest revision"
        return Claim(kind, TRUE, ConditionReason.DISTRIBUTED, message)
    if refused := refusal(newest, situation):
        return Claim(kind, FALSE, ConditionReason.REFUSED, refused)
    percent = situation.rollout.min_ack_percent
    message = f"waits until {percent} % of the orchestrators have it"
    return Claim(kind, FALSE, ConditionReason.DISTRIBUTING, message)


def _movement(outlook: Outlook, programmed: Claim) -> tuple[Claim, Claim]:
    """Claim whether a crew is on its way to what its spec says, or stuck."""
    standing, wait = outlook.standing, outlook.wait
    moving, stuck = ConditionType.RECONCILING, ConditionType.STALLED
    if failure := standing.stalled or standing.given_up:
        reason, message = failure.reason, failure.message
        return Claim(moving, FALSE, reason), Claim(stuck, TRUE, reason, message)
    if outlook.situation.is_paused:
        reason = ConditionReason.PAUSED
        message = "the roll-out stands where it is until `paused` is taken away"
        return Claim(moving, FALSE, reason, message), Claim(stuck, FALSE, reason)
    if wait:
        progress = Claim(moving, TRUE, wait.reason, wait.message)
        return progress, Claim(stuck, FALSE, wait.reason)
    if programmed.status is FALSE:
        reason = programmed.reason
        progress = Claim(moving, TRUE, reason, programmed.message)
        return progress, Claim(stuck, FALSE, reason)
    reason = ConditionReason.UP_TO_DATE
    return Claim(moving, FALSE, reason), Claim(stuck, FALSE, reason)


def _ready(outlook: Outlook, programmed: Claim, reconciling: Claim) -> Claim:
    standing, newest = outlook.standing, outlook.situation.newest
    kind = ConditionType.READY
    if standing.given_up:
        reason = ConditionReason.ROLLED_BACK
        return Claim(kind, FALSE, reason, standing.given_up.message)
    if standing.stalled:
        return Claim(kind, FALSE, standing.stalled.reason, standing.stalled.message)
    if standing.stable != newest:
        return Claim(kind, FALSE, reconciling.reason, reconciling.message)
    if programmed.status is TRUE:
        message = "the newest revision serves everybody"
        return Claim(kind, TRUE, ConditionReason.SERVING, message)
    if programmed.status is UNKNOWN:
        return _ready_as_before(outlook, programmed)
    return Claim(kind, FALSE, programmed.reason, programmed.message)


def _ready_as_before(outlook: Outlook, programmed: Claim) -> Claim:
    """Keep what was said of this revision while the fleet is not known."""
    before, newest = outlook.before, outlook.situation.newest
    kind = ConditionType.READY
    is_unknown = outlook.situation.fleet.desired is None
    is_of_it = before.stable_digest == before.newest_digest == newest
    said = [told for told in before.conditions if told.type is kind]
    if said and is_unknown and is_of_it:
        ready = said[0]
        return Claim(kind, ready.status, ready.reason, ready.message)
    return Claim(kind, UNKNOWN, programmed.reason, programmed.message)


def _rolled_back(outlook: Outlook) -> Claim:
    failure, kind = outlook.standing.given_up, ConditionType.ROLLED_BACK
    if failure:
        return Claim(kind, TRUE, failure.reason, failure.message)
    return Claim(kind, FALSE, ConditionReason.UP_TO_DATE)
