"""How a roll-out goes on: distribution, probes, canary steps, promotion.

A candidate is distributed with weight 0, must pass its probes once enough
orchestrators have it, gets a growing share of the sessions, and is promoted. The first
roll-out of a crew, which has no stable revision to compare with, has no steps. A
candidate that the spec does not name any more, or whose spec is not valid any more, is
dropped without being remembered as failed.

Progress is what is recorded as `progressedAt`: the beginning of the roll-out, enough
orchestrators, passed probes, the beginning of a step, a person's approval, and the
end of what it stood still for (a pause of the crew, the lack of any orchestrator).
Single acknowledgements, single probes and single turns are none. The deadline counts
from the last progress, in a step from the end of its pause when that is later. It does
not run while a step waits for approval, while the crew is paused, while there are no
orchestrators, or once a person is waited for.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from libs.crewspec.rollout import CanaryStep
from libs.crewspec.status import ConditionReason, RolloutState
from services.operator.analysis import worse_than_stable
from services.operator.moments import exact_moment, read_moment
from services.operator.observed import RevisionStats
from services.operator.probes import Trial
from services.operator.standing import SETTLING, Failure, Situation, Standing

__all__ = ["Wait", "is_probing", "refusal", "roll", "trial_of", "waits_for"]


@dataclass(frozen=True, slots=True)
class Wait:
    """What a roll-out waits for; `until` is when time alone may change something."""

    reason: ConditionReason
    message: str
    until: datetime | None


class _Stage(StrEnum):
    DISTRIBUTION = "distribution"
    PROBES = "probes"
    READY_FOR_STEPS = "ready for steps"
    STEP = "step"


def roll(standing: Standing, situation: Situation) -> Standing:
    """Take a roll-out as far as it can go now."""
    standing = _choose(standing, situation)
    if not standing.candidate:
        return standing
    standing = _resumed(_following_steps(standing, situation), situation)
    while standing.candidate:
        standing = _with_probe_results(standing, situation)
        failure = standing.stalled or _evidence(standing, situation)
        if failure:
            return _failed(standing, situation, failure)
        further = _advance(standing, situation)
        if further == standing:
            return _within_deadline(standing, situation)
        standing = further
    return standing


def waits_for(standing: Standing, situation: Situation) -> Wait:
    """Tell what a candidate waits for, and the next moment that matters."""
    state, stage = standing.state, _stage(standing.state)
    until = _next_moment(standing, situation)
    if not situation.needed:
        reason = ConditionReason.NO_ORCHESTRATORS
        return Wait(reason, "no orchestrator is known to be there", until)
    if stage is _Stage.STEP:
        return _waits_in_step(standing, situation, until)
    if stage is _Stage.PROBES and situation.is_programmed(state.digest):
        probes = len(situation.rollout.probes)
        message = f"waits for the outcome of its probes, {probes} in all"
        return Wait(ConditionReason.PROBING, message, until)
    percent = situation.rollout.min_ack_percent
    message = f"waits until {percent} % of the orchestrators have it"
    return Wait(ConditionReason.DISTRIBUTING, message, until)


def trial_of(standing: Standing, situation: Situation) -> Trial | None:
    """Return the trial that is under way: of the candidate, or asked for; or None."""
    state, probe = standing.state, standing.last_probe
    if is_probing(standing):
        is_held = situation.is_paused
        return None if is_held else _trial(state.digest, state.started_at, situation)
    if probe.asked_at and not probe.time:
        return _trial(probe.digest, probe.asked_at, situation)
    return None


def is_probing(standing: Standing) -> bool:
    """Tell whether the candidate has to pass its probes now."""
    is_rolling = bool(standing.candidate) and not standing.stalled
    return is_rolling and _stage(standing.state) is _Stage.PROBES


def refusal(digest: str, situation: Situation) -> str:
    """Tell who refuses a revision and why; empty when nobody does."""
    refused = situation.fleet.refused.get(digest)
    if not refused:
        return ""
    first = refused[min(refused)]
    count = len(refused)
    who = "an orchestrator refuses" if count == 1 else f"{count} orchestrators refuse"
    return f"{who} it: {first[:500]}"


def _choose(standing: Standing, situation: Situation) -> Standing:
    """Settle which revision is the candidate: the newest, unless it need not be."""
    newest = situation.newest
    if newest in {"", standing.stable, *standing.failed}:
        return standing.without_candidate()
    if standing.candidate == newest or situation.is_paused:
        return standing
    return standing.begun(newest, situation.now)


def _following_steps(standing: Standing, situation: Situation) -> Standing:
    """Keep to the steps as they are now: people change them half way."""
    state = standing.state
    steps = _steps(standing, situation)
    is_held = situation.is_paused or standing.stalled
    if _stage(state) is not _Stage.STEP or not steps or is_held:
        return standing
    step = min(state.step, len(steps) - 1)
    return standing.with_state(step=step, weight=steps[step].weight)


def _resumed(standing: Standing, situation: Situation) -> Standing:
    """Count the deadline anew after a time in which nothing could happen."""
    is_waiting = situation.is_paused or not situation.needed
    if is_waiting or not situation.was_waiting:
        return standing
    return standing.with_state(progressed_at=exact_moment(situation.now))


def _with_probe_results(standing: Standing, situation: Situation) -> Standing:
    state = standing.state
    if not is_probing(standing):
        return standing
    trial = _trial(state.digest, state.started_at, situation)
    if trial.missing or not trial.probes:
        return standing
    return replace(standing, last_probe=trial.result())


def _evidence(standing: Standing, situation: Situation) -> Failure | None:
    """Find what speaks against the candidate, whether it could go on or not."""
    state = standing.state
    stage = _stage(state)
    is_approved = stage is _Stage.STEP and state.approved_step == state.step
    if is_approved and not situation.rollout.auto_rollback:
        return None
    refused = refusal(state.digest, situation)
    if refused and situation.now >= _after(state.progressed_at, SETTLING, situation):
        return Failure(ConditionReason.REFUSED, refused)
    if stage is _Stage.PROBES and _is_tried(standing, situation):
        probe = standing.last_probe
        if probe.passed < probe.total:
            message = f"{probe.passed} of {probe.total} passed; {probe.message}"
            return Failure(ConditionReason.PROBE_FAILED, message)
    if stage is _Stage.STEP:
        none = RevisionStats()
        worse = worse_than_stable(
            situation.fleet.stats.get(standing.candidate, none),
            situation.fleet.stats.get(standing.stable, none),
            situation.rollout.analysis,
        )
        if worse:
            return Failure(ConditionReason.WORSE_THAN_STABLE, worse)
    return None


def _advance(standing: Standing, situation: Situation) -> Standing:
    """Take one stage further, if nothing is left to wait for."""
    state, at = standing.state, exact_moment(situation.now)
    is_held = situation.is_paused or situation.is_approving
    is_programmed = situation.is_programmed(state.digest)
    if is_held or not is_programmed or refusal(state.digest, situation):
        return standing
    match _stage(state):
        case _Stage.DISTRIBUTION:
            return standing.with_state(programmed_at=at, progressed_at=at)
        case _Stage.PROBES:
            is_over = not situation.rollout.probes or _is_tried(standing, situation)
            passed = {"probed_at": at, "progressed_at": at}
            return standing.with_state(**passed) if is_over else standing
        case _Stage.READY_FOR_STEPS:
            return _in_step(standing, situation, 0)
        case _Stage.STEP:
            is_done = _is_step_done(standing, situation)
            return (
                _in_step(standing, situation, state.step + 1) if is_done else standing
            )


def _in_step(standing: Standing, situation: Situation, step: int) -> Standing:
    """Begin a step, or promote the candidate when there is none left."""
    steps = _steps(standing, situation)
    if step >= len(steps):
        return replace(
            standing.without_candidate(), stable=standing.candidate, given_up=None
        )
    at = exact_moment(situation.now)
    return standing.with_state(
        step=step,
        step_started_at=at,
        progressed_at=at,
        weight=steps[step].weight,
        approved_step=-1,
    )


def _is_step_done(standing: Standing, situation: Situation) -> bool:
    step = _step(standing, situation)
    state = standing.state
    if step is None or state.approved_step == state.step:
        return True
    if situation.now < _pause_end(state, step, situation) or step.require_approval:
        return False
    analysis = situation.rollout.analysis
    stats = situation.fleet.stats.get(standing.candidate, RevisionStats())
    return stats.turns >= analysis.min_turns or not analysis.wait_for_turns


def _failed(standing: Standing, situation: Situation, failure: Failure) -> Standing:
    if not situation.rollout.auto_rollback:
        return replace(standing, stalled=failure)
    return standing.giving_up(standing.candidate, failure, newest=situation.newest)


def _within_deadline(standing: Standing, situation: Situation) -> Standing:
    deadline = _deadline(standing, situation)
    if deadline is None or situation.now < deadline:
        return standing
    wait = waits_for(standing, situation)
    seconds = situation.rollout.progress_deadline_seconds
    message = f"no progress for {seconds} seconds: {wait.message}"
    failure = Failure(ConditionReason.PROGRESS_DEADLINE_EXCEEDED, message)
    return _failed(standing, situation, failure)


def _waits_in_step(
    standing: Standing, situation: Situation, until: datetime | None
) -> Wait:
    state, step = standing.state, _step(standing, situation)
    count = len(_steps(standing, situation))
    where = f"{state.weight} % of the sessions get it, step {state.step + 1} of {count}"
    if step is None or situation.now < _pause_end(state, step, situation):
        return Wait(ConditionReason.CANARY, where, until)
    if step.require_approval:
        message = f"{where}; goes on when somebody approves"
        return Wait(ConditionReason.AWAITING_APPROVAL, message, until)
    least = situation.rollout.analysis.min_turns
    message = f"{where}; goes on after {least} turns in all"
    return Wait(ConditionReason.CANARY, message, until)


def _next_moment(standing: Standing, situation: Situation) -> datetime | None:
    state = standing.state
    moments = [_deadline(standing, situation)]
    step = _step(standing, situation)
    if step and not (situation.is_paused or standing.stalled):
        moments.append(_pause_end(state, step, situation))
    if refusal(state.digest, situation) and not standing.stalled:
        moments.append(_after(state.progressed_at, SETTLING, situation))
    coming = [moment for moment in moments if moment and moment > situation.now]
    return min(coming, default=None)


def _deadline(standing: Standing, situation: Situation) -> datetime | None:
    """Tell when there will have been no progress for too long; None while none runs."""
    state = standing.state
    if situation.is_paused or standing.stalled or not situation.needed:
        return None
    allowed = timedelta(seconds=situation.rollout.progress_deadline_seconds)
    since = _after(state.progressed_at, timedelta(), situation)
    step = _step(standing, situation)
    if step is not None:
        if step.require_approval and state.approved_step != state.step:
            return None
        since = max(since, _pause_end(state, step, situation))
    return since + allowed


def _stage(state: RolloutState) -> _Stage:
    if not state.programmed_at:
        return _Stage.DISTRIBUTION
    if not state.probed_at:
        return _Stage.PROBES
    return _Stage.STEP if state.step_started_at else _Stage.READY_FOR_STEPS


def _steps(standing: Standing, situation: Situation) -> tuple[CanaryStep, ...]:
    return situation.rollout.steps if standing.stable else ()


def _step(standing: Standing, situation: Situation) -> CanaryStep | None:
    """Return the present step; None when it is not in one, or it was taken away."""
    state = standing.state
    steps = _steps(standing, situation)
    if _stage(state) is not _Stage.STEP or state.step >= len(steps):
        return None
    return steps[state.step]


def _pause_end(state: RolloutState, step: CanaryStep, situation: Situation) -> datetime:
    pause = timedelta(seconds=step.pause_seconds)
    return _after(state.step_started_at, pause, situation)


def _after(moment: str, span: timedelta, situation: Situation) -> datetime:
    # What is no moment was written by hand: nothing is waited for on its account.
    return (read_moment(moment) or situation.now) + span


def _trial(digest: str, since: str, situation: Situation) -> Trial:
    outcomes = situation.fleet.probes.get(digest, {})
    probes = situation.rollout.probes
    return Trial.since(digest, probes, outcomes, read_moment(since))


def _is_tried(standing: Standing, situation: Situation) -> bool:
    """Tell whether every probe of the candidate has an outcome."""
    state = standing.state
    is_of_it = standing.last_probe.digest == state.digest
    trial = _trial(state.digest, state.started_at, situation)
    return is_of_it and bool(trial.probes) and not trial.missing
